"""One event and the answer to it, while both are under way."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any, Final

from dispatch.protocol import RESPONSE_LIMIT

#: What one answer may weigh: as much as a runtime sends.
ANSWER_LIMIT: Final = RESPONSE_LIMIT
#: What a streamed answer may weigh (AWS documentation, response streaming quotas).
STREAM_LIMIT: Final = 200 * 1024 * 1024
#: How far a streaming runtime may be ahead of a slow reader: what Lambda takes before it limits the rate (same page).
AHEAD: Final = 6 * 1024 * 1024

#: How much of an answer is kept to be looked at afterwards.
KEPT: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class FunctionError:
    """Why an invocation failed: the error type, and the report as its caller gets it."""

    type: str
    body: bytes

    @classmethod
    def make(cls, error_type: str, message: str, **more: Any) -> FunctionError:
        """An error that the platform itself reports."""
        return cls(error_type, json.dumps({"errorType": error_type, "errorMessage": message, **more}).encode())

    @classmethod
    def posted(cls, body: bytes, header: str = "") -> FunctionError:
        """An error that a runtime reported: its body goes on as it came, whatever it is."""
        report = _as_object(body)
        return cls(str(report.get("errorType") or header or "Unhandled"), body)

    @classmethod
    def trailed(cls, error_type: str, encoded: str) -> FunctionError:
        """An error in the trailers of a streamed answer; its body is base64."""
        try:
            body = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            body = encoded.encode()
        return cls(error_type or "Unhandled", body)

    @property
    def report(self) -> dict[str, Any]:
        """The report as an object; empty if the runtime sent something else."""
        return _as_object(self.body)

    @property
    def message(self) -> str:
        """The error message, or the whole report where there is none."""
        return str(self.report.get("errorMessage", "") or self.body.decode(errors="replace"))


def _as_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


@dataclass(frozen=True, slots=True)
class Event:
    """One event as a caller hands it in; `client_context` is decoded JSON, as runtimes get it."""

    body: bytes
    request_id: str
    arn: str = ""
    trace_id: str = ""
    client_context: str = ""
    cognito_identity: str = ""
    tenant_id: str = ""
    content_type: str = "application/json"


class Answer:
    """What comes back for one event: iterate over it for the chunks, then look at `error`.

    `opened` resolves when the kind of answer is known; an error before that leaves no chunk. `kept` is the beginning of
    what came, for whoever looks at it later.
    """

    def __init__(self) -> None:
        self.content_type = ""
        self.streaming = False
        self.size = 0
        self.error: FunctionError | None = None
        self.kept = bytearray()
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._opened = asyncio.Event()
        self._finished = asyncio.Event()
        self._unread = 0
        self._reading = True
        self._room = asyncio.Event()
        self._room.set()

    @property
    def finished(self) -> bool:
        """Whether nothing more comes."""
        return self._finished.is_set()

    async def opened(self) -> None:
        """Wait until the answer began, or failed."""
        await self._opened.wait()

    async def ended(self) -> None:
        """Wait until the answer is complete."""
        await self._finished.wait()

    def open(self, content_type: str, *, streaming: bool) -> None:
        """The runtime began to answer."""
        self.content_type = content_type
        self.streaming = streaming
        self._opened.set()

    def write(self, chunk: bytes) -> None:
        """Pass one chunk on."""
        if self.finished or not chunk:
            return
        self.size += len(chunk)
        if len(self.kept) < KEPT:
            self.kept += chunk[: KEPT - len(self.kept)]
        self._chunks.put_nowait(chunk)
        self._unread += len(chunk)
        if self._unread > AHEAD and self._reading:
            self._room.clear()

    async def room(self) -> None:
        """Wait until whoever reads has caught up; an answer that nobody reads any more is in nobody's way."""
        await self._room.wait()

    def finish(self, error: FunctionError | None = None) -> None:
        """The answer is complete, or it failed; only the first word counts."""
        if self.finished:
            return
        self.error = error
        self._finished.set()
        self._opened.set()
        self._room.set()
        self._chunks.put_nowait(None)

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        try:
            while (chunk := await self._chunks.get()) is not None:
                self._unread -= len(chunk)
                if self._unread <= AHEAD:
                    self._room.set()
                yield chunk
            self._chunks.put_nowait(None)
        finally:
            self._reading = False
            self._room.set()

    async def read(self) -> bytes:
        """The whole answer: the error report if it failed before the first byte."""
        body = b"".join([chunk async for chunk in self])
        return body if self.error is None or body else self.error.body


@dataclass(slots=True)
class Exchange:
    """An event that a runtime has been given, with its deadline (milliseconds since the epoch)."""

    event: Event
    deadline_ms: int
    invocation_id: str
    answer: Answer = field(default_factory=Answer)

    def headers(self) -> list[tuple[str, bytes]]:
        """The headers of the `/next` answer; what is empty is left out, and a value is one line."""
        event = self.event
        pairs = (
            ("Content-Type", event.content_type),
            ("Lambda-Runtime-Aws-Request-Id", event.request_id),
            ("Lambda-Runtime-Deadline-Ms", str(self.deadline_ms)),
            ("Lambda-Runtime-Invoked-Function-Arn", event.arn),
            ("Lambda-Runtime-Trace-Id", event.trace_id),
            ("Lambda-Runtime-Client-Context", event.client_context),
            ("Lambda-Runtime-Cognito-Identity", event.cognito_identity),
            ("Lambda-Runtime-Aws-Tenant-Id", event.tenant_id),
            ("Lambda-Runtime-Invocation-Id", self.invocation_id),
        )
        return [(name, " ".join(value.splitlines()).encode()) for name, value in pairs if value]
