"""A script as a function: the event on standard input, the answer on standard output.

Each event gets streams of its own, so whatever a script does to them (closes, detaches, replaces or reconfigures them)
ends with the event. What a thread prints that an earlier event left behind goes to the log.
"""

from __future__ import annotations

import io
import sys
from _thread import get_ident

from conventions.buffer import Buffer
from conventions.standard import sendable
from dispatch.errors import ExitError
from dispatch.response import Response, stop, to_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from dispatch.invocation import Invocation
    from dispatch.types import Conventions, Function, Handler

_END = object()


def script(function: Function) -> Handler:
    """main() -> None, which reads sys.stdin and writes sys.stdout; a generator's items are sent as they come."""

    def handle(invocation: Invocation) -> Response:
        streams = _Streams(invocation)
        items: Any = None
        with streams:
            items = function()
        if hasattr(items, "__next__"):
            return Response(_streamed(streams, items))
        return Response(streams.answer.finish())

    return handle


def _streamed(streams: _Streams, items: Iterator[Any]) -> Iterator[bytes]:
    """What a generator prints and yields, item by item."""
    try:
        while True:
            item: Any = _END
            with streams:
                item = next(items, _END)
            if item is _END:
                yield streams.answer.finish()
                return
            yield streams.answer.take() + to_bytes(sendable(item))
    finally:
        streams.answer.finish()
        stop(items)


class _Answer(Buffer):
    """The bytes of standard output; what is written when the event is over goes to the log."""

    def __init__(self) -> None:
        super().__init__()
        self._over = False
        self._strangers = _other_threads()
        self._log = sys.stdout

    def write(self, data: Any, /) -> int:
        if self._over or (self._strangers and get_ident() in self._strangers):
            return self._log.buffer.write(data)
        return super().write(data)

    def finish(self) -> bytes:
        """What was written since it was last taken; whatever comes later is no answer."""
        self._over = True
        return self.take()


class _Streams:
    """Puts ``sys.stdin`` and ``sys.stdout`` of one event in place while the script runs, and keeps ``sys.argv``."""

    def __init__(self, invocation: Invocation) -> None:
        self.answer = _Answer()
        self._stdin = io.TextIOWrapper(io.BytesIO(invocation.body), invocation.encoding)
        self._stdout = io.TextIOWrapper(self.answer, invocation.encoding, newline="\n", write_through=True)

    def __enter__(self) -> None:
        self._before = sys.stdin, sys.stdout, sys.argv
        sys.stdin, sys.stdout = self._stdin, self._stdout

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        streams: tuple[Any, ...] = (getattr(sys, "stdout", None), self._stdout)
        for stream in streams:
            try:
                stream.flush()
            except (ValueError, AttributeError):  # the script closed, detached, replaced or removed it
                continue
        sys.stdin, sys.stdout, sys.argv = self._before
        # Not a subclass: the runtime ends itself by one.
        if type(error) is not SystemExit:
            return False
        if error.code is None or (isinstance(error.code, int) and not error.code):
            return True
        reason = error.code if isinstance(error.code, str) else f"the script exited with status {error.code}"
        raise ExitError(reason) from error


def _other_threads() -> frozenset[int | None]:
    """The threads that are alive before the event, but for this one: none of them is the event's own."""
    threading = sys.modules.get("threading")
    if threading is None or threading.active_count() == 1:
        return frozenset()
    return frozenset(thread.ident for thread in threading.enumerate()) - {get_ident()}


def dispatch_conventions() -> Conventions:
    """The convention of a script."""
    return {"script": script}
