"""A NATS server with JetStream, Debian's own, and what the tests of its event sources do with it."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, ConsumerInfo, RawStreamMsg
from nats.js.errors import NotFoundError

from runtime.local.feed import Feed, Outcome
from runtime.local.function_error import FunctionError
from runtime.local.sources.jetstream.source import JetStream
from support.process import Child
from support.wire import PATIENCE, reserved_port

Record = dict[str, Any]


class NatsServer:
    """One server, which may be killed and started again with what it has stored."""

    def __init__(self, folder: Path, port: int) -> None:
        self.url = f"nats://127.0.0.1:{port}"
        self._command = ["nats-server", "-js", "-sd", str(folder), "-a", "127.0.0.1", "-p", str(port)]
        self._child: Child | None = None

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        self._child = Child(self._command, {})
        self._child.wait_log("Server is ready")

    def kill(self) -> None:
        """End it without a warning."""
        if self._child is not None:
            self._child.kill()
            self._child = None


@contextmanager
def nats_server(folder: Path) -> Iterator[NatsServer]:
    """Run a server until the block is left; skip the test if there is none to run."""
    if shutil.which("nats-server") is None:
        pytest.skip("nats-server is not installed")
    with reserved_port() as port:
        server = NatsServer(folder, port)
        server.start()
        try:
            yield server
        finally:
            server.kill()


@dataclass
class Stream:
    """A stream and a client that sees it."""

    client: Client
    context: JetStreamContext
    name: str = "ORDERS"

    async def publish(self, *bodies: str | bytes, subject: str = "orders.new", **headers: str) -> None:
        """Store messages; an underscore in a header's name is a dash."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        for body in bodies:
            data = body.encode() if isinstance(body, str) else body
            await self.context.publish(subject, data, headers=named or None)

    async def consumer(self, durable: str = "function") -> ConsumerInfo:
        """The state of a consumer."""
        info: ConsumerInfo = await self.context.consumer_info(self.name, durable)
        return info

    async def make_consumer(self, durable: str = "function", **config: Any) -> None:
        """Make a consumer that the source finds."""
        await self.context.add_consumer(self.name, ConsumerConfig(durable_name=durable, **config))

    async def settled(self, durable: str = "function") -> bool:
        """Whether nothing is to be delivered, or under way."""
        try:
            info = await self.consumer(durable)
        except NotFoundError:
            return False
        return info.num_pending == info.num_ack_pending == 0

    async def stored(self, stream: str) -> list[RawStreamMsg]:
        """All the messages of a stream."""
        state = (await self.context.stream_info(stream)).state
        sequences = range(state.first_seq, state.last_seq + 1) if state.messages else ()
        return [await self.context.get_msg(stream, sequence) for sequence in sequences]


@asynccontextmanager
async def stream(server: NatsServer, **config: Any) -> AsyncIterator[Stream]:
    """Make the stream ORDERS, and DEAD for what is given up."""
    client = Client()
    await client.connect(server.url, max_reconnect_attempts=-1, reconnect_time_wait=1, error_cb=_ignore)
    try:
        context = client.jetstream()
        await context.add_stream(name="ORDERS", subjects=["orders.>"], **config)
        await context.add_stream(name="DEAD", subjects=["dead.>"])
        yield Stream(client, context)
    finally:
        await client.close()


async def _ignore(_error: Exception) -> None:
    """Let a test that kills the server do so."""


@dataclass
class Function:
    """A function, and the records that it has received.

    Attributes:
        answer: returns what it answers to records: a value, an error, or what refuses them.
        gate: is awaited before it answers.
        running: how many events it is handling.
    """

    answer: Callable[[list[Record]], Any] = lambda _records: None
    events: list[list[Record]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    running: int = 0

    def __post_init__(self) -> None:
        self.gate.set()

    async def __call__(self, event: bytes) -> Outcome:
        """Handle an event."""
        records = json.loads(event)["Records"]
        self.events.append(records)
        self.running += 1
        await self.gate.wait()
        self.running -= 1
        answer = self.answer(records)
        if isinstance(answer, Outcome):
            return answer
        if isinstance(answer, Exception):
            return Outcome(error=FunctionError.of(type(answer).__name__, str(answer)))
        return Outcome(json.dumps(answer).encode())

    @property
    def bodies(self) -> list[str]:
        """The bodies of all the records that it has received."""
        return [record["body"] for records in self.events for record in records]


def failing(*bodies: str) -> Callable[[list[Record]], Any]:
    """An answer that names the records with these bodies as failures."""

    def answer(records: list[Record]) -> Any:
        failed = [record["messageId"] for record in records if record["body"] in bodies]
        return {"batchItemFailures": [{"itemIdentifier": each} for each in failed]}

    return answer


@dataclass
class Polled:
    """A source that is polled."""

    feed: Feed
    notes: list[str]
    task: asyncio.Task[None]

    async def stop(self) -> None:
        """End polling, and wait until all is settled."""
        self.task.cancel()
        await asyncio.wait({self.task})


@asynccontextmanager
async def polled(source: JetStream, function: Function, *, concurrency: int = 1) -> AsyncIterator[Polled]:
    """Poll a source until the block is left."""
    notes: list[str] = []
    feed = Feed(function, notes.append, lambda: concurrency)
    one = Polled(feed, notes, asyncio.create_task(source.poll(feed)))
    try:
        yield one
    finally:
        await one.stop()


async def until(condition: Callable[[], Any] | Callable[[], Awaitable[Any]], what: str = "it") -> None:
    """Wait for something that says nothing when it happens, by looking."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = condition()
            if await found if isinstance(found, Awaitable) else found:
                return
            await asyncio.sleep(0.01)
