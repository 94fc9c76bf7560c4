"""How event sources are doing: what their state keeps, and how pages and scripts get it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
from support.sqs import CREDENTIALS, Server
from support.wire import PATIENCE

from runtime.local.asynchronous.queue_file import QueueFile
from runtime.local.environments.platform import Platform
from runtime.local.feed import REMEMBERED, Feed, FeedState, Outcome
from runtime.local.invocation import Event
from runtime.local.sources.event_sources import EventSources
from runtime.local.sources.mapping import EventSourceMapping
from runtime.local.sources.sqs.source import Sqs
from runtime.local.web.source_watch import SourceWatch


@dataclass(frozen=True)
class Still:
    """A source with no records, which counts how often it is asked for its lag."""

    kind: ClassVar[str] = "still"
    title: ClassVar[str] = "still water"
    arn: ClassVar[str] = "arn:aws:still:::water"

    asked: list[str] = field(default_factory=list, compare=False)
    polled: asyncio.Event = field(default_factory=asyncio.Event, compare=False)

    def check(self) -> None:
        """It can always be polled."""

    def described(self) -> dict[str, Any]:
        """It has no settings."""
        return {}

    async def poll(self, feed: Feed) -> None:
        """Let the lag be asked for."""

        async def measure() -> None:
            self.asked.append(feed.function)
            feed.state.measure(len(self.asked), 0)

        feed.measure = measure
        feed.works()
        self.polled.set()
        await asyncio.Event().wait()


async def messages() -> AsyncGenerator[str, None]:
    """The messages for a page, without end."""
    while True:
        yield "message"


Published = asyncio.Queue[tuple[str, dict[str, Any]]]


def watching(case: Callable[[EventSources, SourceWatch, Published], Awaitable[None]]) -> None:
    """Run a test with sources and what is published of them."""

    async def run() -> None:
        published: Published = asyncio.Queue()
        async with Platform([]) as platform, asyncio.timeout(PATIENCE):
            sources = EventSources(platform, print)
            await case(sources, SourceWatch(sources, lambda kind, data: published.put_nowait((kind, data))), published)
            await sources.close()

    asyncio.run(run())


def test_what_is_retried() -> None:
    """Records that failed or came back, the latest ones, until they are done or the source has nothing left."""
    state = FeedState()
    state.delivered("a", 1)
    state.failed("a", 1)
    state.delivered("b", 2)
    state.delivered("a", 2)
    assert {"b": 2, "a": 2} == state.retrying
    state.done("b")
    for number in range(REMEMBERED):
        state.failed(str(number), 1)
    assert (REMEMBERED, False) == (len(state.retrying), "a" in state.retrying)
    state.measure(0, 1)
    assert REMEMBERED == len(state.retrying)
    state.measure(0, 0)
    assert {} == state.retrying


def test_a_fault_ends_when_the_source_works() -> None:
    """Other problems are no reason to call a source out of reach."""

    async def invoke(_event: bytes) -> Outcome:
        return Outcome()

    feed = Feed(invoke, print)
    feed.problem("gave up a message")
    assert "" == feed.fault
    feed.unreachable("the network is gone")
    assert ("the network is gone", "the network is gone") == (feed.fault, feed.state.last_error)
    feed.works()
    assert ("", "the network is gone") == (feed.fault, feed.state.last_error)


def test_a_source_is_asked_once_in_a_while() -> None:
    """However often scripts look, and only if anybody looks."""

    async def case(sources: EventSources, watch: SourceWatch, _published: Published) -> None:
        source = Still()
        sources.put(EventSourceMapping(source, "function"))
        await source.polled.wait()
        assert [] == source.asked
        states = [state for _ in range(20) for state in await watch.measured()]
        assert [1] * 20 == [state["lag"] for state in states]
        assert ["function"] == source.asked

    watching(case)


def test_pages_get_all_states_at_first() -> None:
    """Each page that is opened; after the last one is closed, nothing goes on."""

    async def case(sources: EventSources, watch: SourceWatch, published: Published) -> None:
        mapping = EventSourceMapping(Still(), "function", enabled=False)
        sources.put(mapping)
        before = asyncio.all_tasks()
        one, two = watch.beside(messages()), watch.beside(messages())
        for page in (one, two):
            await anext(page)
            assert ("sources", {"ids": [mapping.id], "changed": watch.states()}) == await published.get()
        for page in (one, two):
            await page.aclose()
        await asyncio.wait(asyncio.all_tasks() - before)

    watching(case)


def test_the_queue_keeps_where_an_event_came_from(tmp_path: Path) -> None:
    """So the invocation of a schedule is found by its source."""
    file = QueueFile.open(tmp_path / "queue", print)
    file.add("function", Event(b"{}", "1", mapping="m"))
    file.add("function", Event(b"{}", "2"))
    assert ["m", ""] == [queued.event.mapping for queued in file.start_due()]
    file.close()


def test_the_lag_of_a_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue itself is asked: what waits, and what is with the function."""
    moto = Server()
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL_SQS": moto.url}.items():
        monkeypatch.setenv(name, value)
    queue = moto.queue(VisibilityTimeout="600")
    queue.send(*"abcde")

    async def case() -> None:
        received, gate = asyncio.Event(), asyncio.Event()

        async def invoke(_event: bytes) -> Outcome:
            received.set()
            await gate.wait()
            return Outcome()

        feed = Feed(invoke, print)
        async with asyncio.timeout(PATIENCE):
            polling = asyncio.ensure_future(Sqs(queue.name, batch=1).poll(feed))
            await received.wait()
            assert feed.measure is not None
            await feed.measure()
            assert (5, True) == ((feed.state.lag or 0) + (feed.state.in_flight or 0), bool(feed.state.in_flight))
            gate.set()
            polling.cancel()
            await asyncio.wait({polling})
            assert feed.measure is None

    asyncio.run(case())
    moto.stop()
