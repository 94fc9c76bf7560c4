"""What the platform writes into a function's log, in Lambda's words: START, END, REPORT and what went wrong."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

from runtime.local.invocation import FunctionError


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of a function's log; `request_id` is empty outside of invocations, `time` seconds since the epoch."""

    function: str
    environment: str
    request_id: str
    time: float
    text: str
    platform: bool


@dataclass(frozen=True, slots=True)
class Report:
    """How one invocation went. Durations are in milliseconds, memory in MB; `init` is None in a warm environment."""

    request_id: str
    environment: str
    started: float
    duration: float
    memory_size: int
    memory_used: int
    log: str = ""
    init: float | None = None
    error: FunctionError | None = None

    @property
    def billed(self) -> int:
        """Milliseconds as Lambda bills them: rounded up, loading included."""
        return math.ceil(self.duration + (self.init or 0))

    @property
    def status(self) -> str:
        """`success`, `timeout` or `error`."""
        if self.error is None:
            return "success"
        return "timeout" if self.error.type == "Sandbox.Timedout" else "error"


def log_stream() -> str:
    """A new log stream's name, which is also what an environment is called by."""
    return f"{datetime.now(UTC):%Y/%m/%d}/[$LATEST]{secrets.token_hex(16)}"


def start_line(request_id: str) -> str:
    """The first line of an invocation."""
    return f"START RequestId: {request_id} Version: $LATEST"


def end_line(request_id: str) -> str:
    """The line after the function's last one."""
    return f"END RequestId: {request_id}"


def report_line(report: Report) -> str:
    """The closing line; what is not known or did not happen is left out."""
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
    """The line about a function that did not load; without an error it did not load in time."""
    outcome = f"Status: error\tError Type: {error.type}" if error else "Status: timeout"
    return f"INIT_REPORT Init Duration: {duration:.2f} ms\tPhase: init\t{outcome}"


def timed_out(request_id: str, seconds: float) -> FunctionError:
    """What a caller gets whose event took too long."""
    message = f"RequestId: {request_id} Error: Task timed out after {seconds:.2f} seconds"
    return FunctionError.make("Sandbox.Timedout", message)


def exited(request_id: str, how: str) -> FunctionError:
    """What a caller gets whose runtime ended in the middle of its event."""
    return FunctionError.make("Runtime.ExitError", f"RequestId: {request_id} Error: {how}")


def out_of_memory(request_id: str) -> FunctionError:
    """What a caller gets whose function took more memory than it has."""
    return FunctionError.make(
        "Runtime.OutOfMemory", f"RequestId: {request_id} Error: Runtime exited with error: signal: killed"
    )
