"""The settings of a stream of NATS JetStream as an event source."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from runtime.local.function import ACCOUNT, default_region
from runtime.local.source import BadMapping

#: As for the queues of SQS, of which this source is the likeness.
BATCH_DEFAULT: Final = 10
BATCH_LIMIT: Final = 10_000
WINDOW_LIMIT: Final = 300

#: What the names of streams and consumers cannot have in NATS.
FORBIDDEN: Final = frozenset(".*>/\\")
#: What a subject is made of.
VISIBLE: Final = re.compile(r"[!-~]+")


@dataclass(frozen=True, slots=True)
class JetStreamSettings:
    """A stream and how it is polled.

    Attributes:
        nats: the stream's name.
        subject: the subjects that are handled, with NATS's wildcards; empty for all of the stream.
        durable: the consumer's name; empty for the function's.
        batch: how many messages an event has at most.
        window: seconds for which messages are gathered.
        max_deliver: after how many deliveries a message that fails is given up; 0 for never.
        dead_letter: the subject to which those are published; empty if they are not.
    """

    kind: ClassVar[str] = "nats"

    nats: str
    subject: str = ""
    durable: str = ""
    batch: int = BATCH_DEFAULT
    window: float = 0
    max_deliver: int = 0
    dead_letter: str = ""

    def __post_init__(self) -> None:
        for what, name in (("stream", self.nats), *([("durable", self.durable)] if self.durable else ())):
            if not _is_name(name):
                raise BadMapping(f"not the name of a {what}: {name!r}; it has no blanks and none of . * > / \\")
        for what, subject in (("subject", self.subject), ("dead_letter", self.dead_letter)):
            if subject and not _is_subject(subject):
                raise BadMapping(f"{what}: not a subject: {subject!r}; expected one like orders.new")
        if {*self.dead_letter.split(".")} & {"*", ">"}:
            raise BadMapping(f"dead_letter must be one subject, without wildcards, not {self.dead_letter!r}")
        if not 1 <= self.batch <= BATCH_LIMIT:
            raise BadMapping(f"the batch size must be 1 to {BATCH_LIMIT}, not {self.batch}")
        if not 0 <= self.window <= WINDOW_LIMIT:
            raise BadMapping(f"the window must be 0 to {WINDOW_LIMIT} seconds, not {self.window:g}")
        if self.max_deliver < 0:
            raise BadMapping(f"max_deliver must be at least 1, or 0 for no limit, not {self.max_deliver}")
        if self.dead_letter and not self.max_deliver:
            raise BadMapping("dead_letter needs max_deliver: after how many deliveries a message goes there")

    def described(self) -> dict[str, Any]:
        """Return the settings by their names in Lambda's API."""
        found: dict[str, Any] = {
            "BatchSize": self.batch,
            "MaximumBatchingWindowInSeconds": int(self.window),
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "Topics": [self.subject or ">"],
        }
        if self.max_deliver:
            found["MaximumRetryAttempts"] = self.max_deliver - 1
        if self.dead_letter:
            found["DestinationConfig"] = {"OnFailure": {"Destination": self.dead_letter}}
        return found

    @property
    def title(self) -> str:
        """The stream, for people."""
        return f"{self.kind} {self.nats}"

    @property
    def arn(self) -> str:
        """What stands in for an ARN; AWS has none for streams of NATS."""
        durable = f"/{self.durable}" if self.durable else ""
        return f"arn:aws:nats:{default_region()}:{ACCOUNT}:{self.nats}{durable}"


def _is_name(text: str) -> bool:
    return bool(VISIBLE.fullmatch(text)) and not FORBIDDEN & {*text}


def _is_subject(text: str) -> bool:
    parts = text.split(".")
    return bool(VISIBLE.fullmatch(text)) and all(parts) and ">" not in parts[:-1]
