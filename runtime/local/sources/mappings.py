"""Event source mappings: which queue is polled for which function."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from runtime.local.environments.platform import Platform
from runtime.local.sources import sqs

#: What polls each service, by its name in an ARN: without end, until its task is cancelled.
POLLERS: Final[Mapping[str, Any]] = {"sqs": sqs.poll}


class BadMapping(ValueError):
    """A mapping that cannot be made; the message says why."""


@dataclass(frozen=True, slots=True)
class EventSourceMapping:
    """One source of one function.

    Attributes:
        arn: the source's ARN.
        function: the function's name.
        batch_size: how many records an event has at most.
        reports_failures: whether the function's answer names the records that failed (`ReportBatchItemFailures`).
        enabled: whether the source is polled.
        id: the mapping's UUID.
        modified: when it was made or changed, in seconds since the epoch.
    """

    arn: str
    function: str
    batch_size: int = 10
    reports_failures: bool = False
    enabled: bool = True
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    modified: float = field(default_factory=time.time)

    def __post_init__(self) -> None:
        if self.arn.count(":") != 5 or self.service not in POLLERS:
            raise BadMapping(f"unknown kind of event source: {self.arn!r}; known: ARNs of {', '.join(POLLERS)}")
        if not 1 <= self.batch_size <= sqs.BATCH_LIMIT:
            raise BadMapping(f"the batch size must be 1 to {sqs.BATCH_LIMIT}, not {self.batch_size}")

    @property
    def service(self) -> str:
        """The service in the ARN."""
        return self.arn.split(":")[2]


class EventSources:
    """The mappings of a platform, each polled by a task of its own."""

    def __init__(self, platform: Platform, notify: Callable[[str], None]) -> None:
        self._platform = platform
        self._notify = notify
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.mappings: dict[str, EventSourceMapping] = {}

    def put(self, mapping: EventSourceMapping) -> None:
        """Add a mapping, or change one, and poll its source if it is enabled."""
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
