"""What the functions of a trial have noted: each delivery of each message, when it began and how it ended."""

import json
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Attempt:
    """One delivery of a message to a function.

    Attributes:
        server: the server that had the function.
        batch: the event that it was in; no other one has the same name.
        number: the message's number.
        count: how often it had been delivered, by the broker's count.
        begun: when it began.
        ended: when it ended; None if it has not.
        outcome: `handled`, `failed`, or `skipped` after a failure in its group; empty if it has not ended.
    """

    server: str
    batch: str
    number: int
    count: int
    begun: float
    ended: float | None = None
    outcome: str = ""


@dataclass
class Notes:
    """The notes in a folder, read as they grow.

    Attributes:
        attempts: all so far, by the messages' numbers.
        handled: the numbers of the messages that a function has handled.
    """

    folder: Path
    attempts: dict[int, list[Attempt]] = field(default_factory=dict)
    handled: set[int] = field(default_factory=set)
    _read: dict[Path, int] = field(default_factory=dict)
    _open: dict[tuple[str, int], Attempt] = field(default_factory=dict)

    def read(self) -> int:
        """Read what is new; return how many bytes there are now."""
        for file in self.folder.iterdir():
            with file.open("rb") as opened:
                opened.seek(self._read.get(file, 0))
                new = opened.read()
            whole = new[: new.rfind(b"\n") + 1]
            self._read[file] = self._read.get(file, 0) + len(whole)
            for line in whole.splitlines():
                self._note(file.name, json.loads(line))
        return sum(self._read.values())

    def _note(self, process: str, facts: tuple[str, int, int, int, float]) -> None:
        what, number, count, batch, moment = facts
        name = f"{process}:{batch}"
        attempt = self._open.pop((name, number), None)
        if attempt is None:
            attempt = Attempt(process.partition(".")[0], name, number, count, moment)
            self.attempts.setdefault(number, []).append(attempt)
        if what == "begun":
            self._open[name, number] = attempt
            return
        attempt.ended, attempt.outcome = moment, what
        if what == "handled":
            self.handled.add(number)
