"""The brokers of a trial, as its producer and its judge see them: SQS by moto's server, and NATS JetStream."""

import asyncio
import contextlib
import json
import random
import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.api import ConsumerConfig
from support.nats import NatsServer
from support.sqs import CREDENTIALS, Queue, Server
from support.wire import PATIENCE, reserved_port

from faults.queues.relay import Relay
from faults.queues.tasks import BATCH, HIDDEN, MOST, Task
from runtime.testing.platform import loop_in_thread

Result = TypeVar("Result")


class Broker(Protocol):
    """One queue at one broker.

    Attributes:
        source: the queue in `dispatch.toml`.
        variables: the environment variables of servers that poll it.
    """

    source: str
    variables: dict[str, str]

    def send(self, tasks: Sequence[Task]) -> None:
        """Send messages, in their order."""

    def left(self) -> int:
        """How many messages are waiting or under way."""

    def dead(self) -> list[int]:
        """The numbers of the messages in the dead letters."""

    def cut(self, choose: random.Random) -> None:
        """Kill the broker and start it again, or cut its connections."""


class Sqs:
    """A queue of moto's server, which keeps it in memory: only connections are cut, not those of the producer."""

    def __init__(self, server: Server, relay: Relay, *, fifo: bool) -> None:
        self._relay = relay
        self._dead = server.queue(fifo=fifo)
        policy = {"deadLetterTargetArn": self._dead.arn, "maxReceiveCount": MOST}
        self._queue = server.queue(fifo=fifo, VisibilityTimeout=str(HIDDEN), RedrivePolicy=policy)
        self.source = f'sqs = "{self._queue.name}"\nreport_failures = true\n'
        self.variables = {**CREDENTIALS, "AWS_ENDPOINT_URL_SQS": f"http://127.0.0.1:{relay.port}"}

    def send(self, tasks: Sequence[Task]) -> None:
        """Send messages with boto3."""
        entries: list[Any] = [
            {"Id": str(task.number), "MessageBody": task.body, **({"MessageGroupId": task.group} if task.group else {})}
            for task in tasks
        ]
        for start in range(0, len(entries), BATCH):
            self._queue.client.send_message_batch(QueueUrl=self._queue.url, Entries=entries[start : start + BATCH])

    def left(self) -> int:
        """How many messages can be received or are hidden."""
        return sum(self._queue.counts)

    def dead(self) -> list[int]:
        """Receive the dead letters, and delete them."""
        return list(_emptied(self._dead))

    def cut(self, _choose: random.Random) -> None:
        """Cut the servers' connections."""
        self._relay.cut()


def _emptied(queue: Queue) -> Iterator[int]:
    while messages := queue.client.receive_message(QueueUrl=queue.url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            yield json.loads(message["Body"])["number"]
            queue.client.delete_message(QueueUrl=queue.url, ReceiptHandle=message["ReceiptHandle"])


@contextmanager
def sqs(_folder: Path, *, fifo: bool = False) -> Iterator[Broker]:
    """Run a queue of SQS behind a relay."""
    server = Server()
    try:
        with loop_in_thread() as loop:
            relay = Relay(loop, int(server.url.rpartition(":")[2]))
            yield Sqs(server, relay, fifo=fifo)
            relay.close()
    finally:
        server.stop()


class JetStream:
    """A stream of a NATS server, which keeps it on disk."""

    def __init__(self, server: NatsServer, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop
        self._client = Client()
        self._context = self._client.jetstream()
        self.source = f'nats = "ORDERS"\nmax_deliver = {MOST}\ndead_letter = "dead.orders"\n'
        self.variables = {"NATS_URL": server.url}
        self._run(self._open())

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _open(self) -> None:
        await self._client.connect(self._server.url, max_reconnect_attempts=-1, reconnect_time_wait=1, error_cb=_ignore)
        await self._context.add_stream(name="ORDERS", subjects=["orders.>"])
        await self._context.add_stream(name="DEAD", subjects=["dead.>"])
        await self._context.add_consumer("ORDERS", ConsumerConfig(durable_name="fn", ack_wait=HIDDEN))

    def send(self, tasks: Sequence[Task]) -> None:
        """Publish messages with nats-py until the stream confirms them."""
        for task in tasks:
            self._run(self._publish(task))

    async def _publish(self, task: Task) -> None:
        headers = {"Nats-Msg-Id": str(task.number)}
        async with asyncio.timeout(PATIENCE):
            while True:
                with contextlib.suppress(NatsError, TimeoutError):
                    await self._context.publish("orders.new", task.body.encode(), timeout=1, headers=headers)
                    return

    def left(self) -> int:
        """How many messages are waiting or under way."""
        info = self._run(self._context.consumer_info("ORDERS", "fn", timeout=PATIENCE))
        return (info.num_pending or 0) + (info.num_ack_pending or 0)

    def dead(self) -> list[int]:
        """Read the stream of the dead letters."""
        return self._run(self._dead())

    async def _dead(self) -> list[int]:
        state = (await self._context.stream_info("DEAD")).state
        sequences = range(state.first_seq, state.last_seq + 1) if state.messages else ()
        found = [await self._context.get_msg("DEAD", sequence) for sequence in sequences]
        return [json.loads(each.data or b"{}")["number"] for each in found]

    def cut(self, choose: random.Random) -> None:
        """Kill the NATS server, and start it again a moment later."""
        self._server.kill()
        threading.Event().wait(choose.uniform(0, 0.5))
        self._server.start()

    def close(self) -> None:
        """Disconnect."""
        self._run(self._client.close())


async def _ignore(_error: Exception) -> None:
    """Let a trial that kills the server do so."""


@contextmanager
def jetstream(folder: Path) -> Iterator[Broker]:
    """Run a stream of a NATS server."""
    with reserved_port() as port, loop_in_thread() as loop:
        server = NatsServer(folder / "store", port)
        server.start()
        try:
            stream = JetStream(server, loop)
            yield stream
            stream.close()
        finally:
            server.kill()
