"""Writes the log: the runtime's own messages, and the records that user code logs with Python's logging.

Formats, levels and frames are those of AWS's managed Python runtime, in every convention. `logging` is not imported
here: its root logger is set up when user code imports it, and a function that does not log pays nothing.
"""

from __future__ import annotations

import os
import time
from _thread import RLock

from dispatch import exceptions
from dispatch.invocation import handled
from dispatch.protocol import TENANT_ID
from runtime.standard_streams import is_open, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from collections.abc import Callable
    from typing import Any

    from dispatch.error_reports import ErrorReport
    from dispatch.invocation import Invocation

_ERROR = 40
_WARNING = 30

#: The attributes that every log record has; all others were passed as `extra`.
_OF_EVERY_RECORD = frozenset(
    {
        *("name", "msg", "args", "levelname", "levelno", "pathname", "filename", "module", "lineno", "funcName"),
        *("exc_info", "exc_text", "stack_info", "created", "msecs", "relativeCreated", "thread", "threadName"),
        *("processName", "process", "aws_request_id", "tenant_id"),
    }
)


class Log:
    """The log of one execution environment.

    Attributes:
        latest: the invocation that is being handled, for threads that were started without its context.
    """

    def __init__(
        self, as_json: bool = False, level: str = "", descriptor: int | None = None, *, line_end: str = "\r"
    ) -> None:
        """Set up the log.

        Args:
            as_json: whether a record is a JSON object (`AWS_LAMBDA_LOG_FORMAT`).
            level: the root logger's level, or an empty string; a name that logging does not know is ignored.
            descriptor: the platform's telemetry descriptor, which takes frames. If it is None or not open, the log
                goes to standard error: a connection would soon get the number of a descriptor that is not open.
            line_end: what ends the lines of one record on standard error. On Lambda, a newline would end the record.
        """
        self.latest: Invocation | None = None
        self._line_end = line_end
        self._as_json = as_json
        self._level = "DEBUG" if level == "TRACE" else level
        self._descriptor = descriptor if descriptor is not None and is_open(descriptor) else None
        # Records of several threads must not mix. An RLock, because a signal handler may interrupt a write.
        self._lock = RLock()
        os.register_at_fork(after_in_child=self._unlock)

    def warning(self, message: str) -> None:
        """Write a message about a problem that the runtime survives."""
        if self._as_json:
            self.write(_json({"timestamp": _now(), "level": "WARN", "message": message}), _WARNING, as_json=True)
        else:
            self.write(f"dispatch: {message}\n", _WARNING)

    def error(self, report: ErrorReport) -> None:
        """Write an error report as one record."""
        if self._as_json:
            record = _json({"timestamp": _now(), "level": "ERROR", **report})
            self.write(record if self._descriptor is None else record.rstrip("\n"), _ERROR, as_json=True)
            return
        message = report["errorMessage"]
        lines = [f"[ERROR] {report['errorType']}: {message}" if message else f"[ERROR] {report['errorType']}"]
        if report.always_headed or any(entry.startswith("  File ") for entry in report["stackTrace"][:1]):
            lines.append("Traceback (most recent call last):")
        for entry in report["stackTrace"]:
            lines += [_indented(line) for line in entry.splitlines()] or [""]
        self.write(self._line_end.join(lines) + "\n" if self._descriptor is None else "\n".join(lines), _ERROR)

    def write(self, text: str, level: int | None = None, *, as_json: bool = False) -> None:
        """Write a record at once and in one piece.

        Args:
            text: the record.
            level: one of logging's levels, 0 to 50; None for a record without a level.
            as_json: whether it is a JSON object.
        """
        data = text.encode("utf-8", "backslashreplace")
        if self._descriptor is not None:
            kind = 2 if as_json else 3
            data = _frame(data, kind + (4 * (level // 10 + 1) if level else 0))
        with self._lock:
            write_all(2 if self._descriptor is None else self._descriptor, data)

    def _unlock(self) -> None:
        """Replace the lock in a forked child, whose only thread does not hold it."""
        self._lock = RLock()

    def set_up(self, logging: Any) -> None:
        """Make the root logger of `logging`, the module, write to this log."""
        if not hasattr(logging, "getLogger"):  # the task root has its own logging.py
            return
        logging.Formatter.converter = time.gmtime
        root = logging.getLogger()
        if self._level in logging._nameToLevel:  # noqa: SLF001 - the managed runtime's own test of a level's name
            root.setLevel(self._level)
        handler = _handler_class(logging)(self, framed=self._as_json or bool(self._level))
        handler.setFormatter(_formatter(logging, self._as_json))
        handler.addFilter(self._identify)
        root.addHandler(handler)

    def _identify(self, record: logging.LogRecord) -> bool:
        invocation = handled.get() or self.latest
        record.aws_request_id = invocation.request_id if invocation else ""
        record.tenant_id = (invocation.headers.get(TENANT_ID) or None) if invocation else None
        return True


def _handler_class(logging: Any) -> Any:
    """The class of the root logger's handler, created once logging has been imported."""

    class LambdaLoggerHandler(logging.Handler):  # type: ignore[misc]
        """Writes records to the execution environment's log, whatever user code does with the standard streams."""

        def __init__(self, log_sink: Log, framed: bool) -> None:
            super().__init__()
            self.log_sink = log_sink
            self._framed = framed

        def emit(self, record: Any) -> None:
            try:
                text = self.format(record)
            except Exception:  # noqa: BLE001 - the code of an argument's class may raise anything
                self.handleError(record)
                return
            level = min(50, max(0, record.levelno)) // 10 * 10 if self._framed else None
            # The user may have set another formatter, which may write anything.
            self.log_sink.write(text, level, as_json=getattr(self.formatter, "writes_json", False))

    return LambdaLoggerHandler


def _formatter(logging: Any, as_json: bool) -> Any:
    if not as_json:

        class TextFormatter(logging.Formatter):  # type: ignore[misc]
            """The managed runtime's line, with a line end after a traceback as well."""

            def format(self, record: Any) -> str:
                text: str = super().format(record)
                return text if text.endswith("\n") else text + "\n"

        layout = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n"
        return TextFormatter(layout, "%Y-%m-%dT%H:%M:%S")

    class JsonFormatter(logging.Formatter):  # type: ignore[misc]
        """One JSON object per record."""

        writes_json = True

        def format(self, record: Any) -> str:
            return _json(_fields(record, self.formatTime(record, "%Y-%m-%dT%H:%M:%SZ"), logging))

    return JsonFormatter()


def _fields(record: Any, timestamp: str, logging: Any) -> dict[str, Any]:
    """The fields of a JSON record, in the managed runtime's order; fields without a value are left out."""
    import traceback

    kind, value, trace = record.exc_info or (None, None, None)
    fields = {
        "timestamp": timestamp,
        "level": logging.getLevelName(min(50, max(0, record.levelno)) // 10 * 10),
        "message": record.msg if isinstance(record.msg, dict) and not record.args else record.getMessage(),
        "logger": record.name,
        "stackTrace": traceback.format_tb(trace) if kind else None,
        "errorType": kind.__name__ if kind else None,
        "errorMessage": exceptions.text(value) if kind else None,
        "requestId": getattr(record, "aws_request_id", None),
        "location": f"{record.pathname}:{record.funcName}:{record.lineno}" if kind else None,
    }
    if getattr(record, "tenant_id", None) is not None:
        fields["tenantId"] = record.tenant_id
    extra = {key: value for key, value in vars(record).items() if key not in _OF_EVERY_RECORD and key not in fields}
    return {key: value for key, value in {**fields, **extra}.items() if value is not None}


def _json(fields: dict[str, Any]) -> str:
    import json

    def encoded(value: Any) -> str:
        return json.dumps(value, ensure_ascii=False, default=exceptions.text, skipkeys=True)

    try:
        return encoded(fields) + "\n"
    except Exception:  # noqa: BLE001 - a value contains itself, or its class raises: only that one becomes text
        return (
            encoded({key: value if _can(encoded, value) else exceptions.text(value) for key, value in fields.items()})
            + "\n"
        )


def _can(encode: Callable[[Any], str], value: Any) -> bool:
    try:
        encode(value)
    except Exception:  # noqa: BLE001 - the code of a value's class may raise anything
        return False
    return True


def _indented(line: str) -> str:
    """The line with no-break spaces at its start, which log viewers do not strip."""
    text = line.lstrip(" ")
    return "\u00a0" * (len(line) - len(text)) + text


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _frame(data: bytes, kind: int) -> bytes:
    """A frame for the telemetry descriptor: type, length, microseconds since 1970, all big-endian, then the record."""
    head = (0xA55A0000 + kind).to_bytes(4, "big") + len(data).to_bytes(4, "big")
    return head + (time.time_ns() // 1000).to_bytes(8, "big") + data
