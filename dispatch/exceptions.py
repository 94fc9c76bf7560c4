"""What an exception says: its type, its text, its notes and the frames of the user's own code.

Every exception has these, whatever its class does: its `str()`, its metaclass or its `__cause__` may raise, its text
may have lone surrogates, and its traceback may have no end.
"""

from __future__ import annotations

import os

from dispatch.errors import DispatchError, ExitError, Terminated
from dispatch.shadowing import LIBRARY, OUR_PACKAGES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType
    from typing import Any

_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_OURS = tuple(os.path.join(_HERE, package, "") for package in OUR_PACKAGES)

#: The folder of asyncio, whose frames appear when an event loop runs a coroutine.
EVENT_LOOP = os.path.join(LIBRARY, "asyncio", "")

#: Files of frames between ours and the user's: those of the event loop and of the import system.
_MACHINERY = (
    *(os.path.join(LIBRARY, name) for name in ("importlib/__init__.py", "socketserver.py", "http/")),
    EVENT_LOOP,
    "<frozen ",
)

#: The longest stack trace that is reported whole, and how much of a longer one is: the default recursion limit is 1000.
MOST_FRAMES = 1000
_FIRST, _LAST = 200, 300

#: The longest name of an exception's class.
_LONGEST_NAME = 1000

#: The longest source line in a stack trace. Finding the part to underline takes traceback 10 ms in a line of 100 KB.
_LONGEST_LINE = 1000

#: The exceptions that are followed from one to the next as causes.
_MOST_CAUSES = 100


def error_type(error: BaseException) -> str:
    """The type under which an exception is reported: one of ours, or the name of the user's exception class."""
    # Not isinstance: it would ask the exception for its `__class__`, which user code can define.
    kind = type(error)
    if issubclass(kind, SystemExit):
        return ExitError.error_type
    return _name(error, "error_type", kind) if issubclass(kind, DispatchError) else type_name(kind)


def type_name(kind: type) -> str:
    """A class's name, whatever its metaclass says."""
    return _name(kind, "__name__", kind)


def _name(holder: object, attribute: str, kind: type) -> str:
    """An attribute that is a name; the class's own name if user code has made something else of it."""
    try:
        called = getattr(holder, attribute)
        if type(called) is str:
            return called[:_LONGEST_NAME]
    except Terminated:
        raise
    except BaseException:  # noqa: BLE001, S110 - any exception may come out of a user's class
        pass
    real: str = type.__dict__["__name__"].__get__(kind)
    return real[:_LONGEST_NAME]


def message(error: BaseException) -> str:
    """An exception's text; for `sys.exit()`, a sentence that it was called."""
    if type(error) is SystemExit:
        code = "" if error.code is None else text(error.code)
        return code if isinstance(error.code, str) else f"the handler called sys.exit({code})"
    return text(error)


def text(value: object) -> str:
    """A value's text, or the reason why it has none."""
    try:
        return str.__str__(str(value))  # the value's class may return a str of a class of its own
    except Terminated:
        raise
    except BaseException as failure:  # noqa: BLE001 - any exception may come out of a user's __str__
        return f"<{type_name(type(value))} without text: str() raised {type_name(type(failure))}>"


def titled(error: BaseException) -> str:
    """An exception's type and message, as one text."""
    words = message(error)
    return f"{type_name(type(error))}: {words}" if words else type_name(type(error))


def trace(error: BaseException) -> list[str]:
    """The frames of an exception and then of its causes, outermost first, formatted as by traceback, and the notes."""
    lines: list[str] = []
    seen: set[int] = set()
    # A list instead of a recursion: a chain may be longer than the stack is deep.
    left = [("", error)]
    while left:
        headline, error = left.pop()
        if id(error) in seen:
            continue
        if len(seen) == _MOST_CAUSES:
            lines.append(f"More causes left out: the first {_MOST_CAUSES} exceptions are above\n")
            break
        seen.add(id(error))
        lines += [headline] if headline else []
        lines += formatted(user_frames(error))
        lines += _notes(error)
        cause, context = _own(error, "__cause__"), _own(error, "__context__")
        if cause is not None:
            left.append((f"Caused by {titled(cause)}\n", cause))
        elif context is not None and not _own(error, "__suppress_context__"):
            left.append((f"Raised while handling {titled(context)}\n", context))
        group = issubclass(type(error), BaseExceptionGroup)
        members = _own(error, "exceptions", BaseExceptionGroup)[: _MOST_CAUSES + 1] if group else ()
        left += [(f"Exception {n} of the group: {titled(one)}\n", one) for n, one in enumerate(members, 1)][::-1]
    return shortened(lines)


