"""The answer to one event, as it arrives."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import AsyncGenerator
from typing import Final

from dispatch import protocol
from runtime.local.function_error import FunctionError
from runtime.local.gates import Gate, passed

#: How far a streaming runtime may be ahead of a slow reader, in bytes: what Lambda lets through before it limits the
#: rate (AWS documentation, response streaming quotas).
AHEAD: Final = 6 * 1024 * 1024

#: How many bytes of an answer are kept for the page.
KEPT: Final = 64 * 1024


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
