"""One invocation: the event, the exchange with the runtime, the answer as it arrives, and the report at the end."""

from __future__ import annotations

import asyncio
import base64
import json
import math
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any, Final

from dispatch import protocol
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


@dataclass(frozen=True, slots=True)
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
    """The answer to one event: iterate over it for the chunks, once, then look at `error`.

    Chunks that nobody reads any more are dropped, so an answer whose reader has left takes no memory.

    Attributes:
        content_type: known once the answer is open.
        streaming: whether the runtime sends the answer in chunks.
        size: the bytes that have arrived.
        kept: the first bytes, for the page.
        error: why the invocation failed; an error before the first byte leaves no chunk.
    """

    def __init__(self) -> None:
        self.content_type = ""
        self.streaming = False
        self.size = 0
        self.error: FunctionError | None = None
        self.kept = bytearray()
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._opened = asyncio.Event()
        self._unread = 0
        self._has_reader = True
        self._caught_up = asyncio.Event()
        self._caught_up.set()
        self._over = asyncio.Event()

    @property
    def finished(self) -> bool:
        """Whether the answer is complete, or failed."""
        return self._over.is_set()

    async def over(self) -> None:
        """Wait until the answer is complete, or failed."""
        await self._over.wait()

    async def opened(self) -> None:
        """Wait until the runtime begins to answer, or fails."""
        await self._opened.wait()

    def open(self, content_type: str, *, streaming: bool) -> None:
        """Note that the runtime begins to answer."""
        self.content_type = content_type
        self.streaming = streaming
        self._opened.set()

    def write(self, chunk: bytes) -> None:
        """Pass one chunk on to the reader."""
        if self.finished or not chunk:
            return
        self.size += len(chunk)
        if len(self.kept) < KEPT:
            self.kept += chunk[: KEPT - len(self.kept)]
        if not self._has_reader:
            return
        self._chunks.put_nowait(chunk)
        self._unread += len(chunk)
        if self._unread > AHEAD:
            self._caught_up.clear()

    async def caught_up(self) -> None:
        """Wait until the reader has caught up; an answer that has lost its reader is not held up."""
        await self._caught_up.wait()

    def finish(self, error: FunctionError | None = None) -> None:
        """Note that the answer is complete, or failed. Only the first call has an effect."""
        if self.finished:
            return
        self.error = error
        self._over.set()
        self._opened.set()
        self._caught_up.set()
        self._chunks.put_nowait(None)

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        try:
            while (chunk := await self._chunks.get()) is not None:
                self._unread -= len(chunk)
                if self._unread <= AHEAD:
                    self._caught_up.set()
                yield chunk
        finally:
            self.leave()

    def leave(self) -> None:
        """Note that nobody reads the answer any more."""
        self._has_reader = False
        self._chunks = asyncio.Queue()
        self._chunks.put_nowait(None)
        self._caught_up.set()

    async def read(self) -> bytes:
        """Return the answer; the error report if the invocation failed before the first byte.

        Of a streamed answer that does not fit into one response, the rest is read and dropped: see `size`.
        """
        parts, size = [], 0
        async for chunk in self:
            size += len(chunk)
            if size <= protocol.RESPONSE_LIMIT:
                parts.append(chunk)
        return self.error.body if self.error is not None and not size else b"".join(parts)

    @property
    def too_large(self) -> FunctionError | None:
        """The error of an answer that does not fit into one response."""
        if self.size <= protocol.RESPONSE_LIMIT:
            return None
        return FunctionError.too_large("Response payload size", protocol.RESPONSE_LIMIT)


@dataclass(slots=True)
class Exchange:
    """An event that was handed to a runtime, its deadline (milliseconds since the epoch), and the answer to it."""

    event: Event
    deadline_ms: int
    invocation_id: str
    answer: Answer = field(default_factory=Answer)

    def headers(self) -> list[tuple[str, bytes]]:
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
        return [(name, cleaned.encode()) for name, value in pairs if (cleaned := one_line(value))]


@dataclass(frozen=True, slots=True)
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


@dataclass(slots=True)
class RunningInvocation:
    """An invocation that has started: its answer as it arrives, and its report once it is over."""

    function: str
    event: Event
    answer: Answer
    report: asyncio.Task[InvocationReport]
