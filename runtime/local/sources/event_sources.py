"""The event sources of a platform, each polled by a task of its own."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from runtime.local.environments.platform import Platform, UnknownFunction
from runtime.local.environments.pool import Throttled
from runtime.local.feed import Feed, Outcome
from runtime.local.function import FunctionConfig
from runtime.local.invocation import Event
from runtime.local.source import BadMapping, Source
from runtime.local.sources.mapping import EventSourceMapping
from runtime.local.sources.sqs.source import Sqs
from runtime.local.values import new_id

Notify = Callable[[str], None]
Put = Callable[[str, Event], Awaitable[None]]

#: The kinds that clients of Lambda's API can create, by their service's name in an ARN, and what makes one of an ARN
#: and of settings by the names of that API.
CREATABLE: Final[Mapping[str, Callable[[str, Mapping[str, Any]], Source]]] = {"sqs": Sqs.from_fields}


def nothing(_mapping: EventSourceMapping) -> None:
    """Refuse no mapping."""


def made(arn: str, fields: Mapping[str, Any]) -> Source:
    """Return the source of an ARN, with settings by their names in Lambda's API. Raises BadMapping."""
    parts = arn.split(":")
    make = CREATABLE.get(parts[2]) if len(parts) == 6 and parts[0] == "arn" else None
    if make is None:
        raise BadMapping(f"unknown kind of event source: {arn!r}; known: ARNs of {', '.join(CREATABLE)}")
    return make(arn, fields)


class EventSources:
    """The mappings of a platform, each polled by a task of its own.

    Attributes:
        mappings: by their ids.
        feeds: those of the mappings that are or were polled, by the mappings' ids.
    """

    def __init__(
        self,
        platform: Platform,
        notify: Notify,
        check: Callable[[EventSourceMapping], None] = nothing,
        put: Put | None = None,
    ) -> None:
        """Create it.

        Args:
            platform: whose functions get the events.
            notify: is called with what the developer should know.
            check: raises BadMapping for a mapping that must not be made here.
            put: puts an event of a function into the queue of those that nobody waits for.
        """
        self._platform = platform
        self._notify = notify
        self._check = check
        self._put = put
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._configured = False
        self.mappings: dict[str, EventSourceMapping] = {}
        self.feeds: dict[str, Feed] = {}

    def put(self, mapping: EventSourceMapping) -> None:
        """Add a mapping, or change one, and poll its source if it is enabled. Raises BadMapping."""
        mapping.source.check()
        self._check(mapping)
        self._stop(mapping.id)
        self.mappings[mapping.id] = replace(mapping, modified=time.time())
        if mapping.enabled:
            feed = self.feeds[mapping.id] = self._feed(mapping)
            self._tasks[mapping.id] = asyncio.ensure_future(mapping.source.poll(feed))

    def remove(self, mapping_id: str) -> EventSourceMapping:
        """Remove a mapping; an event under way is finished. Raises KeyError."""
        self._stop(mapping_id)
        self.feeds.pop(mapping_id, None)
        return self.mappings.pop(mapping_id)

    def configure(self, functions: Iterable[FunctionConfig]) -> None:
        """Poll the sources of a configuration: start, change and end those that differ from the one before."""
        wanted = {one.id: one for function in functions for one in configured(function)}
        for old in [one for one in self.mappings.values() if one.configured and one.id not in wanted]:
            self.remove(old.id)
            self._notify(f"{old.function}: no more events from {old.source.title}")
        for mapping in wanted.values():
            before = self.mappings.get(mapping.id)
            if before is None or before.source != mapping.source:
                self._start(mapping, "with its new settings" if before else "from now on")
        self._configured = True

    def _start(self, mapping: EventSourceMapping, how: str) -> None:
        """Poll a source of the configuration; report that, unless it is one of the first, which are known."""
        try:
            self.put(mapping)
        except BadMapping as error:
            self._notify(f"{mapping.function}: no events from {mapping.source.title}: {error}")
        else:
            if self._configured:
                self._notify(f"{mapping.function}: events from {mapping.source.title} {how}")

    def stop(self) -> None:
        """Start no more events."""
        for mapping_id in [*self._tasks]:
            self._stop(mapping_id)

    async def close(self) -> None:
        """Stop, and wait until the events under way are through."""
        self.stop()
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _stop(self, mapping_id: str) -> None:
        task = self._tasks.pop(mapping_id, None)
        if task is not None:
            self._ending.add(task)
            task.add_done_callback(self._ending.discard)
            task.cancel()

    def _feed(self, mapping: EventSourceMapping) -> Feed:
        function, kind = mapping.function, mapping.source.kind

        async def invoke(event: bytes) -> Outcome:
            try:
                invocation = await self._platform.invoke(function, Event(event, "", mapping=mapping.id), kind)
            except (Throttled, UnknownFunction) as error:
                return Outcome(refused=str(error))
            return Outcome(await invocation.answer.read(), invocation.answer.error)

        async def put(event: bytes) -> None:
            if self._put is not None:
                await self._put(function, Event(event, new_id(), mapping=mapping.id))

        def config() -> FunctionConfig:
            pool = self._platform.pools.get(function)
            return pool.function if pool else FunctionConfig(function, concurrency=1)

        return Feed(
            invoke,
            lambda text: self._notify(f"{function}: {mapping.source.title}: {text}"),
            lambda: config().concurrency,
            function=function,
            timeout=lambda: config().timeout,
            put=put if self._put is not None else None,
        )


def configured(function: FunctionConfig) -> Iterable[EventSourceMapping]:
    """The mappings of a function's sources; their ids are the same each time."""
    seen: dict[str, int] = {}
    for source in function.sources:
        number = seen[source.arn] = seen.get(source.arn, 0) + 1
        name = f"{function.arn} {source.kind} {source.arn} {number}"
        yield EventSourceMapping(source, function.name, id=str(uuid.uuid5(uuid.NAMESPACE_URL, name)), configured=True)
