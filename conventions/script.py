"""The `script` convention: the event on standard input, the answer on standard output.

Output of threads and tasks that an earlier event has left behind goes to the log.
"""

from __future__ import annotations

import io
import os
import sys
from _thread import _count as count_threads
from _thread import get_ident

from conventions import taking_http_body
from conventions.buffer import Buffer
from conventions.script_input import Event, in_memory, unannounced, watch
from conventions.standard import sendable
from dispatch.asynchrony import settle
from dispatch.errors import HandlerNotFound
from dispatch.invocation import handled
from dispatch.modules import described
from dispatch.protocol import OCTETS
from dispatch.response import HTTPResponse, Response, chunks, is_iterator, respond, stop
from dispatch.script_streams import Streams
from dispatch.scripts import Script

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType
    from typing import Any

    from dispatch.invocation import Invocation
    from dispatch.types import Conventions, Handler

#: The functions in which a pool's worker waits for jobs and runs them.
_WORKERS = {("concurrent.futures.thread", "_worker"), ("multiprocessing.pool", "worker")}


def script(user_object: Any) -> Handler:
    """main() -> None, which reads sys.stdin and writes sys.stdout; if it is a generator, each item is sent at once."""
    run = user_object.run if isinstance(user_object, Script) else user_object
    if not callable(run):
        raise HandlerNotFound(f"the handler is not callable: {described(run)}")
    loaded = _under_way()
    watch()
    descriptors = unannounced(user_object.code) if isinstance(user_object, Script) else ()
    os.register_at_fork(after_in_child=_Answer.give_up)

    def handle(invocation: Invocation) -> Response:
        event = Event(invocation, descriptors)
        answer = _Answer(invocation, _under_way() - loaded, event)
        streams = Streams(
            "stdout",
            "stderr",
            stdin=_text(io.BufferedReader(event), "r", invocation.encoding, newline="\n"),
            stdout=_text(answer, "w", invocation.encoding, newline="\n", write_through=True),
        )
        result: Any = None
        try:
            with streams:
                result = settle(run())
        except BaseException:
            answer.finish()
            raise
        if isinstance(result, HTTPResponse):
            body = result.body if is_iterator(result.body) else iter([result.body])
            result.body = _streamed(answer, streams.over(body))
            return respond(result, sendable, OCTETS)
        if is_iterator(result):
            return Response(_streamed(answer, streams.over(result)))
        return Response(answer.finish())

    #: All invocations would share the process's standard streams.
    handle.one_at_a_time = True  # type: ignore[attr-defined]
    return taking_http_body(handle, guesses_type=True)


script.accepts_object = True  # type: ignore[attr-defined]
script.accepts_any_event = True  # type: ignore[attr-defined]


def _text(stream: Any, mode: str, encoding: str, **options: Any) -> Any:
    text: Any = io.TextIOWrapper(stream, encoding, **options)
    text.mode = mode
    return text


def _streamed(answer: _Answer, items: Iterator[Any]) -> Iterator[bytes]:
    """The printed and the yielded output, item by item."""
    parts = chunks(items, sendable)
    try:
        for part in parts:
            yield answer.take() + part
        yield answer.finish()
    finally:
        answer.finish()
        stop(parts)


class _Answer(Buffer):
    """The bytes of standard output; output after the end of the event, or from a stranger, goes to the log.

    Code that keeps it and works for a later event, such as a log handler, writes to the answer of that event.
    """

    name = "<stdout>"
    mode = "wb"
    _live: _Answer | None = None
    _out_of_reach = False
    _file: int | None = None
    _lent = -1

    @classmethod
    def give_up(cls) -> None:
        """Write no more answers if a script has forked this process during an event: its parent sends the answer."""
        cls._out_of_reach |= cls._live is not None

    def __init__(self, invocation: Invocation, strangers: frozenset[FrameType], event: Event) -> None:
        super().__init__()
        self._event = event
        self._invocation = invocation
        self._strangers = strangers
        self._over = False
        self._log: Any = sys.__stdout__
        _Answer._live = self

    def write(self, data: Any, /) -> int:
        invocation = handled.get()
        if self._file is not None:
            self._collect()
        if not (self._over or self._out_of_reach) and (invocation is self._invocation or not self._is_strange()):
            return super().write(data)
        live = self._live
        if live is not None and live is not self and live._invocation is invocation:  # noqa: SLF001
            return live.write(data)
        return self._log.buffer.write(data)  # type: ignore[no-any-return]

    def _is_strange(self) -> bool:
        """Whether the writer was left behind by an earlier event.

        If the writer has a context, the context decides. Otherwise it was left behind if its thread, or its job in a
        pool, was already running when this event began. Any other writer counts as this event's, because there is no
        way to find out who started it.
        """
        if handled.get() is not None:
            return True
        return bool(self._strangers) and _activity(sys._getframe()) in self._strangers  # noqa: SLF001 - see inspect

    def fileno(self) -> int:
        """A descriptor, for example for child processes: what they write to it becomes part of the answer."""
        if self._over:
            raise io.UnsupportedOperation("the answer has been sent")
        if self._file is None:
            self._file, self._collected = in_memory("stdout"), 0
        if _file_of(self._lent) is None:  # not lent yet, or closed by the script
            self._lent = os.dup(self._file)
        return self._lent

    def _collect(self) -> None:
        assert self._file is not None  # noqa: S101 - only called if there is one
        written = os.pread(self._file, os.fstat(self._file).st_size - self._collected, self._collected)
        self._collected += len(written)
        super().write(written)

    def take(self) -> bytes:
        if self._file is not None and not self.closed:
            self._collect()
        return super().take()

    def finish(self) -> bytes:
        """Take the bytes that were written since the last call; later output is not part of the answer."""
        self._over = True
        if self._live is self:
            _Answer._live = None
        self._strangers = frozenset()  # frames keep their variables alive
        self._event.end()
        taken = self.take()
        if self._file is not None:
            # The script may have closed it, and opened another file under its number.
            lent = _file_of(self._lent)
            if lent is not None and os.path.samestat(lent, os.fstat(self._file)):
                os.close(self._lent)
            os.close(self._file)
            self._file = None
        return taken


def _file_of(descriptor: int) -> os.stat_result | None:
    """The open file with that number; None if there is none."""
    try:
        return os.fstat(descriptor)
    except OSError:
        return None


def _under_way() -> frozenset[FrameType]:
    """The current activities of the other threads, each as its outermost frame."""
    if not count_threads():
        return frozenset()
    tops = sys._current_frames()  # noqa: SLF001 - no other list has the threads that _thread started
    del tops[get_ident()]
    return frozenset(frame for frame in map(_activity, tops.values()) if frame)


def _activity(frame: FrameType) -> FrameType | None:
    """The outermost frame of a thread's activity; for a pool's worker that of its job, or None while it waits."""
    inner: FrameType | None = None
    outer: FrameType | None = frame
    while outer is not None:
        if (outer.f_globals.get("__name__"), outer.f_code.co_name) in _WORKERS:
            return inner
        inner, outer = outer, outer.f_back
    return inner


def dispatch_conventions() -> Conventions:
    """The convention for a script."""
    return {"script": script}
