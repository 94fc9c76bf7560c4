"""Turns an exception into the error report that goes to the Runtime API, and warns of problems that are no error.

Every exception gets a report, even if its `str()` fails or its text has lone surrogates. A convention whose handlers
have their own `report` builds it from the functions below.
"""

from __future__ import annotations

import os
import sys

# Not json: a task root may have its own json.py. Imported early: the failure may be that no more files can be opened.
from _json import encode_basestring, encode_basestring_ascii

from dispatch.errors import DispatchError, ExitError, Terminated
from dispatch.protocol import ERROR_TYPE, XRAY_CAUSE
from dispatch.shadowing import LIBRARY, OUR_PACKAGES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from types import TracebackType
    from typing import Any

#: Where `warn` writes instead of standard error: the runtime has a log of its own.
log_warning: Callable[[str], None] | None = None

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

#: An X-Ray cause of this size or more is left out, as in AWS's client (awslambdaric 4.2.2).
XRAY_LIMIT = 1024 * 1024

#: The longest stack trace that is reported whole, and how much of a longer one is: the default recursion limit is 1000.
MOST_FRAMES = 1000
_FIRST, _LAST = 200, 300

#: The longest name of an exception's class.
_LONGEST_NAME = 1000

#: The longest source line in a stack trace. Finding the part to underline takes traceback 10 ms in a line of 100 KB.
_LONGEST_LINE = 1000

#: The exceptions that are followed from one to the next as causes.
_MOST_CAUSES = 100

#: The keys of a report, in order.
_KEYS = ("errorMessage", "errorType", "requestId", "stackTrace")


def warn(message: str) -> None:
    """Log a message about a problem that is survived."""
    if log_warning is not None:
        log_warning(message)
        return
    line = f"dispatch: {message}\n"
    try:
        sys.stderr.write(line)
    except Exception:  # noqa: BLE001 - user code may have closed or replaced it
        os.write(2, line.encode("utf-8", "backslashreplace"))


class ErrorReport(dict[str, "Any"]):
    """An error as it is reported: a dictionary with `errorMessage`, `errorType`, `requestId` and `stackTrace`.

    Attributes:
        headers: the headers that go with it to `/error`, besides the content type.
        always_headed: whether the log has the line above the stack trace even if there are no frames.
    """

    __slots__ = ("always_headed", "headers")

    def __init__(
        self, fields: Mapping[str, Any], headers: Mapping[str, str | None], always_headed: bool = False
    ) -> None:
        """Create the report; a header whose value is None is left out."""
        super().__init__(fields)
        self.headers = {name: value for name, value in headers.items() if value is not None}
        self.always_headed = always_headed


def report(error: BaseException, request_id: str = "") -> ErrorReport:
    """The report of an exception: its message, its type, the user's own stack frames, and its causes."""
    return completed({}, error, request_id)


def completed(fields: Mapping[str, Any], error: BaseException, request_id: str) -> ErrorReport:
    """The report with these fields, and the usual values for those that are missing."""
    fields = _with_usual(fields, error, request_id)
    cause = xray_cause(fields["errorMessage"], fields["errorType"], user_frames(error))
    return ErrorReport(fields, {ERROR_TYPE: in_header(fields["errorType"]), XRAY_CAUSE: cause})


def _with_usual(fields: Mapping[str, Any], error: BaseException, request_id: str) -> dict[str, Any]:
    """The fields with their proper types, the usual values where they are missing, and any others as they are."""
    words, trace = fields.get("errorMessage"), fields.get("stackTrace")
    if trace is None:
        trace = _trace(error)
    usual = {
        "errorMessage": message(error) if words is None else text(words),
        "errorType": text(fields.get("errorType") or error_type(error)),
        "requestId": text(fields.get("requestId") or request_id),
        "stackTrace": [trace] if isinstance(trace, str) else _shortened([*map(text, trace)]),
    }
    return {**usual, **{key: value for key, value in fields.items() if key not in usual}}