def _own(error: BaseException, attribute: str, kind: type = BaseException) -> Any:
    """An exception's attribute, whatever the user's class does with that name."""
    return kind.__dict__[attribute].__get__(error)


def _notes(error: BaseException) -> list[str]:
    """The notes of `add_note`, found as by traceback; they may be anything (PEP 678)."""
    try:
        notes = getattr(error, "__notes__", ())
        return [f"{text(note)}\n" for note in (notes if isinstance(notes, list | tuple) else (notes,))]
    except Terminated:
        raise
    except BaseException:  # noqa: BLE001 - a class of the user's may do anything with that name
        return []


def shortened(entries: list[str]) -> list[str]:
    """The entries of a stack trace; of very many the first and the last, and how many were left out."""
    if len(entries) <= MOST_FRAMES:
        return entries
    return [*entries[:_FIRST], f"  [{len(entries) - _FIRST - _LAST} entries left out]\n", *entries[-_LAST:]]


def user_frames(error: BaseException, machinery: Iterable[str] = _MACHINERY) -> list[Any]:
    """The user's frames: without ours, and without frames of the machinery before the user's first.

    Of more than MOST_FRAMES, the first and the last hundreds are there, and between them how many were left out.
    """
    trace = _from_first(_own(error, "__traceback__"), (*_OURS, *machinery))
    frames = _extracted(trace)
    return [frame for frame in frames if not frame.filename.startswith(_OURS)]


def user_traceback(error: BaseException) -> TracebackType | None:
    """The traceback of an exception from the user's first frame on; None if there is none."""
    return _from_first(_own(error, "__traceback__"), (*_OURS, *_MACHINERY))


def _from_first(trace: TracebackType | None, skipped: tuple[str, ...]) -> TracebackType | None:
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(skipped):
        trace = trace.tb_next
    return trace


def _extracted(trace: TracebackType | None) -> list[Any]:
    links = []
    link = trace
    while link is not None:
        links.append(link)
        link = link.tb_next
    if len(links) <= MOST_FRAMES:
        return _summaries(trace, len(links))
    return [*_summaries(trace, _FIRST), _Gap(len(links) - _FIRST - _LAST), *_summaries(links[-_LAST], _LAST)]


def _summaries(trace: TracebackType | None, count: int) -> list[Any]:
    """The first frames of a traceback, as many as that."""
    try:
        from traceback import extract_tb

        return list(extract_tb(trace, limit=count))
    except Terminated:
        raise
    except BaseException:  # noqa: BLE001 - the task root may shadow a module that traceback imports
        frames: list[Any] = []
        while trace is not None and len(frames) < count:
            frames.append(_Frame(trace))
            trace = trace.tb_next
        return frames


class _Frame:
    """A frame with the attributes of traceback's FrameSummary, but without a source line."""

    def __init__(self, trace: TracebackType) -> None:
        self.filename, self.name = trace.tb_frame.f_code.co_filename, trace.tb_frame.f_code.co_name
        self.lineno, self.line = trace.tb_lineno, None

    def __iter__(self) -> Iterator[Any]:
        return iter((self.filename, self.lineno, self.name, self.line))


class _Gap:
    """Takes the place of frames that are left out."""

    name, lineno, line = "", 0, None

    def __init__(self, count: int) -> None:
        self.filename = f"[{count} frames left out]"


def formatted(frames: list[Any], *, columns: bool = True) -> list[str]:
    """Frames, formatted as by the traceback module; with the columns, it underlines the failing part of each line."""
    gap = next((place for place, frame in enumerate(frames) if isinstance(frame, _Gap)), None)
    if gap is not None:
        before, after = formatted(frames[:gap], columns=columns), formatted(frames[gap + 1 :], columns=columns)
        return [*before, f"  {frames[gap].filename}\n", *after]
    plain = [(frame.filename, frame.lineno or 0, frame.name, _cut(frame.line)) for frame in frames]
    try:
        from traceback import format_list

        # From Python 3.13 on, a frame has all the lines of its statement.
        shown = [
            frame if columns and len(getattr(frame, "_lines", None) or frame.line or "") <= _LONGEST_LINE else entry
            for frame, entry in zip(frames, plain, strict=True)
        ]
        return format_list(shown)
    except Terminated:
        raise
    except BaseException:  # noqa: BLE001 - as above
        return [f'  File "{file}", line {line}, in {name}\n' for file, line, name, _ in plain]


def _cut(line: str | None) -> str | None:
    return line if line is None or len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]} [cut off]"
