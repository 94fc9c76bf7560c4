"""Queues whose servers and brokers are killed; `python -m faults sqs fifo jetstream` does it with 10,000 messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from faults.queues.notes import Attempt
from faults.queues.tasks import ALWAYS, MOST, Task
from faults.queues.trial import Disturbance
from faults.queues.tried import FAULTS
from faults.queues.verdict import Verdict
from faults.report import Plan

TRIALS = {fault.name: fault.run for fault in FAULTS}


@pytest.mark.parametrize("name", ["fifo", "jetstream"])
def test_nothing_is_lost(name: str, tmp_path: Path) -> None:
    """Of 300 messages each is handled, in order; those that always fail, and no others, are dead letters."""
    seen = TRIALS[name](Plan(0.03, 14, tmp_path))
    if seen.tried == "0 messages":
        pytest.skip(seen.seen)
    assert () == seen.broken
    assert "0 lost" in seen.seen


def attempt(count: int, outcome: str, *, begun: float, server: str = "0-0") -> Attempt:
    """A delivery that takes a second, in a batch of its own."""
    return Attempt(server, f"{server}:{begun}", 0, count, begun, begun + 1 if outcome else None, outcome)


GOOD, POISON = Task(0, "", 0, 0.0), Task(0, "", ALWAYS, 0.0)
FAILED = [attempt(number + 1, "failed", begun=100.0 * number) for number in range(MOST)]
TWICE = [attempt(1, "handled", begun=100.0), attempt(2, "handled", begun=200.0, server="1-0")]


def kill(moment: float, server: str = "0-0") -> Disturbance:
    """The end of a server."""
    return Disturbance("kill", server, moment, moment)


@pytest.mark.parametrize(
    ("task", "attempts", "disturbances", "letters", "fault"),
    [
        (GOOD, TWICE[:1], [], 0, ""),
        (GOOD, [], [], 0, "it was lost"),
        (GOOD, FAILED[:1], [], 0, "it was lost"),
        (GOOD, TWICE, [kill(100.5)], 0, ""),
        (GOOD, TWICE, [kill(100.5, "1-0")], 0, "delivered again without a reason"),
        (GOOD, TWICE, [kill(150.0)], 0, "delivered again without a reason"),
        (GOOD, TWICE, [Disturbance("cut", "", 99.5, 99.6)], 0, ""),
        (GOOD, TWICE, [Disturbance("end", "0-0", 100.5, 100.6)], 0, "delivered again without a reason"),
        (GOOD, TWICE[1:], [], 0, "deliveries are missing"),
        (GOOD, TWICE[1:], [kill(199.0, "2-0")], 0, ""),
        (GOOD, TWICE[:1], [], 1, "it was handled and is in the dead letters"),
        (POISON, FAILED, [], 1, ""),
        (POISON, FAILED, [], 0, "it was lost"),
        (POISON, FAILED, [kill(300.5)], 2, "in the dead letters 2 times"),
        (POISON, FAILED, [Disturbance("cut", "", 301.5, 301.6)], 2, ""),
        (POISON, FAILED[:-1], [], 1, "in the dead letters too early"),
        (POISON, FAILED[:-1], [kill(299.0)], 1, ""),
        (POISON, [*FAILED, attempt(MOST + 1, "failed", begun=400.0)], [], 1, "handed over after its last delivery"),
        (POISON, [*FAILED[:-1], attempt(MOST, "", begun=300.0)], [], 1, "last delivery was not disturbed"),
    ],
)
def test_what_a_verdict_notices(
    task: Task, attempts: Sequence[Attempt], disturbances: Sequence[Disturbance], letters: int, fault: str
) -> None:
    """Each delivery must have a reason, and each kill explains only what was under way."""
    verdict = Verdict([task], {0: [*attempts]}, disturbances, Counter({0: letters}))
    assert bool(fault) == bool(verdict.broken)
    assert fault in "".join(verdict.broken)


def test_the_order_that_a_verdict_notices() -> None:
    """In a group, the second message must not be handled first."""
    tasks = [Task(number, "g", 0, 0.0) for number in range(2)]
    first, second = attempt(1, "handled", begun=10.0), attempt(1, "handled", begun=5.0)
    verdict = Verdict(tasks, {0: [first], 1: [second]}, [], Counter())
    assert ["g: message 1 was handled before message 0"] == verdict.broken