def worded(report_of: Any, error: BaseException, request_id: str = "") -> ErrorReport:
    """The report that a handler's own `report` returns for an error; the usual report if that fails.

    Args:
        report_of: takes the error and the request id; returns an ErrorReport, or a dictionary with any of its keys.
        error: the exception.
        request_id: the invocation's, or an empty string.
    """
    try:
        made = report_of(error, request_id)
        if not isinstance(made, ErrorReport):
            return completed(dict(made), error, request_id)
        made.update(_with_usual(made, error, request_id))
    except Terminated:
        raise
    except BaseException:  # noqa: BLE001 - the original error matters, not one in reporting it
        return report(error, request_id)
    return made


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


def to_json(report: Mapping[str, Any], limit: int | None = None, at_most: int | None = None) -> bytes:
    """A report as JSON.

    Args:
        report: the report.
        limit: with a limit in bytes the report is ASCII, and outer frames, then the message, are cut to fit.
        at_most: the same limit for a report that exceeds it; any other stays as it is.
    """
    if limit is not None:
        return _joined(report, encode_basestring_ascii, limit).encode()
    try:
        encoded = _joined(report, encode_basestring).encode()
    except UnicodeEncodeError:  # a lone surrogate: JSON can express it, UTF-8 cannot
        encoded = _joined(report, encode_basestring_ascii).encode()
    return to_json(report, at_most) if at_most is not None and len(encoded) > at_most else encoded


def _joined(report: Mapping[str, Any], quoted: Callable[[str], str], limit: int | None = None) -> str:
    head = ", ".join(f'"{key}": {quoted(report[key])}' for key in _KEYS[:3])
    more = "".join(f", {quoted(str(key))}: {_value(report[key], quoted)}" for key in report if key not in _KEYS)
    trace = [quoted(entry) for entry in report["stackTrace"]]
    if limit is not None:
        if len(head) + len(more) > limit:
            more = ""
        size = len(head) + len(more) + sum(map(len, trace)) + 2 * len(trace) + 20
        while trace and size > limit:
            size -= len(trace.pop(0)) + 2
        if len(head) > limit:
            # A character takes up to twelve bytes in ASCII.
            shortened = {**report, "errorMessage": report["errorMessage"][: limit // 12], "stackTrace": []}
            return _joined({key: shortened[key] for key in _KEYS}, quoted)
    return f'{{{head}, "stackTrace": [{", ".join(trace)}]{more}}}'


def _value(value: Any, quoted: Callable[[str], str]) -> str:
    """An additional field of a convention, as JSON."""
    try:
        from json import dumps

        return dumps(value, default=text)
    except Exception:  # noqa: BLE001 - JSON cannot express the value, or the task root has its own json.py
        return quoted(text(value))


def xray_cause(message: str, kind: str, frames: list[Any]) -> str | None:
    """The data that X-Ray shows about an exception, as one line of JSON; None if it is too large to send."""
    quoted = encode_basestring_ascii
    stack = ", ".join(
        f'{{"label": {quoted(frame.name)}, "path": {quoted(frame.filename)}, "line": {frame.lineno or 0}}}'
        for frame in frames
    )
    paths = ", ".join(quoted(path) for path in dict.fromkeys(frame.filename for frame in frames))
    exception = f'{{"message": {quoted(message)}, "type": {quoted(kind)}, "stack": [{stack}]}}'
    cause = f'{{"working_directory": {quoted(_folder())}, "exceptions": [{exception}], "paths": [{paths}]}}'
    return cause if len(cause) < XRAY_LIMIT else None


#: The characters of a text in a header; common servers accept 4 to 8 KB for all headers together.
_IN_HEADER = 1024


def in_header(text: str) -> str:
    """Text as one line of ASCII, cut where it is too long for a header."""
    line = text[:_IN_HEADER].encode("ascii", "backslashreplace").decode()[:_IN_HEADER]
    return line if line.isprintable() else "".join(one if one.isprintable() else " " for one in line)


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # the handler has removed its current folder
        return ""


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


def _trace(error: BaseException) -> list[str]:
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
    return _shortened(lines)


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


def _shortened(entries: list[str]) -> list[str]:
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
