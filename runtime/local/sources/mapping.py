"""An event source mapping: which source is polled for which function."""

from __future__ import annotations

import re
import time
import uuid
from dataclasses import dataclass, field
from typing import Final

#: Six parts of visible characters.
ARN: Final = re.compile(r"arn(:[!-9;-~]*){5}")


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
        if not ARN.fullmatch(self.arn):
            raise BadMapping(
                f"not the ARN of an event source: {self.arn!r}; expected one like arn:aws:sqs:REGION:ACCOUNT:NAME"
            )

    @property
    def service(self) -> str:
        """The service in the ARN."""
        return self.arn.split(":")[2]
