"""``func(input, output, headers)``: binary file objects to read the event from and write the answer to.

The function runs in a thread of its own, so that what it writes can be sent while it is still writing. Up to the first
flush everything is kept back; a function that never flushes gives an ordinary answer.
"""

from __future__ import annotations

import io
import threading
from contextvars import copy_context
from queue import Empty, Queue

from conventions.buffer import Buffer
from conventions.standard import sendable
from dispatch.asynchrony import LONGEST_WAIT
from dispatch.errors import MarshalError
from dispatch.response import HTTPResponse, Response, chunks, is_iterator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from dispatch.invocation import Invocation
    from dispatch.types import Conventions, Handler, UserFunction

#: How many flushed chunks may wait for the caller before the function has to.
_WAITING = 4


def stream(function: UserFunction) -> Handler:
    """func(input: BinaryIO, output: BinaryIO, headers: Mapping[str, str]) -> None."""

    def handle(invocation: Invocation) -> Response:
        output = _Output()
        thread = threading.Thread(
            target=copy_context().run, args=(_run, function, invocation, output), name="stream handler", daemon=True
        )
        thread.start()
        first = output.wait()
        if first is _DONE:
            return Response(output.finish())
        return Response(_rest(first, output))

    return handle


def _run(function: UserFunction, invocation: Invocation, output: _Output) -> None:
    try:
        items = function(io.BytesIO(invocation.body), output, invocation.headers)
        if is_iterator(items):
            for chunk in chunks(items, sendable):
                output.write(chunk)
                output.flush()
        elif isinstance(items, HTTPResponse):
            output.error = MarshalError("the function returned an HTTPResponse; this convention sends what is written")
    except BaseException as error:  # noqa: BLE001 - it is raised again where the answer is read
        output.error = error
    finally:
        output.sent.put(_DONE)


def _rest(chunk: Any, output: _Output) -> Iterator[bytes]:
    try:
        while chunk is not _DONE:
            yield chunk
            chunk = output.wait()
        yield output.finish()
    finally:
        output.abandon()


_DONE = object()


class _Output(Buffer):
    """What the function writes to; a flush hands over what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: Queue[Any] = Queue(_WAITING)
        self.error: BaseException | None = None
        self._abandoned = False

    def flush(self) -> None:
        """Send what was written so far."""
        if self._abandoned:
            raise BrokenPipeError("the caller of this invocation is gone")
        data = self.take()
        if data:
            self.sent.put(data)

    def wait(self) -> Any:
        """The next chunk, or _DONE."""
        while True:
            try:
                return self.sent.get(timeout=LONGEST_WAIT)
            except Empty:
                continue

    def finish(self) -> bytes:
        """What was written since the last flush. Raises what the function raised."""
        if self.error is not None:
            raise self.error
        return self.take()

    def abandon(self) -> None:
        """Nobody reads any more: a flush that waits goes on, and the next one fails."""
        self._abandoned = True
        while not self.sent.empty():
            self.sent.get_nowait()


def dispatch_conventions() -> Conventions:
    """The convention of a function that reads and writes byte streams."""
    return {"stream": stream}
