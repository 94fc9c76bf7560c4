"""Turns an exception into the error report that goes to the Runtime API, and warns of problems that are no error.

Every exception gets a report. A convention whose handlers have their own `report` builds it from the functions below
and those of `exceptions`.
"""

from __future__ import annotations

import os
import sys

# Not json: a task root may have its own json.py. Imported early: the failure may be that no more files can be opened.
from _json import encode_basestring, encode_basestring_ascii

from dispatch.errors import Terminated
from dispatch.exceptions import error_type, message, shortened, text, trace, user_frames
from dispatch.protocol import ERROR_TYPE, XRAY_CAUSE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

#: Where `warn` writes instead of standard error: the runtime has a log of its own.
log_warning: Callable[[str], None] | None = None

#: An X-Ray cause of this size or more is left out, as in AWS's client (awslambdaric 4.2.2).
XRAY_LIMIT = 1024 * 1024

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
    words, frames = fields.get("errorMessage"), fields.get("stackTrace")
    if frames is None:
        frames = trace(error)
    usual = {
        "errorMessage": message(error) if words is None else text(words),
        "errorType": text(fields.get("errorType") or error_type(error)),
        "requestId": text(fields.get("requestId") or request_id),
        "stackTrace": [frames] if isinstance(frames, str) else shortened([*map(text, frames)]),
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
