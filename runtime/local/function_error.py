"""Why an invocation failed, and the error types that Lambda's platform itself uses."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any, Final

from dispatch import protocol
from runtime.local.values import one_line, parse_json

#: Characters of an error type that are kept; Lambda's own limit is not documented.
TYPE_LIMIT: Final = 256

TIMED_OUT: Final = "Sandbox.Timedout"
OUT_OF_MEMORY: Final = "Runtime.OutOfMemory"
EXIT_ERROR: Final = "Runtime.ExitError"
TOO_LARGE: Final = "Function.ResponseSizeTooLarge"
#: The type of a report that names none, and the Invoke API's one value for a function error.
UNHANDLED: Final = "Unhandled"


@dataclass(frozen=True, slots=True)
class FunctionError:
    """Why an invocation failed: the error type, and the report's bytes as the caller gets them.

    Attributes:
        type: the error type, such as `Runtime.MarshalError` or the name of an exception's class.
        body: the report's bytes.
    """

    type: str
    body: bytes

    @classmethod
    def of(cls, error_type: str, message: str) -> FunctionError:
        """Make an error that the platform itself reports."""
        return cls(error_type, json.dumps({"errorType": error_type, "errorMessage": message}).encode())

    @classmethod
    def too_large(cls, what: str, limit: int) -> FunctionError:
        """Make the error for an answer or a report of more than `limit` bytes."""
        return cls.of(TOO_LARGE, f"{what} {protocol.EXCEEDED.format(limit)}")

    @classmethod
    def from_report(cls, body: bytes, header: str = "") -> FunctionError:
        """Read an error report that a runtime posted; its bytes are passed on as they came, whatever they are."""
        report = _as_object(body)
        return cls(_as_type(report.get("errorType") or header), body)

    @classmethod
    def from_trailers(cls, error_type: str, encoded: str) -> FunctionError:
        """Read an error from the trailers of a streamed answer, where the report is base64."""
        try:
            body = base64.b64decode(encoded, validate=True)
        except ValueError:
            body = encoded.encode()
        return cls(_as_type(error_type), body)

    @property
    def report(self) -> dict[str, Any]:
        """The report as an object; empty if the runtime sent something else."""
        return _as_object(self.body)

    @property
    def message(self) -> str:
        """The error message, or the whole report if it has none."""
        report = self.report
        return str(report["errorMessage"] or "") if "errorMessage" in report else self.body.decode(errors="replace")

    @property
    def trace(self) -> str:
        """The stack trace as text: the function's own frames, outermost first, and its causes; or an empty string."""
        entries = self.report.get("stackTrace")
        return "".join(f"{entry}".rstrip("\n") + "\n" for entry in entries) if isinstance(entries, list) else ""

    def __repr__(self) -> str:
        return f"<{self.type}: {self.message}>" if self.message else f"<{self.type}>"


def _as_object(body: bytes) -> dict[str, Any]:
    try:
        value = parse_json(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _as_type(value: Any) -> str:
    """Return an error type as a line of the log can have it, whatever the runtime sent as one."""
    return one_line(str(value or ""))[:TYPE_LIMIT] or UNHANDLED
