"""Turns an exception into the error report that goes to the Runtime API.

Every exception gets a report, even if its `str()` fails or its text has lone surrogates. A convention whose handlers
have their own `report` builds it from the functions below.
"""

from __future__ import annotations

import os

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

#: The keys of a report, in order.
_KEYS = ("errorMessage", "errorType", "requestId", "stackTrace")


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
        "errorMessage": message(error) if words is None else str(words),
        "errorType": str(fields.get("errorType") or error_type(error)),
        "requestId": str(fields.get("requestId") or request_id),
        "stackTrace": [trace] if isinstance(trace, str) else [*map(str, trace)],
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
    if isinstance(error, SystemExit):
        return ExitError.error_type
    return error.error_type if isinstance(error, DispatchError) else type(error).__name__


def to_json(report: Mapping[str, Any], limit: int | None = None) -> bytes:
    """A report as JSON. With a limit in bytes it is ASCII, and outer frames, then the message, are cut to fit."""
    if limit is None:
        try:
            return _joined(report, encode_basestring).encode()
        except UnicodeEncodeError:  # a lone surrogate: JSON can express it, UTF-8 cannot
            pass
    return _joined(report, encode_basestring_ascii, limit).encode()


def _joined(report: Mapping[str, Any], quoted: Callable[[str], str], limit: int | None = None) -> str:
    head = ", ".join(f'"{key}": {quoted(report[key])}' for key in _KEYS[:3])
    more = "".join(f", {quoted(str(key))}: {_value(report[key], quoted)}" for key in report if key not in _KEYS)
    trace = [quoted(entry) for entry in report["stackTrace"]]
    if limit is not None:
        if len(head) + len(more) > limit:
            more = ""
        while trace and len(head) + len(more) + sum(map(len, trace)) + 2 * len(trace) + 20 > limit:
            del trace[0]
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
    line = text.encode("ascii", "backslashreplace").decode().replace("\r", " ").replace("\n", " ")
    return line[:_IN_HEADER]


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
        return str(value)
    except BaseException as failure:  # noqa: BLE001 - any exception may come out of a user's __str__
        return f"<{type(value).__name__} without text: str() raised {type(failure).__name__}>"


def _trace(error: BaseException) -> list[str]:
    """The frames of an exception and then of its causes, outermost first, formatted as by traceback."""
    lines: list[str] = []
    seen: set[int] = set()
    # A list instead of a recursion: a chain may be longer than the stack is deep.
    left = [("", error)]
    while left:
        headline, error = left.pop()
        if id(error) in seen:
            continue
        seen.add(id(error))
        lines += [headline] if headline else []
        lines += formatted(user_frames(error))
        if error.__cause__ is not None:
            left.append((_headline("Caused by", error.__cause__), error.__cause__))
        elif error.__context__ is not None and not error.__suppress_context__:
            left.append((_headline("Raised while handling", error.__context__), error.__context__))
        members = enumerate(error.exceptions if isinstance(error, BaseExceptionGroup) else (), 1)
        left += reversed(
            [(_headline(f"Exception {number} of the group:", member), member) for number, member in members]
        )
    return lines


def _headline(how: str, error: BaseException) -> str:
    return f"{how} {type(error).__name__}: {message(error)}\n"


def user_frames(error: BaseException, machinery: Iterable[str] = _MACHINERY) -> list[Any]:
    """The user's frames: without ours, and without frames of the machinery before the user's first."""
    skipped = (*_OURS, *machinery)
    frames = _extracted(error.__traceback__)
    while frames and frames[0].filename.startswith(skipped):
        del frames[0]
    return [frame for frame in frames if not frame.filename.startswith(_OURS)]


def user_traceback(error: BaseException) -> TracebackType | None:
    """The traceback of an exception from the user's first frame on; None if there is none."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith((*_OURS, *_MACHINERY)):
        trace = trace.tb_next
    return trace


def _extracted(trace: TracebackType | None) -> list[Any]:
    try:
        from traceback import extract_tb

        return list(extract_tb(trace))
    except Exception:  # noqa: BLE001 - the task root may shadow a module that traceback imports
        frames = []
        while trace is not None:
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


def formatted(frames: list[Any]) -> list[str]:
    """Frames, formatted as by the traceback module."""
    try:
        from traceback import format_list

        return format_list(frames)
    except Exception:  # noqa: BLE001 - as above
        return [f'  File "{file}", line {line}, in {name}\n' for file, line, name, _ in frames]
