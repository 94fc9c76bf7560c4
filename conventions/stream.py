"""The `stream` convention: `func(input, output, headers)` with binary files for the event and the answer.

The function runs in its own thread, so that its output can be sent while it is still writing. Nothing is sent before
the first flush; the answer of a function that never flushes is not streamed.
"""

from __future__ import annotations

import io
import threading
from contextvars import copy_context
from queue import Empty, Queue

from conventions import taking_http_body
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

#: How many flushed chunks may wait to be sent before the function itself has to wait.
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

    return taking_http_body(handle, guesses_type=True)


stream.accepts_any_event = True  # type: ignore[attr-defined]


def _run(function: UserFunction, invocation: Invocation, output: _Output) -> None:
    try:
        items = function(io.BytesIO(invocation.body), output, invocation.headers)
        if is_iterator(items):
            for chunk in chunks(items, sendable):
                output.write(chunk)
                output.flush()
        elif isinstance(items, HTTPResponse):
            output.error = MarshalError(
                "the function returned an HTTPResponse, but this convention sends only what it writes to output"
            )
    except BaseException as error:  # noqa: BLE001 - raised again where the answer is read
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
    """The file that the function writes to; a flush sends what has been written."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: Queue[Any] = Queue(_WAITING)
        self.error: BaseException | None = None
        self._abandoned = False

    def flush(self) -> None:
        """Send what has been written so far."""
        if self._abandoned:
            raise BrokenPipeError("the caller of this invocation has gone away")
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
        """Take what was written since the last flush. Raises the function's exception if there was one."""
        if self.error is not None:
            raise self.error
        return self.take()

    def abandon(self) -> None:
        """Stop sending, because no one reads any more: a waiting flush returns, and the next one fails."""
        self._abandoned = True
        while not self.sent.empty():
            self.sent.get_nowait()


def dispatch_conventions() -> Conventions:
    """The convention for a function that reads and writes byte streams."""
    return {"stream": stream}
