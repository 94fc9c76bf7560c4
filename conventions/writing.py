"""Code that writes its output in a thread of its own, so that the beginning can be sent while it is still writing.

Nothing is sent before the first flush.
"""

from __future__ import annotations

import threading
from contextvars import copy_context
from queue import Empty, Queue

from conventions.buffer import Buffer
from dispatch.asynchrony import LONGEST_WAIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Self

#: How many flushed chunks may wait to be sent before the writing thread itself has to wait.
_WAITING = 4

#: What `wait` returns after the last chunk.
DONE = object()


class Output(Buffer):
    """The file that code writes to; a flush sends what has been written."""

    def __init__(self) -> None:
        super().__init__()
        self._sent: Queue[Any] = Queue(_WAITING)
        self._error: BaseException | None = None
        self._abandoned = False

    @classmethod
    def of(cls, write: Callable[[Self], object], name: str) -> Self:
        """Start `write(output)` in a thread of this name, in the caller's context."""
        output = cls()
        threading.Thread(target=copy_context().run, args=(output._run, write), name=name, daemon=True).start()
        return output

    def _run(self, write: Callable[[Self], object]) -> None:
        try:
            write(self)
        except BaseException as error:  # noqa: BLE001 - raised again where the output is read
            self._error = error
        finally:
            self._sent.put(DONE)

    def flush(self) -> None:
        """Send what has been written so far."""
        if self._abandoned:
            raise BrokenPipeError("the caller of this invocation has gone away")
        data = self.take()
        if data:
            self._sent.put(data)

    def send(self, data: bytes) -> None:
        """Write this and flush."""
        self.write(data)
        self.flush()

    def wait(self) -> Any:
        """The next chunk, or DONE."""
        while True:
            try:
                return self._sent.get(timeout=LONGEST_WAIT)
            except Empty:
                continue

    def finish(self) -> bytes:
        """Take what was written since the last flush. Raises the writer's exception if there was one."""
        if self._error is not None:
            raise self._error
        return self.take()

    def rest(self, chunk: Any) -> Iterator[bytes]:
        """The chunk that `wait` has returned, and all that follow. Raises as `finish` does."""
        try:
            while chunk is not DONE:
                yield chunk
                chunk = self.wait()
            yield self.finish()
        finally:
            self._abandon()

    def _abandon(self) -> None:
        """Stop sending, because no one reads any more: a waiting flush returns, and the next one fails."""
        self._abandoned = True
        while not self._sent.empty():
            self._sent.get_nowait()
