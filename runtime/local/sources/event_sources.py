"""The event sources of a platform, each polled by a task of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any, Final, NamedTuple

from runtime.local.environments.platform import Platform
from runtime.local.sources import sqs
from runtime.local.sources.mapping import BadMapping, EventSourceMapping

Notify = Callable[[str], None]


class Kind(NamedTuple):
    """A kind of source.

    Attributes:
        check: raises `BadMapping` for a mapping that it cannot serve.
        poll: passes events to the function until it is cancelled, and completes an event under way before it ends.
    """

    check: Callable[[EventSourceMapping], None]
    poll: Callable[[EventSourceMapping, Platform, Notify], Coroutine[Any, Any, None]]


#: The kinds of sources, by their service's name in an ARN.
KINDS: Final[Mapping[str, Kind]] = {"sqs": Kind(sqs.check, sqs.poll)}


def nothing(_mapping: EventSourceMapping) -> None:
    """Refuse no mapping."""


class EventSources:
    """The mappings of a platform, each polled by a task of its own."""

    def __init__(
        self, platform: Platform, notify: Notify, check: Callable[[EventSourceMapping], None] = nothing
    ) -> None:
        """Create it.

        Args:
            platform: whose functions get the events.
            notify: is called with what the developer should know.
            check: raises BadMapping for a mapping that must not be made here.
        """
        self._platform = platform
        self._notify = notify
        self._check = check
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self.mappings: dict[str, EventSourceMapping] = {}

    def put(self, mapping: EventSourceMapping) -> None:
        """Add a mapping, or change one, and poll its source if it is enabled. Raises BadMapping."""
        kind = KINDS.get(mapping.service)
        if kind is None:
            raise BadMapping(f"unknown kind of event source: {mapping.arn!r}; known: ARNs of {', '.join(KINDS)}")
        kind.check(mapping)
        self._check(mapping)
        self._stop(mapping.id)
        self.mappings[mapping.id] = replace(mapping, modified=time.time())
        if mapping.enabled:
            self._tasks[mapping.id] = asyncio.ensure_future(kind.poll(mapping, self._platform, self._notify))

    def remove(self, mapping_id: str) -> EventSourceMapping:
        """Remove a mapping; an event under way is finished. Raises KeyError."""
        self._stop(mapping_id)
        return self.mappings.pop(mapping_id)

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
