"""The faults that are tried with queues."""

import random
import shutil
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from faults.queues.brokers import Broker, jetstream, sqs
from faults.queues.tasks import MOST, planned
from faults.queues.trial import Trial
from faults.queues.verdict import Verdict
from faults.report import Fault, Plan, Seen

#: How many servers poll a queue, and how many broken promises are shown.
SERVERS, SHOWN = 3, 20


def run(plan: Plan, broker: Callable[[Path], AbstractContextManager[Broker]], *, fifo: bool = False) -> Seen:
    """Have servers handle a queue's messages, while they and the queue's broker are killed at random."""
    count = plan.times(10_000, 100)
    groups = max(count // 40, 30) if fifo else 0
    tasks, began = planned(count, plan.seed, groups=groups), time.monotonic()
    with broker(plan.folder) as queue:
        trial = Trial(queue, plan.folder, random.Random(plan.seed))
        trial.run(tasks, SERVERS)
        seconds = time.monotonic() - began
        verdict = Verdict(tasks, trial.notes.attempts, trial.disturbances, Counter(queue.dead()))
    done, poison = Counter(one.kind for one in trial.disturbances), [task for task in tasks if task.poison]
    found = sum(verdict.letters[task.number] > 0 for task in poison)
    again = f", {verdict.repeated} of them twice" if verdict.repeated else ""
    others = f", and {verdict.dead} of the others, whose last delivery was killed" if verdict.dead else ""
    order = f"; the order was kept in {groups} groups" if fifo and not verdict.disordered else ""
    return Seen(
        f"{count:,} messages, {len(poison)} of which always fail; of {SERVERS} servers, one was killed {done['kill']} "
        f"times and ended {done['end']} times; the broker was killed or cut off {done['cut']} times",
        f"{verdict.lost} lost; {verdict.twice} handled twice; {found} of the {len(poison)} in the dead letters{again}"
        f"{others}{order}; {seconds:.0f} s",
        (*trial.faults, *verdict.broken[:SHOWN]),
    )


def stream(plan: Plan) -> Seen:
    """Try it with NATS JetStream."""
    if shutil.which("nats-server") is None:
        return Seen("0 messages", "not tried, because nats-server is not installed")
    return run(plan, jetstream)


PROMISE = (
    "each message is handled at least once, and twice only if it was under way at a kill; those that always fail "
    f"become dead letters, once, after {MOST} deliveries"
)

FAULTS = (
    Fault(
        "sqs",
        "the servers that poll an SQS queue are stopped by SIGKILL and SIGTERM, and lose their connections to it",
        PROMISE,
        partial(run, broker=sqs),
    ),
    Fault(
        "fifo",
        "the same with a FIFO queue",
        f"{PROMISE}; in each group the order is kept",
        partial(run, broker=partial(sqs, fifo=True), fifo=True),
    ),
    Fault(
        "jetstream",
        "the servers that poll a JetStream stream are stopped by SIGKILL and SIGTERM, and the NATS server by SIGKILL",
        PROMISE,
        stream,
    ),
)
