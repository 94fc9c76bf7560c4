"""Sends the events of `dispatch run` through the real runtime and the local platform, and prints what comes back."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from dispatch.discovery import AUTO
from runtime.cli import terminal
from runtime.local.answer import Answer
from runtime.local.environments.launch import EarlyStart
from runtime.local.environments.log_lines import LogLine
from runtime.local.environments.platform import Platform
from runtime.local.function import FunctionConfig
from runtime.local.function_error import OUT_OF_MEMORY, TIMED_OUT, FunctionError
from runtime.local.gates import passed
from runtime.local.invocation import Event, InvocationReport
from runtime.local.web.prelude import BadPrelude, PreludeSplitter

#: How the lines begin that Lambda writes around every invocation.
RECORDS = ("START ", "END ", "REPORT ", "INIT_REPORT ")


async def run(
    function: FunctionConfig, early: EarlyStart | None, body: bytes, repeat: int, *, verbose: bool, as_json: bool
) -> bool:
    """Invoke the function and print its answers; return whether one of them failed.

    Args:
        function: what to invoke.
        early: its process, if that has been started already.
        body: the event.
        repeat: how many times the event is sent.
        verbose: whether to print the lines that Lambda writes around every invocation, too.
        as_json: whether to print one JSON object for each invocation, instead of the answer and the log.
    """
    log: list[str] = []
    reports: list[InvocationReport] = []

    def write_log(line: LogLine) -> None:
        if line.platform and not verbose and line.text.startswith(RECORDS):
            return
        log.append(line.text)
        if not as_json:
            print_line(line)

    async with Platform([function], write_log) as platform:
        if early is not None:
            platform.adopt(early)
        for _ in range(repeat):
            log.clear()
            invocation = await platform.invoke(function.name, Event(body, request_id=""))
            show = None if as_json else Printer(repeat > 1)
            answer = await show_answer(invocation.answer, show)
            report = await invocation.report
            reports.append(report)
            if as_json:
                click.echo(json.dumps(as_object(invocation.answer, answer, report, log)))
            elif report.error is not None:
                print_error(report.error, "\n".join(log), function)
    # No invocation takes 0 ms: the function could not be started.
    invoked = [report for report in reports if report.duration]
    if invoked and sys.stderr.isatty() and not as_json and not verbose:
        click.echo(terminal.dim(in_a_line(invoked)), err=True)
    return any(report.error is not None for report in reports)


def in_a_line(reports: list[InvocationReport]) -> str:
    """What the invocations took: their durations, the start, and the most memory."""
    times, first = [report.duration for report in reports], reports[0]
    most = max(report.memory_used for report in reports)
    took = f"{times[0]:.2f} ms" if len(times) == 1 else f"median {_median(times):.2f} ms of {len(times)}"
    start = f"start {first.init:.0f} ms" if first.init is not None else ""
    return ", ".join(part for part in (f"duration {took}", start, f"memory {most} MB" if most else "") if part)


def _median(times: list[float]) -> float:
    import statistics

    return statistics.median(times)


class Printer:
    """Writes an answer to standard output while it arrives."""

    def __init__(self, end_line: bool) -> None:
        self._end_line = end_line
        self._last = b""

    def write(self, chunk: bytes) -> None:
        """Write a chunk at once."""
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
        self._last = chunk[-1:] or self._last

    def close(self) -> None:
        """End the line: of each of several answers, and of a single one only on a terminal."""
        if self._last in {b"", b"\n"}:
            return
        if self._end_line:
            self.write(b"\n")
        elif sys.stdout.isatty():
            click.echo(err=True)


async def show_answer(answer: Answer, printer: Printer | None) -> bytes:
    """Print the answer's body, without the prelude, while it arrives; return all of it."""
    await passed(answer.opened)
    splitter, parts = PreludeSplitter(answer.content_type), []
    async for chunk in answer:
        try:
            part = splitter.feed(chunk)
        except BadPrelude as error:
            click.echo(f"dispatch: {error}", err=True)
            splitter.head, part = {}, chunk
        parts.append(part)
        if printer:
            printer.write(part)
    if printer:
        printer.close()
    return b"".join(parts)


def print_line(line: LogLine) -> None:
    """Print one line of the log; AWS's own client separates the lines of a trace by carriage returns."""
    text = line.text.replace("\r", "\n")
    terminal.tell(terminal.dim(text) if line.platform else text)


def print_error(error: FunctionError, log: str, function: FunctionConfig) -> None:
    """Print the error, unless the log has it already."""
    report = error.report
    stack = [str(frame).rstrip("\n") for frame in report.get("stackTrace") or []]
    shown = [error.message.partition("\n")[0], *(line.strip() for frame in stack for line in frame.splitlines())]
    if not all(text in log or json.dumps(text, ensure_ascii=False)[1:-1] in log for text in (error.type, *shown)):
        title = f"{error.type}: {error.message}" if error.message else error.type
        click.echo(click.style(title, fg="red"), err=True)
        for frame in stack:
            click.echo(frame, err=True)
    advice = _advice(error, log, function)
    if advice:
        click.echo(f"dispatch: {advice}", err=True)


def _advice(error: FunctionError, log: str, function: FunctionConfig) -> str:
    """What would help against an error; empty if nothing is known, or if the log says it already."""
    if error.type in HINTS:
        return HINTS[error.type].format(function=function)
    from runtime.package.recognition import recognised

    convention = function.convention or function.environment.get("HANDLER_CONVENTION") or AUTO
    written_for = recognised(function.handler, str(function.root)) if convention == AUTO else None
    if written_for is None or f"HANDLER_CONVENTION={written_for.convention}" in log:
        return ""
    return written_for.advice(function.handler)


#: Advice at the platform's own limits, by error type.
HINTS = {
    TIMED_OUT: "the limit is {function.timeout:g} s; --timeout changes it",
    OUT_OF_MEMORY: "the limit is {function.memory} MB; --memory changes it",
}


def as_object(answer: Answer, body: bytes, report: InvocationReport, log: list[str]) -> dict[str, Any]:
    """The result of one invocation for --json; an answer that is not UTF-8 is base64."""
    try:
        shown: dict[str, str] = {"answer": body.decode()}
    except UnicodeDecodeError:
        import base64

        shown = {"answerBase64": base64.b64encode(body).decode()}
    error = report.error
    return {
        "status": report.status,
        "requestId": report.request_id,
        **shown,
        "contentType": answer.content_type,
        "streamed": answer.streaming,
        "error": error and (error.report or {"errorType": error.type, "errorMessage": error.message}),
        "durationMs": round(report.duration, 3),
        "billedDurationMs": report.billed,
        "initDurationMs": report.init and round(report.init, 3),
        "memorySizeMb": report.memory_size,
        "maxMemoryUsedMb": report.memory_used or None,
        "log": log,
    }
