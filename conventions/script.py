"""A script as a function: the event on standard input, the answer on standard output.

What is printed by something that an earlier event left behind goes to the log.
"""

from __future__ import annotations

import io
import os
import sys
from _thread import _count as count_threads
from _thread import get_ident

from conventions.buffer import Buffer
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

#: The functions in which a pool's worker waits for jobs and does them.
_WORKERS = {("concurrent.futures.thread", "_worker"), ("multiprocessing.pool", "worker")}


def script(user_object: Any) -> Handler:
    """main() -> None, which reads sys.stdin and writes sys.stdout; a generator's items are sent as they come."""
    run = user_object.run if isinstance(user_object, Script) else user_object
    if not callable(run):
        raise HandlerNotFound(f"the handler is {described(run)}, which cannot be called")
    loaded = _under_way()
    os.register_at_fork(after_in_child=_Answer.give_up)

    def handle(invocation: Invocation) -> Response:
        answer = _Answer(invocation, _under_way() - loaded)
        streams = Streams(
            "stdout",
            "stderr",
            stdin=_text(io.BufferedReader(_Event(invocation)), "r", invocation.encoding),
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

    #: The standard streams are the process's.
    handle.one_at_a_time = True  # type: ignore[attr-defined]
    return handle


script.accepts_object = True  # type: ignore[attr-defined]


def _text(stream: Any, mode: str, encoding: str, **options: Any) -> Any:
    text: Any = io.TextIOWrapper(stream, encoding, **options)
    text.mode = mode
    return text


def _streamed(answer: _Answer, items: Iterator[Any]) -> Iterator[bytes]:
    """What is printed and what is yielded, item by item."""
    parts = chunks(items, sendable)
    try:
        for part in parts:
            yield answer.take() + part
        yield answer.finish()
    finally:
        answer.finish()
        stop(parts)


class _Event(io.RawIOBase):
    """Standard input of one event. What kept it from an earlier event reads the bytes of the one under way."""

    name = "<stdin>"
    mode = "rb"
    _live: _Event

    def __init__(self, invocation: Invocation) -> None:
        self._invocation = invocation
        self._bytes = io.BytesIO(invocation.body)
        _Event._live = self

    def _source(self) -> io.BytesIO:
        return self._live._bytes if handled.get() is self._live._invocation else self._bytes  # noqa: SLF001

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        return self._source().readinto(buffer)

    def readall(self) -> bytes:
        return self._source().read()

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._source().seek(offset, whence)

    def tell(self) -> int:
        return self._source().tell()


class _Answer(Buffer):
    """The bytes of standard output; what is written when the event is over, or by a stranger, goes to the log.

    Who keeps it and works for a later event, as a log handler does, writes to the answer of that one.
    """

    name = "<stdout>"
    mode = "wb"
    _live: _Answer | None = None
    _out_of_reach = False

    @classmethod
    def give_up(cls) -> None:
        """This is a child process of the script's own, whose parent sends the answer."""
        cls._out_of_reach = True

    def __init__(self, invocation: Invocation, strangers: frozenset[FrameType]) -> None:
        super().__init__()
        self._invocation = invocation
        self._strangers = strangers
        self._over = False
        self._log: Any = sys.__stdout__
        _Answer._live = self

    def write(self, data: Any, /) -> int:
        invocation = handled.get()
        if not (self._over or self._out_of_reach) and (invocation is self._invocation or not self._is_strange()):
            return super().write(data)
        live = self._live
        if live is not None and live is not self and live._invocation is invocation:  # noqa: SLF001
            return live.write(data)
        return self._log.buffer.write(data)  # type: ignore[no-any-return]

    def _is_strange(self) -> bool:
        """Whether the writer was left behind by an earlier event.

        Where it has a context, that tells. Without one it was if its thread, or its job in a pool, was already running
        when this event began. Anything else counts as this event's: whose order it works by cannot be told.
        """
        if handled.get() is not None:
            return True
        return bool(self._strangers) and _activity(sys._getframe()) in self._strangers  # noqa: SLF001 - see inspect

    def finish(self) -> bytes:
        """What was written since it was last taken; whatever comes later is no answer."""
        self._over = True
        if self._live is self:
            _Answer._live = None
        self._strangers = frozenset()  # frames keep alive what is in them
        return self.take()


def _under_way() -> frozenset[FrameType]:
    """What other threads are doing now, each thing by its outermost frame."""
    if not count_threads():
        return frozenset()
    tops = sys._current_frames()  # noqa: SLF001 - threads that were started by _thread are in no other list
    del tops[get_ident()]
    return frozenset(frame for frame in map(_activity, tops.values()) if frame)


def _activity(frame: FrameType) -> FrameType | None:
    """The outermost frame of what a thread does; in a pool's worker that of its job, None while it has none."""
    inner: FrameType | None = None
    outer: FrameType | None = frame
    while outer is not None:
        if (outer.f_globals.get("__name__"), outer.f_code.co_name) in _WORKERS:
            return inner
        inner, outer = outer, outer.f_back
    return inner


def dispatch_conventions() -> Conventions:
    """The convention of a script."""
    return {"script": script}
