"""An event source mapping: which source is polled for which function."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field

from runtime.local.source import Source


@dataclass(frozen=True, slots=True)
class EventSourceMapping:
    """One source of one function.

    Attributes:
        source: the source, with its settings.
        function: the function's name.
        enabled: whether the source is polled.
        id: the mapping's UUID.
        modified: when it was made or changed, in seconds since the epoch.
        configured: whether it is from the configuration, not made by an API call.
    """

    source: Source
    function: str
    enabled: bool = True
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    modified: float = field(default_factory=time.time)
    configured: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """What no two mappings may have in common: the function, and the source's ARN."""
        return self.function, self.source.arn
