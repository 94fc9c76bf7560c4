"""Compares event sources with bare client loops: `python -m benchmarks.queues`.

Both take the same messages off the same broker, in batches of ten, and hand them to the same function: `dispatch serve`
by its source, the loop of `benchmarks.queue_clients` by calling it. They take turns, round after round.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.platforms import connect, free_port
from benchmarks.queue_clients import BATCH

ROOT = Path(__file__).parents[1]
BODY = json.dumps({"order": 17, "items": ["apple", "pear"], "customer": "x" * 60})
#: Notes how many messages it has received, and when.
FUNCTION = """
import os, time
NOTES = os.open(os.environ["NOTES"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)

def handler(event, context):
    os.write(NOTES, b"%d %d\\n" % (len(event["Records"]), time.monotonic_ns()))
"""
CONFIG = """
[functions.fn]
handler = "app.handler"
convention = "lambda"
concurrency = {concurrency}

[[functions.fn.sources]]
batch = {batch}
"""
#: Moto's server, one request after another, as in the tests.
MOTO = "import threading; from support.sqs import Server; print(Server().url, flush=True); threading.Event().wait()"
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}
#: The bare loop, and a server with so many events under way at once.
SUBJECTS = {"client": 0, "dispatch serve": 1, "dispatch serve, concurrency 4": 4}
#: The share of the messages that come before the measured ones, while processes start.
WARMUP = 1 / 4
#: Seconds in which messages must be handled.
PATIENCE = 300


@dataclass
class Sqs:
    """Moto's server.

    Attributes:
        variables: what clients find it by.
    """

    variables: Mapping[str, str]

    def fill(self, name: str, count: int) -> str:
        """Make a queue and send it messages; return the lines of `dispatch.toml` that name it."""
        import boto3

        keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
        client: Any = boto3.client("sqs", endpoint_url=self.variables["AWS_ENDPOINT_URL_SQS"], **keys)
        url = client.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "600"})["QueueUrl"]
        for _ in range(0, count, BATCH):
            entries = [{"Id": str(number), "MessageBody": BODY} for number in range(BATCH)]
            client.send_message_batch(QueueUrl=url, Entries=entries)
        return f'sqs = "{name}"\n'


@dataclass
class Nats:
    """A NATS server.

    Attributes:
        variables: what clients find it by.
    """

    variables: Mapping[str, str]

    def fill(self, name: str, count: int) -> str:
        """Make a stream and publish messages; return the lines of `dispatch.toml` that name it."""
        asyncio.run(self._fill(name, count))
        return f'nats = "{name}"\ndurable = "fn"\n'

    async def _fill(self, name: str, count: int) -> None:
        from nats.aio.client import Client
        from nats.js.api import ConsumerConfig

        client = Client()
        await client.connect(self.variables["NATS_URL"])
        context = client.jetstream()
        await context.add_stream(name=name, subjects=[f"{name}.>"])
        await context.add_consumer(name, ConsumerConfig(durable_name="fn", ack_wait=600))
        for _ in range(0, count, BATCH):
            await asyncio.gather(*(context.publish(f"{name}.new", BODY.encode()) for _ in range(BATCH)))
        await client.close()


@contextmanager
def started(command: Sequence[str], folder: Path, variables: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run a process until the block is left; it has no other variable of the developer's."""
    own = {"PATH": os.environ["PATH"], "XDG_STATE_HOME": str(folder), **variables}
    with subprocess.Popen(
        command, cwd=folder, env=own, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


@contextmanager
def sqs(folder: Path) -> Iterator[Sqs]:
    """Run moto's server."""
    paths = {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    with started([sys.executable, "-c", MOTO], folder, paths) as process:
        assert process.stdout is not None
        yield Sqs({**CREDENTIALS, "AWS_ENDPOINT_URL_SQS": process.stdout.readline().strip()})


@contextmanager
def nats(folder: Path) -> Iterator[Nats]:
    """Run a NATS server."""
    port = free_port()
    command = ["nats-server", "-js", "-sd", str(folder / "store"), "-a", "127.0.0.1", "-p", str(port)]
    with started(command, folder, {}):
        connect(port).close()
        yield Nats({"NATS_URL": f"nats://127.0.0.1:{port}"})


BROKERS: Mapping[str, Callable[[Path], AbstractContextManager[Sqs | Nats]]] = {"sqs": sqs, "nats": nats}


def rate(kind: str, broker: Sqs | Nats, concurrency: int, count: int) -> float:
    """Messages per second of one run: a bare loop's, or with a concurrency a server's.

    Each run has a queue of its own: a client that was ended may have asked for messages.
    """
    queue = f"q-{uuid.uuid4()}"
    source = broker.fill(queue, count)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "app.py").write_text(FUNCTION)
        (folder / "dispatch.toml").write_text(CONFIG.format(concurrency=concurrency, batch=BATCH) + source)
        command = [sys.executable, "-P", "-m", "runtime.cli", "serve", "--no-reload", "--port", "0"]
        if not concurrency:
            command = [sys.executable, "-m", "benchmarks.queue_clients", kind, queue, "fn"]
        variables = {**broker.variables, "NOTES": str(folder / "notes"), "PYTHONPATH": str(ROOT)}
        with started(command, folder, variables) as process:
            batches = _handled(folder / "notes", count, process)
    done, began = 0, 0
    for size, moment in batches:
        done, began = done + size, moment
        if done >= count * WARMUP:
            break
    return (count - done) / (batches[-1][1] - began) * 1e9


def _handled(notes: Path, count: int, process: subprocess.Popen[str]) -> list[tuple[int, int]]:
    """The sizes and times of all batches, once all messages have come."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until and process.poll() is None:
        lines = notes.read_text().splitlines() if notes.exists() else []
        found = sorted(((int(line.split()[0]), int(line.split()[1])) for line in lines), key=lambda one: one[1])
        if sum(size for size, _ in found) >= count:
            return found
        time.sleep(0.05)
    sys.exit(f"not all of {count} messages were handled")


def measure(rounds: int, messages: int) -> dict[str, dict[str, list[float]]]:
    """The rate of each round, by kind and subject."""
    found: dict[str, dict[str, list[float]]] = {kind: {name: [] for name in SUBJECTS} for kind in BROKERS}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        brokers = {}
        for kind, run in BROKERS.items():
            (Path(folder) / kind).mkdir()
            brokers[kind] = stack.enter_context(run(Path(folder) / kind))
        for number in range(rounds):
            for kind, broker in brokers.items():
                names = [*SUBJECTS]
                for name in names[number % len(names) :] + names[: number % len(names)]:
                    found[kind][name].append(rate(kind, broker, SUBJECTS[name], messages))
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print a line for each subject; the ratio is the median of the rounds' ratios to the bare loop."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--messages", type=int, default=2000, help="in each round")
    options = parser.parse_args(arguments)
    for kind, values in measure(options.rounds, options.messages).items():
        theirs = values["client"]
        for name, rates in values.items():
            ratio = statistics.median(ours / other for ours, other in zip(rates, theirs, strict=True))
            print(f"{kind:6} {name:32} {statistics.median(rates):10.0f} per s  ×{ratio:.2f}")


if __name__ == "__main__":
    main()
