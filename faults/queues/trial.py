"""A trial: servers poll a queue for their functions, and are killed, ended and cut off meanwhile."""

import random
import signal
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from support.local import ServerProcess
from support.wire import PATIENCE

from faults.queues.brokers import Broker
from faults.queues.notes import Notes
from faults.queues.tasks import APP, BATCH, BEFORE, CONFIG, Task, disturbed

#: How many messages are sent ahead of those that were handled.
AHEAD = 600
#: How many messages there are for each disturbance, in addition to one of each kind.
EACH = 400
#: The share of the messages by which the last disturbance comes that are not left to be handled in peace.
LATEST = 0.7
#: Kinds of disturbances, as often as they are to be.
KINDS = ("kill", "kill", "kill", "end", "cut", "cut")


@dataclass(frozen=True)
class Disturbance:
    """One thing that was done to a trial.

    Attributes:
        kind: `kill` (SIGKILL) or `end` (SIGTERM) of a server, or `cut` for the broker.
        server: the server; empty if it was done to all.
        since: when it began.
        until: when it was over.
    """

    kind: str
    server: str
    since: float
    until: float


@dataclass
class Trial:
    """The servers of one trial, and what was done to them.

    Attributes:
        broker: the queue.
        folder: an empty folder.
        choose: what all that is random follows from.
        faults: what went wrong that no message shows.
    """

    broker: Broker
    folder: Path
    choose: random.Random
    disturbances: list[Disturbance] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    _servers: dict[str, ServerProcess] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._noted = self.folder / "notes"
        self._noted.mkdir()
        self.notes = Notes(self._noted)

    def run(self, tasks: list[Task], servers: int) -> None:
        """Send all messages, disturb their handling, and wait until none is left."""
        kinds = [*KINDS[2:], *(self.choose.choice(KINDS) for _ in range(len(tasks) // EACH))]
        moments = sorted(self.choose.uniform(0.02, LATEST) * disturbed(len(tasks)) for _ in kinds)
        self.choose.shuffle(kinds)
        plan = list(zip(moments, kinds, strict=True))
        try:
            for number in range(servers):
                self._start(f"{number}-0")
            self._feed(tasks, plan)
        finally:
            for server in self._servers.values():
                server.child.signal()
            for name in [*self._servers]:
                self._await_end(name)

    def _feed(self, tasks: list[Task], plan: list[tuple[float, str]]) -> None:
        sent, seen, since, pause = 0, (0, 0), time.monotonic(), threading.Event()
        while True:
            progress, done = self.notes.read(), len(self.notes.handled)
            while plan and done >= plan[0][0]:
                self._disturb(plan.pop(0)[1])
            ready = min(len(tasks) if self._in_peace(plan) else disturbed(len(tasks)), sent + BATCH)
            if sent < ready and sent - done - sum(task.poison for task in tasks[:sent]) < AHEAD:
                self.broker.send(tasks[sent:ready])
                sent = ready
                continue
            left = self.broker.left()
            if sent == len(tasks) and not left:
                break
            if plan and not left:
                self._disturb(plan.pop(0)[1])
            if (progress, left) != seen:
                seen, since = (progress, left), time.monotonic()
            elif time.monotonic() - since > PATIENCE:
                self.faults.append(f"{left} messages were left, and nothing has happened for {PATIENCE:.0f} s")
                break
            pause.wait(0.02)
        self.notes.read()

    def _in_peace(self, plan: list[tuple[float, str]]) -> bool:
        """Whether the last disturbance was so long ago that it no longer explains anything."""
        latest = self.disturbances[-1].until if self.disturbances else 0.0
        return not plan and time.monotonic() > latest + BEFORE

    def _start(self, name: str) -> None:
        root = self.folder / name.partition("-")[0]
        root.mkdir(exist_ok=True)
        (root / "app.py").write_text(APP)
        (root / "dispatch.toml").write_text(CONFIG + self.broker.source)
        variables = {**self.broker.variables, "SERVER": name, "NOTES": str(self._noted)}
        self._servers[name] = ServerProcess(root, "--no-reload", "--grace", "60", environment=variables)

    def _disturb(self, kind: str) -> None:
        name, since = self.choose.choice([*self._servers]), time.monotonic()
        if kind == "cut":
            self.broker.cut(self.choose)
            name = ""
        elif kind == "kill":
            self._servers.pop(name).child.kill()
        else:
            self._servers[name].child.signal(signal.SIGTERM)
            self._await_end(name)
        self.disturbances.append(Disturbance(kind, name, since, time.monotonic()))
        if name:
            slot, _, times = name.partition("-")
            self._start(f"{slot}-{int(times) + 1}")

    def _await_end(self, name: str) -> None:
        server = self._servers.pop(name)
        try:
            status = server.wait()
            if status and (status != -signal.SIGTERM or server.child.output["stdout"]):  # else it was just starting
                self.faults.append(f"the server {name} ended with status {status}: {_last(server.lines)}")
        finally:
            server.child.kill()


def _last(lines: Iterable[str]) -> str:
    return " / ".join([*lines][-5:])
