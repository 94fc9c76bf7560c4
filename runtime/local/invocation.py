"""One invocation: the event, the exchange with the runtime, the answer as it arrives, and the report at the end."""

from __future__ import annotations

import asyncio
import base64
import json
import math
from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import Any, Final

from dispatch import protocol
from runtime.local.gates import Gate, passed
from runtime.local.values import one_line, parse_json

#: How far a streaming runtime may be ahead of a slow reader, in bytes: what Lambda lets through before it limits the
#: rate (AWS documentation, response streaming quotas).
AHEAD: Final = 6 * 1024 * 1024

#: How many bytes of an answer are kept for the page.
KEPT: Final = 64 * 1024

#: Characters of an error type that are kept; Lambda's own limit is not documented.
TYPE_LIMIT: Final = 256

#: The error types that Lambda's platform itself uses.
TIMED_OUT: Final = "Sandbox.Timedout"
OUT_OF_MEMORY: Final = "Runtime.OutOfMemory"
EXIT_ERROR: Final = "Runtime.ExitError"
TOO_LARGE: Final = "Function.ResponseSizeTooLarge"
#: The type of a report that names none, and the Invoke API's one value for a function error.
UNHANDLED: Final = "Unhandled"


@dataclass(frozen=True, slots=True)
class FunctionError:
    """Why an invocation failed: the error type, and the report's bytes as the caller gets them."""

    type: str
    body: bytes

    @classmethod
    def of(cls, error_type: str, message: str) -> FunctionError:
        """Make an error that the platform itself reports."""
        return cls(error_type, json.dumps({"errorType": error_type, "errorMessage": message}).encode())

    @classmethod
    def too_large(cls, what: str, limit: int) -> FunctionError:
        """Make the error for an answer or a report of more than `limit` bytes."""
        return cls.of(TOO_LARGE, f"{what} {protocol.EXCEEDED.format(limit)}")

    @classmethod
    def from_report(cls, body: bytes, header: str = "") -> FunctionError:
        """Read an error report that a runtime posted; its bytes are passed on as they came, whatever they are."""
        report = _as_object(body)
        return cls(_as_type(report.get("errorType") or header), body)

    @classmethod
    def from_trailers(cls, error_type: str, encoded: str) -> FunctionError:
        """Read an error from the trailers of a streamed answer, where the report is base64."""
        try:
            body = base64.b64decode(encoded, validate=True)
        except ValueError:
            body = encoded.encode()
        return cls(_as_type(error_type), body)

    @property
    def report(self) -> dict[str, Any]:
        """The report as an object; empty if the runtime sent something else."""
        return _as_object(self.body)

    @property
    def message(self) -> str:
        """The error message, or the whole report if it has none."""
        report = self.report
        return str(report["errorMessage"] or "") if "errorMessage" in report else self.body.decode(errors="replace")

    @property
    def trace(self) -> str:
        """The stack trace as text: the function's own frames, outermost first, and its causes; or an empty string."""
        entries = self.report.get("stackTrace")
        return "".join(f"{entry}".rstrip("\n") + "\n" for entry in entries) if isinstance(entries, list) else ""

    def __repr__(self) -> str:
        return f"<{self.type}: {self.message}>" if self.message else f"<{self.type}>"


