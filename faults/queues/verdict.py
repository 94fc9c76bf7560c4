"""Judges a trial: what was lost, what was handled twice and why, what is in the dead letters and why, and the order."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from faults.queues.notes import Attempt
from faults.queues.tasks import BEFORE, MOST, Task
from faults.queues.trial import Disturbance

#: Seconds that it may take until a broker knows for certain that a message was handled.
SETTLING = 2.0


@dataclass
class Verdict:
    """What became of the messages of one trial.

    Attributes:
        broken: each way in which a promise was broken.
        lost: how many messages were neither handled nor are in the dead letters.
        twice: how many were handled more than once.
        dead: how many of those that do not always fail are in the dead letters.
        repeated: how many are there more than once.
    """

    tasks: Sequence[Task]
    attempts: Mapping[int, list[Attempt]]
    disturbances: Sequence[Disturbance]
    letters: Counter[int]
    broken: list[str] = field(default_factory=list)
    lost: int = 0
    twice: int = 0
    dead: int = 0
    repeated: int = 0

    def __post_init__(self) -> None:
        self._batches: dict[str, list[Attempt]] = {}
        for attempts in self.attempts.values():
            attempts.sort(key=lambda one: one.begun)
            for each in attempts:
                self._batches.setdefault(each.batch, []).append(each)
        for task in self.tasks:
            own = self.attempts.get(task.number, [])
            self.broken += [f"message {task.number}: {fault}" for fault in self._faults(task, own)]
        self.disordered = [*self._disorder()]
        self.broken += self.disordered

    def _faults(self, task: Task, own: Sequence[Attempt]) -> Iterator[str]:
        handled = [one for one in own if one.outcome == "handled"]
        letters = self.letters[task.number]
        if not handled and not letters:
            self.lost += 1
            yield f"it was lost after {_shown(own)}"
        self.repeated += letters > 1
        # A NATS server that is killed just after it has stored a dead letter may not recognize it as stored.
        if letters > 1 and not (own and self._disturbed(own[-1], "cut")):
            yield f"it is in the dead letters {letters} times"
        if task.poison and not letters and handled:
            yield "it always fails and was handled"
        self.twice += len(handled) > 1
        self.dead += bool(letters and not task.poison)
        yield from self._unexplained_deliveries(own, letters)

    def _unexplained_deliveries(self, own: Sequence[Attempt], letters: int) -> Iterator[str]:
        """Each delivery has its reason: the message is new, the one before failed or was disturbed, or got nowhere."""
        before: Attempt | None = None
        for each in own:
            if before is not None and before.outcome not in {"failed", "skipped"} and not self._disturbed(before):
                yield f"it was delivered again without a reason: {_shown(own)}"
            since = before.begun - BEFORE if before else 0.0
            counted = before.count if before else 0
            # One that was skipped on its last delivery is handed over again, in the same delivery.
            again = before is not None and (before.outcome, before.server) == ("skipped", each.server)
            counted -= again and counted == MOST
            if each.count != counted + 1 and not self._anything(since, each.begun):
                yield f"deliveries are missing, or were counted twice: {_shown(own)}"
            before = each
        if any(each.count > MOST for each in own):
            yield f"it was handed over after its last delivery: {_shown(own)}"
        if not letters or before is None:
            return
        if before.outcome == "handled" and not self._disturbed(before):
            yield f"it was handled and is in the dead letters: {_shown(own)}"
        elif before.count != MOST and not self._anything(before.begun, float("inf")):
            yield f"it is in the dead letters too early: {_shown(own)}"
        elif not before.outcome and not self._disturbed(before):
            yield f"it is in the dead letters, and its last delivery was not disturbed: {_shown(own)}"

    def _disturbed(self, attempt: Attempt, kind: str = "") -> bool:
        """Whether the broker could not learn in time what became of a delivery, for any reason or one of a kind."""
        batch = self._batches[attempt.batch]
        since, until = min(one.begun for one in batch), max(one.ended or one.begun for one in batch) + SETTLING
        return any(
            (each.kind == "kill" and each.server == attempt.server and (each.since <= until or not attempt.outcome))
            or (each.kind == "cut" and each.since <= until and each.until >= since - BEFORE)
            for each in self.disturbances
            if kind in {"", each.kind}
        )

    def _anything(self, since: float, until: float) -> bool:
        """Whether a delivery in this time may have got nowhere: a server that had it was killed, ended or cut off."""
        return any(each.since <= until and each.until >= since for each in self.disturbances)

    def _disorder(self) -> Iterator[str]:
        """Each group's messages are handled for the first time in the order in which they were sent."""
        groups: dict[str, list[tuple[float, int]]] = {}
        for task in self.tasks:
            ends = [one.ended or 0.0 for one in self.attempts.get(task.number, ()) if one.outcome == "handled"]
            if task.group and ends:
                groups.setdefault(task.group, []).append((min(ends), task.number))
        for group, handled in groups.items():
            numbers = [number for _, number in sorted(handled)]
            for first, second in pairwise(numbers):
                if first > second:
                    yield f"{group}: message {first} was handled before message {second}"


def _shown(attempts: Iterable[Attempt]) -> str:
    """Deliveries, for people."""
    told = [
        f"delivery {each.count} on {each.server} at {each.begun:.2f}, {each.outcome or 'begun'}"
        f"{f' at {each.ended:.2f}' if each.ended else ''}"
        for each in attempts
    ]
    return "; ".join(told) or "no delivery"
