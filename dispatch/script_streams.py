"""The standard streams of scripts: each event gets new ones, so whatever a script does to them ends with the event.

A script may close, detach, replace or reconfigure them.
"""

from __future__ import annotations

import io
import sys

from dispatch.errors import ExitError
from dispatch.response import HTTPResponse, is_iterator, stop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Self

_END = object()


class Streams:
    """The standard streams of one event, in place while its script runs; then the previous ones return.

    `sys.argv` is restored as well. A script that exits with status 0 has succeeded; any other status raises ExitError.

    Attributes:
        in_place: the streams of the current event, by name.
    """

    in_place: dict[str, Any] = {}  # noqa: RUF012 - replaced, never changed

    def __init__(self, *lent: str, **given: Any) -> None:
        """Create the streams.

        Args:
            lent: the names of streams on top of the process's own, such as `stderr` (and with it `__stderr__`).
            given: other streams, by name.
        """
        there = vars(sys)
        own = {"argv": there.get("argv")}
        for name in lent:
            stream, hidden = there.get(name), f"__{name}__"
            own[hidden] = _lent(there.get(hidden), hidden)
            own[name] = own[hidden] if stream is there.get(hidden) else _lent(stream, name)
        self._own: dict[str, Any] = {**own, **given}
        self._given = given

    def __enter__(self) -> None:
        there = vars(sys)
        Streams.in_place = self._given
        self._before = {name: there.get(name) for name in self._own}
        there.update(self._own)

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        there = vars(sys)
        written: tuple[Any, ...] = (there.get("stdout"), there.get("stderr"), self._own["stdout"])
        self._own["argv"] = there.get("argv")
        there.update(self._before)
        Streams.in_place = {}
        for stream in written:
            try:
                stream.flush()
            except (ValueError, AttributeError):  # the script has closed, detached, replaced or removed it
                continue
        # Not a subclass: the runtime ends itself with one.
        if type(error) is not SystemExit:
            return False
        if error.code is None or (isinstance(error.code, int) and not error.code):
            return True
        reason = error.code if isinstance(error.code, str) else f"the script exited with status {error.code}"
        raise ExitError(reason) from error

    def over(self, answer: Any) -> Any:
        """The answer; if it is an iterator, each item is produced while these streams are in place."""
        if isinstance(answer, HTTPResponse):
            answer.body = self.over(answer.body)
        return self._each(answer) if is_iterator(answer) else answer

    def _each(self, items: Iterator[Any]) -> Iterator[Any]:
        try:
            while True:
                item: Any = _END
                with self:
                    item = next(items, _END)
                if item is _END:
                    return
                yield item
        finally:
            stop(items)


def _lent(stream: Any, name: str) -> Any:
    """A stream on top of another, which it protects; the other itself if that is closed or not one of Python's own."""
    if type(stream) is not io.TextIOWrapper or "write" in vars(stream):
        return stream
    lent = _streams.get(name)
    if lent is None or lent.top_of is not stream or not lent.is_untouched():
        try:
            lent = _streams[name] = _Stream(stream, f"<{name.strip('_')}>")
        except (AttributeError, ValueError):
            return stream
    return lent


class _Stream(io.TextIOWrapper):
    """Text on top of another stream, lent to one event after another until one of them changes it."""

    __slots__ = ("_reconfigured", "top_of")
    mode = "w"

    def __init__(self, stream: Any, name: str) -> None:
        super().__init__(_Lent(stream.buffer, name), "utf-8", "backslashreplace", newline="\n", write_through=True)
        self.top_of = stream
        self._reconfigured = False

    def is_untouched(self) -> bool:
        """Whether no event has changed it."""
        return not (self._reconfigured or self.closed or vars(self))

    def detach(self) -> Any:
        self._reconfigured = True
        return super().detach()

    def reconfigure(self, **settings: Any) -> None:
        self._reconfigured = True
        super().reconfigure(**settings)


class _Lent(io.RawIOBase):
    """The bytes of a standard stream; closing this leaves the stream itself open."""

    def __init__(self, stream: Any, name: str) -> None:
        self._stream = stream
        self.name = name

    def fileno(self) -> int:
        return self._stream.fileno()  # type: ignore[no-any-return]

    def isatty(self) -> bool:
        return self._stream.isatty()  # type: ignore[no-any-return]

    def readable(self) -> bool:
        return self._stream.readable()  # type: ignore[no-any-return]

    def writable(self) -> bool:
        return self._stream.writable()  # type: ignore[no-any-return]

    def readinto(self, buffer: Any, /) -> int:
        return self._stream.readinto1(buffer)  # type: ignore[no-any-return]

    def write(self, data: Any, /) -> int:
        return self._stream.write(data)  # type: ignore[no-any-return]


def _forwarded(name: str) -> Any:
    def method(self: Loaded, *arguments: Any, **options: Any) -> Any:
        return getattr(self.now, name)(*arguments, **options)

    return method


class Loaded:
    """Stands in for a standard stream while a script is loaded.

    Code that keeps it, in a default argument for example, reads or writes the stream of the current event.
    """

    write, writelines, flush = map(_forwarded, ("write", "writelines", "flush"))
    read, readline, readlines = map(_forwarded, ("read", "readline", "readlines"))
    __iter__, __next__ = map(_forwarded, ("__iter__", "__next__"))

    def __init__(self, name: str) -> None:
        self._name = name
        self._there = getattr(sys, name)

    @property
    def now(self) -> Any:
        """The stream that this one stands for at the moment."""
        return Streams.in_place.get(self._name, self._there)

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self.now, attribute)

    def __enter__(self) -> Self:
        setattr(sys, self._name, self)
        return self

    def __exit__(self, *_: object) -> None:
        if getattr(sys, self._name, None) is self:  # a script may have replaced it
            setattr(sys, self._name, self._there)


#: The lent streams, by their names in `sys`.
_streams: dict[str, _Stream] = {}
