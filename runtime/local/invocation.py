"""One invocation: the event, the exchange with the runtime, and the report at the end."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass

from dispatch import protocol
from runtime.local.answer import Answer
from runtime.local.function_error import TIMED_OUT, FunctionError
from runtime.local.values import one_line


@dataclass(slots=True)
class Event:
    """One event as a caller sends it.

    Attributes:
        client_context: the decoded JSON, as runtimes get it.
        mapping: the id of the event source mapping that it came through; empty if it came in another way.
    """

    body: bytes
    request_id: str
    arn: str = ""
    trace_id: str = ""
    client_context: str = ""
    cognito_identity: str = ""
    tenant_id: str = ""
    content_type: str = protocol.JSON
    mapping: str = ""


class Exchange:
    """An event that was handed to a runtime, its deadline (milliseconds since the epoch), and the answer to it.

    Attributes:
        body: the event's bytes, until the exchange is over.
    """

    __slots__ = ("answer", "body", "deadline_ms", "event", "invocation_id", "request_id")

    def __init__(self, event: Event, deadline_ms: int, invocation_id: str, answer: Answer | None = None) -> None:
        self.event = event
        self.body = event.body
        self.request_id = event.request_id
        self.deadline_ms = deadline_ms
        self.invocation_id = invocation_id
        self.answer = answer or Answer()

    def headers(self) -> list[tuple[str, str]]:
        """The headers of the event, whatever its caller gave; an empty value is left out."""
        event = self.event
        pairs = (
            ("Content-Type", event.content_type),
            (protocol.REQUEST_ID, event.request_id),
            (protocol.DEADLINE_MS, str(self.deadline_ms)),
            (protocol.FUNCTION_ARN, event.arn),
            (protocol.TRACE_ID, event.trace_id),
            (protocol.CLIENT_CONTEXT, event.client_context),
            (protocol.COGNITO_IDENTITY, event.cognito_identity),
            (protocol.TENANT_ID, event.tenant_id),
            (protocol.INVOCATION_ID, self.invocation_id),
        )
        return [(name, cleaned) for name, value in pairs if value and (cleaned := one_line(value))]


@dataclass(slots=True)
class InvocationReport:
    """How one invocation went. Durations are in milliseconds, memory in MB; `init` is None in a warm environment."""

    request_id: str
    environment: str
    started: float
    duration: float
    memory_size: int
    memory_used: int
    log: str = ""
    init: float | None = None
    error: FunctionError | None = None

    @property
    def billed(self) -> int:
        """Milliseconds as Lambda bills them: rounded up, loading included."""
        return math.ceil(self.duration + (self.init or 0))

    @property
    def status(self) -> str:
        """`success`, `timeout` or `error`."""
        if self.error is None:
            return "success"
        return "timeout" if self.error.type == TIMED_OUT else "error"


class RunningInvocation:
    """An invocation that has started: its answer as it arrives, and its report once it is over.

    Attributes:
        function: the function's name.
        report: resolves when the runtime is ready for its next event, or has ended.
        when_over: is called with the report at that moment.
    """

    __slots__ = ("answer", "event", "function", "report", "when_over")

    def __init__(self, function: str, event: Event) -> None:
        self.function = function
        self.event = event
        self.answer = Answer()
        self.report: asyncio.Future[InvocationReport] = asyncio.get_running_loop().create_future()
        self.when_over: Callable[[InvocationReport], None] | None = None

    def end(self, report: InvocationReport) -> None:
        """Note that it is over."""
        if self.when_over is not None:
            self.when_over(report)
        if not self.report.done():
            self.report.set_result(report)

    def abandon(self, error: FunctionError) -> None:
        """Note that it will have no report; the error has an effect if there is no answer yet."""
        self.answer.finish(error)
        self.report.cancel()
