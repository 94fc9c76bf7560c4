"""The messages of a trial, and the function that handles them."""

import json
import random
from dataclasses import asdict, dataclass

#: After how many deliveries a message that fails goes to the dead letters.
MOST = 4
#: Seconds after which a message is delivered again that the broker hears nothing of.
HIDDEN = 3
#: Seconds for which a message may have been hidden, or waiting for its turn at a server, before it was handed over.
BEFORE = 2.5 * HIDDEN
#: How many failures make a message one that always fails.
ALWAYS = 1_000_000
#: How many events each server has under way at once, and how many messages an event has.
CONCURRENCY, BATCH = 2, 10

#: Each line is written at once, so a kill loses none. The clock is the same in all processes. The function follows what
#: AWS recommends for FIFO queues: once a message has failed, it handles no more of that group.
APP = """
import itertools, json, os, time

NAME = f"{os.environ['SERVER']}.{os.getpid()}"
NOTES = os.open(f"{os.environ['NOTES']}/{NAME}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
BATCHES = itertools.count()

def note(*facts):
    os.write(NOTES, json.dumps(facts).encode() + b"\\n")

def handler(event, context):
    batch, failed, blocked = next(BATCHES), [], set()
    for record in event["Records"]:
        task = json.loads(record["body"])
        count = record.get("delivered") or int(record["attributes"]["ApproximateReceiveCount"])
        about = task["number"], count, batch
        if task["group"] in blocked:
            note("skipped", *about, time.monotonic())
            continue
        note("begun", *about, time.monotonic())
        time.sleep(task["seconds"])
        if count > task["fails"]:
            note("handled", *about, time.monotonic())
            continue
        note("failed", *about, time.monotonic())
        failed.append({"itemIdentifier": record["messageId"]})
        blocked.update({task["group"]} - {""})
    return {"batchItemFailures": failed}
"""
CONFIG = f"""
[functions.fn]
handler = "app.handler"
convention = "lambda"
timeout = 60
concurrency = {CONCURRENCY}

[[functions.fn.sources]]
batch = {BATCH}
"""


@dataclass(frozen=True)
class Task:
    """One message.

    Attributes:
        number: its place in the order of sending.
        group: its group in a FIFO queue; empty for other queues.
        fails: how many deliveries fail, from the first on.
        seconds: how long it takes.
    """

    number: int
    group: str
    fails: int
    seconds: float

    @property
    def poison(self) -> bool:
        """Whether it always fails."""
        return self.fails == ALWAYS

    @property
    def body(self) -> str:
        """The message's body."""
        return json.dumps(asdict(self))


def disturbed(count: int) -> int:
    """How many of so many messages are sent before the last disturbance.

    The rest are handled in peace, so nothing excuses what goes wrong with them.
    """
    return count * 9 // 10


def planned(count: int, seed: int, *, groups: int = 0) -> list[Task]:
    """Return so many messages.

    Of a hundred, about two always fail, five fail at first, and one takes longer than messages are hidden. Of those
    that are handled in peace, three do, and none fails.
    """
    choose, tasks = random.Random(seed), []
    for number in range(count):
        kind, seconds = choose.randrange(100), choose.uniform(0, 0.01)
        if number >= disturbed(count):
            kind = 99 if number >= count - 3 else 98
        fails = ALWAYS if kind < 2 else kind % 2 + 1 if kind < 7 else 0
        group = f"group {choose.randrange(groups)}" if groups else ""
        tasks.append(Task(number, group, fails, 1.5 * HIDDEN if kind == 99 else seconds))
    return tasks
