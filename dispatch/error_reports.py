"""Makes of an exception the report that the Runtime API is sent.

Whatever the exception does (its ``str()`` fails, its text has lone surrogates), there is a report.
"""

from __future__ import annotations

import os

# Not json: a task root may have a json.py of its own. And not when it is needed: a failure may be of the kind that lets
# no file be opened any more.
from _json import encode_basestring, encode_basestring_ascii

from dispatch.errors import DispatchError, ExitError
from dispatch.shadowing import LIBRARY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType
    from typing import Any

    from dispatch.types import ErrorReport

_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_OURS = tuple(os.path.join(_HERE, package, "") for package in ("dispatch", "conventions", "runtime"))

#: Frames between ours and the user's: of the event loop that runs a coroutine, and of the import system, which AWS's
#: runtime shows.
_MANAGED_MACHINERY = (os.path.join(LIBRARY, "asyncio", ""),)
_MACHINERY = (*_MANAGED_MACHINERY, os.path.join(LIBRARY, "importlib", "__init__.py"), "<frozen ")

#: AWS's client leaves the X-Ray cause out from this size on (awslambdaric 4.2.2).
XRAY_LIMIT = 1024 * 1024


def report(error: BaseException, request_id: str = "", managed: bool = False) -> ErrorReport:
    """The report of an exception: its message, its type, the user's own stack frames, the causes that led to it.

    With ``managed`` the report is worded as AWS's managed Python runtime words it, which keeps no causes.
    """
    return {
        "errorMessage": _message(error, managed),
        "errorType": error_type(error),
        "requestId": request_id,
        "stackTrace": _managed_trace(error) if managed else _trace(error),
    }


def error_type(error: BaseException) -> str:
    """The type that the Runtime API is told: one of ours, or the class's name for what user code raises."""
    if isinstance(error, SystemExit):
        return ExitError.error_type
    return error.error_type if isinstance(error, DispatchError) else type(error).__name__


def to_json(report: ErrorReport, limit: int | None = None) -> bytes:
    """A report as JSON. With a limit in bytes it is ASCII; outer frames, then the message, are cut until it fits."""
    if limit is None:
        try:
            return _joined(report, encode_basestring).encode()
        except UnicodeEncodeError:  # a lone surrogate, which JSON can express and UTF-8 cannot
            pass
    return _joined(report, encode_basestring_ascii, limit).encode()


def _joined(report: ErrorReport, quoted: Callable[[str], str], limit: int | None = None) -> str:
    head = ", ".join(f'"{key}": {quoted(report[key])}' for key in ("errorMessage", "errorType", "requestId"))
    trace = [quoted(entry) for entry in report["stackTrace"]]
    if limit is not None:
        while trace and len(head) + sum(map(len, trace)) + 2 * len(trace) + 20 > limit:
            del trace[0]
        if len(head) > limit:
            # A character takes up to twelve bytes in ASCII.
            return _joined({**report, "errorMessage": report["errorMessage"][: limit // 12], "stackTrace": []}, quoted)
    return f'{{{head}, "stackTrace": [{", ".join(trace)}]}}'


def xray_cause(error: BaseException, managed: bool = False) -> str | None:
    """What X-Ray shows of an exception, as one line of JSON; None where it would be too large to send."""
    quoted = encode_basestring_ascii
    known = managed and isinstance(error, DispatchError)
    frames = [] if known else _frames(error, managed)
    stack = ", ".join(
        f'{{"label": {quoted(frame.name)}, "path": {quoted(frame.filename)}, "line": {frame.lineno or 0}}}'
        for frame in frames
    )
    paths = ", ".join(quoted(path) for path in dict.fromkeys(frame.filename for frame in frames))
    kind = "LambdaValidationError" if known else error_type(error)
    exception = f'{{"message": {quoted(_message(error, managed))}, "type": {quoted(kind)}, "stack": [{stack}]}}'
    cause = f'{{"working_directory": {quoted(_folder())}, "exceptions": [{exception}], "paths": [{paths}]}}'
    return cause if len(cause) < XRAY_LIMIT else None


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:  # the handler has removed the folder that it changed into
        return ""


def _message(error: BaseException, managed: bool) -> str:
    if managed and isinstance(error, DispatchError) and error.managed is not None:
        return error.managed
    if type(error) is SystemExit:
        code = "" if error.code is None else text(error.code)
        return code if isinstance(error.code, str) else f"the handler called sys.exit({code})"
    return text(error)


def text(value: object) -> str:
    """A value's text, or a word on why it has none."""
    try:
        return str(value)
    except BaseException as failure:  # noqa: BLE001 - any exception may come out of a user's __str__
        return f"<{type(value).__name__}, whose text cannot be had: str() raised {type(failure).__name__}>"


def _trace(error: BaseException) -> list[str]:
    """The frames of an exception, then those of its causes, outermost first, each as traceback formats it."""
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
        lines += _formatted(_frames(error, managed=False))
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
    return f"{how} {type(error).__name__}: {_message(error, False)}\n"


def _managed_trace(error: BaseException) -> list[str]:
    if not isinstance(error, DispatchError):
        # Without the columns, which would have the failing part of each line underlined.
        frames = _frames(error, managed=True)
        return _formatted([(frame.filename, frame.lineno or 0, frame.name, frame.line) for frame in frames])
    cause = error.__cause__
    if isinstance(cause, SyntaxError):
        return [f'  File "{cause.filename}" Line {cause.lineno}\n    {cause.text}']
    return []


def _frames(error: BaseException, managed: bool) -> list[Any]:
    """The user's frames: ours are cut, and so is the machinery between ours and the user's first."""
    skipped = _OURS + (_MANAGED_MACHINERY if managed else _MACHINERY)
    frames = _extracted(error.__traceback__)
    while frames and frames[0].filename.startswith(skipped):
        del frames[0]
    return [frame for frame in frames if not frame.filename.startswith(_OURS)]


def _extracted(trace: TracebackType | None) -> list[Any]:
    try:
        from traceback import extract_tb

        return list(extract_tb(trace))
    except Exception:  # noqa: BLE001 - a task root may have modules named like those that traceback imports
        frames = []
        while trace is not None:
            frames.append(_Frame(trace))
            trace = trace.tb_next
        return frames


class _Frame:
    """A frame with the attributes of traceback's FrameSummary, but no source line."""

    def __init__(self, trace: TracebackType) -> None:
        self.filename, self.name = trace.tb_frame.f_code.co_filename, trace.tb_frame.f_code.co_name
        self.lineno, self.line = trace.tb_lineno, None

    def __iter__(self) -> Iterator[Any]:
        return iter((self.filename, self.lineno, self.name, self.line))


def _formatted(frames: list[Any]) -> list[str]:
    try:
        from traceback import format_list

        return format_list(frames)
    except Exception:  # noqa: BLE001 - as above
        return [f'  File "{file}", line {line}, in {name}\n' for file, line, name, _ in frames]
