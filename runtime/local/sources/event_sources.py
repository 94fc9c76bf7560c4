"""The event sources of a platform, each polled by a task of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from runtime.local.environments.platform import Platform
from runtime.local.sources import sqs
from runtime.local.sources.mapping import BadMapping, EventSourceMapping

#: What polls each service, by its name in an ARN: without end, until its task is cancelled.
POLLERS: Final[Mapping[str, Any]] = {"sqs": sqs.poll}


class EventSources:
    """The mappings of a platform, each polled by a task of its own."""

    def __init__(self, platform: Platform, notify: Callable[[str], None]) -> None:
        self._platform = platform
        self._notify = notify
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.mappings: dict[str, EventSourceMapping] = {}

    def put(self, mapping: EventSourceMapping) -> None:
        """Add a mapping, or change one, and poll its source if it is enabled.

        Raises:
            BadMapping: the source is of an unknown kind.
        """
        if mapping.service not in POLLERS:
            raise BadMapping(f"unknown kind of event source: {mapping.arn!r}; known: ARNs of {', '.join(POLLERS)}")
        self._stop(mapping.id)
        self.mappings[mapping.id] = replace(mapping, modified=time.time())
        if mapping.enabled:
            work = POLLERS[mapping.service](mapping, self._platform, self._notify)
            self._tasks[mapping.id] = asyncio.ensure_future(work)

    def remove(self, mapping_id: str) -> EventSourceMapping:
        """Remove a mapping; what is under way comes back to the queue if it fails. Raises KeyError."""
        self._stop(mapping_id)
        return self.mappings.pop(mapping_id)

    async def close(self) -> None:
        """Stop polling."""
        tasks = [*self._tasks.values()]
        for mapping_id in [*self._tasks]:
            self._stop(mapping_id)
        await asyncio.gather(*tasks, return_exceptions=True)

    def _stop(self, mapping_id: str) -> None:
        task = self._tasks.pop(mapping_id, None)
        if task is not None:
            task.cancel()
