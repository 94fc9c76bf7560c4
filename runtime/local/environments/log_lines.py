"""What the platform writes into a function's log, in Lambda's words: START, END, REPORT and what failed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple, TypeAlias

from dispatch.protocol import LATEST
from runtime.local.function_error import EXIT_ERROR, OUT_OF_MEMORY, TIMED_OUT, FunctionError
from runtime.local.invocation import InvocationReport


class LogLine(NamedTuple):
    """One line of a function's log.

    Attributes:
        function: the function's name.
        environment: the environment's id, which is the name of its log stream.
        request_id: empty outside of an invocation.
        time: seconds since the epoch.
        text: the line, without its end.
        platform: whether the platform wrote it, not the function.
    """

    function: str
    environment: str
    request_id: str
    time: float
    text: str
    platform: bool


WriteLog: TypeAlias = Callable[[LogLine], None]


def discard_log(_line: LogLine) -> None:
    """Write the log nowhere."""


def timestamp() -> str:
    """Return the time as Lambda writes it: 2024-05-04T03:02:01.000Z."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def start_line(request_id: str) -> str:
    """Return the first line of an invocation."""
    return f"START RequestId: {request_id} Version: {LATEST}"


def end_line(request_id: str) -> str:
    """Return the line after the function's last one."""
    return f"END RequestId: {request_id}"


def report_line(report: InvocationReport) -> str:
    """Return the last line of an invocation; a field that is not known is left out."""
    fields = [
        f"REPORT RequestId: {report.request_id}",
        f"Duration: {report.duration:.2f} ms",
        f"Billed Duration: {report.billed} ms",
        f"Memory Size: {report.memory_size} MB",
        f"Max Memory Used: {report.memory_used} MB" if report.memory_used else "",
        f"Init Duration: {report.init:.2f} ms" if report.init is not None else "",
        f"Status: {report.status}" if report.error else "",
        f"Error Type: {report.error.type}" if report.error and report.status == "error" else "",
    ]
    return "\t".join(field for field in fields if field)


def init_report_line(duration: float, error: FunctionError | None) -> str:
    """Return the line about a function that did not load; without an error it did not load in time."""
    outcome = f"Status: error\tError Type: {error.type}" if error else "Status: timeout"
    return f"INIT_REPORT Init Duration: {duration:.2f} ms\tPhase: init\t{outcome}"


def timed_out(request_id: str, seconds: float) -> FunctionError:
    """Return the error of an event that took too long."""
    return FunctionError.of(TIMED_OUT, f"RequestId: {request_id} Error: Task timed out after {seconds:.2f} seconds")


def exited(request_id: str, reason: str) -> FunctionError:
    """Return the error of an event whose runtime ended before it had answered."""
    return FunctionError.of(EXIT_ERROR, f"RequestId: {request_id} Error: {reason}")


def out_of_memory(request_id: str) -> FunctionError:
    """Return the error of an event whose function used more memory than it has."""
    message = f"RequestId: {request_id} Error: Runtime exited with error: signal: killed"
    return FunctionError.of(OUT_OF_MEMORY, message)