def _as_object(body: bytes) -> dict[str, Any]:
    try:
        value = parse_json(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _as_type(value: Any) -> str:
    """Return an error type as a line of the log can have it, whatever the runtime sent as one."""
    return one_line(str(value or ""))[:TYPE_LIMIT] or UNHANDLED


@dataclass(slots=True)
class Event:
    """One event as a caller sends it; `client_context` is the decoded JSON, as runtimes get it."""

    body: bytes
    request_id: str
    arn: str = ""
    trace_id: str = ""
    client_context: str = ""
    cognito_identity: str = ""
    tenant_id: str = ""
    content_type: str = protocol.JSON


class Answer:
    """The answer to one event: iterate over it for the chunks or read it whole, once, then look at `error`.

    Chunks that nobody reads any more are dropped, so an answer whose reader has left takes no memory.

    Attributes:
        content_type: known once the answer is open.
        streaming: whether the runtime sends the answer in chunks.
        size: the bytes that have arrived.
        kept: the first bytes, for the page.
        error: why the invocation failed; an error before the first byte leaves no chunk.
        opened: opens when the runtime begins to answer, or fails.
        over: opens when the answer is complete, or failed.
    """

    __slots__ = (
        "_caught_up", "_chunks", "_limit", "_more", "_unread", "content_type", "error", "kept", "opened", "over",
        "size", "streaming",
    )  # fmt: skip

    def __init__(self) -> None:
        self.content_type = ""
        self.streaming = False
        self.size = 0
        self.error: FunctionError | None = None
        self.kept = bytearray()
        self.opened: Gate[None] = Gate()
        self.over: Gate[None] = Gate()
        self._chunks: deque[bytes] = deque()
        self._unread = 0
        #: The size of the answer beyond which chunks are dropped; negative once nobody reads them.
        self._limit: float = math.inf
        self._more: Gate[None] | None = None
        self._caught_up: Gate[None] | None = None

    @property
    def finished(self) -> bool:
        """Whether the answer is complete, or failed."""
        return self.over.is_open

    def open(self, content_type: str, *, streaming: bool) -> None:
        """Note that the runtime begins to answer."""
        self.content_type = content_type
        self.streaming = streaming
        self.opened.open(None)

    def write(self, chunk: bytes) -> None:
        """Pass one chunk on to the reader."""
        if self.finished or not chunk:
            return
        self.size += len(chunk)
        if len(self.kept) < KEPT:
            self.kept += chunk[: KEPT - len(self.kept)]
        if self.size <= self._limit:
            self._chunks.append(chunk)
            self._unread += len(chunk)
            self._go_on()

    async def caught_up(self) -> None:
        """Wait until the reader has caught up; an answer that has lost its reader is not held up."""
        if self._unread > AHEAD and not self.finished and self._limit == math.inf:
            self._caught_up = Gate()
            await self._caught_up

    def finish(self, error: FunctionError | None = None) -> None:
        """Note that the answer is complete, or failed. Only the first call has an effect."""
        if self.finished:
            return
        self.error = error
        self.over.open(None)
        self.opened.open(None)
        self._go_on()
        self._let_write()

    def _go_on(self) -> None:
        """Wake the reader."""
        more, self._more = self._more, None
        if more is not None:
            more.open(None)

    def _let_write(self) -> None:
        """Wake the writer."""
        caught_up, self._caught_up = self._caught_up, None
        if caught_up is not None:
            caught_up.open(None)

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        try:
            while self._limit >= 0 and (self._chunks or not self.finished):
                if self._chunks:
                    chunk = self._chunks.popleft()
                    self._unread -= len(chunk)
                    if self._unread <= AHEAD:
                        self._let_write()
                    yield chunk
                else:
                    self._more = Gate()
                    await passed(self._more)
        finally:
            self.leave()

    def leave(self) -> None:
        """Note that nobody reads the answer any more."""
        self._limit = -1
        self._chunks.clear()
        self._go_on()
        self._let_write()

    def collect(self) -> None:
        """Read all as it comes, as far as it fits into one response; `whole` returns it once the answer is over.

        Of a streamed answer that does not fit, the rest is dropped: see `size`.
        """
        self._limit = protocol.RESPONSE_LIMIT
        self._let_write()

    @property
    def whole(self) -> bytes:
        """What was collected; the error report if the invocation failed before the first byte."""
        return self.error.body if self.error is not None and not self.size else b"".join(self._chunks)

    async def read(self) -> bytes:
        """Wait for the answer, and return it as `whole` does."""
        self.collect()
        try:
            await passed(self.over)
            return self.whole
        finally:
            self.leave()

    @property
    def too_large(self) -> FunctionError | None:
        """The error of an answer that does not fit into one response."""
        if self.size <= protocol.RESPONSE_LIMIT:
            return None
        return FunctionError.too_large("Response payload size", protocol.RESPONSE_LIMIT)


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
        return [(name, cleaned) for name, value in pairs if (cleaned := one_line(value))]


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
