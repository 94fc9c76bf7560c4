"""An execution environment: one process and the Runtime API it talks to, serving one invocation at a time.

The memory limit is kept by looking at the resident memory of the process and its children every 50 ms while an event
is handled, and killing them when it is above the limit. A limit of the kernel's own (RLIMIT_AS) counts address space,
of which threads and memory maps take far more than memory, so it would end programs that Lambda lets live.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final, NoReturn, TypeAlias

from runtime.local.environments import log_lines as words
from runtime.local.environments.log_lines import LogLine, Report
from runtime.local.environments.process import Process
from runtime.local.environments.process_tree import belongs_to
from runtime.local.environments.variables import variables
from runtime.local.function import Function
from runtime.local.invocation import Answer, Event, FunctionError
from runtime.local.runtime_api.server import RuntimeApi

#: How long a function may take to load before it is started once more on the event's time (AWS documentation).
INIT_LIMIT: Final = 10.0
#: How often memory is looked at while an event is handled.
MEMORY_INTERVAL: Final = 0.05
#: How long a process that can't go on may take to end by itself and say why.
LAST_WORDS: Final = 0.5
#: The deadline, in seconds from now, of a function that is being debugged.
UNLIMITED: Final = 24 * 3600.0
MEGABYTE: Final = 1024 * 1024

WriteLog: TypeAlias = Callable[[LogLine], None]


class Phase(Enum):
    """What an environment is doing."""

    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    STOPPED = "stopped"


class StartFailed(Exception):
    """The environment could not be started; `error` is what the event's caller is told."""

    def __init__(self, error: FunctionError) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass(slots=True)
class Usage:
    """What the first event in an environment owes to its start: init in milliseconds, seconds off its own time."""

    init: float | None = None
    late: float = 0.0


class Environment:
    """Start it, hand it one event at a time, stop it."""

    def __init__(self, function: Function, write_log: WriteLog) -> None:
        self.function = function
        self.id = words.log_stream()
        self.phase = Phase.STARTING
        self.created = time.time()
        self.invocations = 0
        self.memory = 0
        self._looked = 0.0
        self.last_used = 0.0
        self.request_id = ""
        #: Whether events have a deadline.
        self.limited = function.debug_port is None
        self._write_log = write_log
        self._lines: list[str] = []
        self._usage = Usage()
        self._process: Process | None = None

    # -- start and stop

    async def start(self, request_id: str) -> Process:
        """Start the runtime and wait until it asks for an event; raise `StartFailed` when it does not.

        Loading may take 10 seconds. A function that takes longer is started once more, with the time of the event
        that it was started for.
        """
        self.request_id = request_id
        began = time.perf_counter()
        process = await self._launch(INIT_LIMIT if self.limited else None)
        if process is not None:
            self._usage.init = _milliseconds(began)
            return process
        self._say(words.init_report_line(_milliseconds(began), None))
        await self._end_process()
        began = time.perf_counter()
        process = await self._launch(self.function.timeout)
        self._usage.late = time.perf_counter() - began
        return process or await self._fail_start(words.timed_out(request_id, self.function.timeout), began)

    async def _launch(self, limit: float | None) -> Process | None:
        began = time.perf_counter()
        self._api = RuntimeApi(self.function)
        environment = variables(self.function, await self._api.start(), self.id)
        try:
            process = self._process = await Process.start(self.function, environment, self._write)
        except OSError as error:
            return await self._fail_start(FunctionError.make("Runtime.InvalidEntrypoint", str(error)), began)
        self._api.admit = self._admit
        started = self._api.started
        if not await first_of(limit, started, process.exited):
            return None
        failure = started.result() if started.done() else words.exited(self.request_id, process.how_it_ended())
        return process if failure is None else await self._fail_start(failure, began)

    def _admit(self, port: int) -> bool:
        own = self._process is None or belongs_to(self._process.pid, port, self._api.port)
        if not own:
            self._say("a process of another environment called this one's Runtime API, and was refused")
        return own

    async def _fail_start(self, error: FunctionError, began: float) -> NoReturn:
        if self._process is not None:
            await first_of(LAST_WORDS, self._process.exited)
        await self.stop()
        self._say(words.init_report_line(_milliseconds(began), error))
        raise StartFailed(error)

    async def _end_process(self, grace: float = 0.0) -> None:
        if self._process is not None:
            await self._process.stop(grace)
            self._process = None
        await self._api.close()

    async def stop(self, grace: float = 0.0) -> None:
        """End the runtime: SIGTERM, and SIGKILL after so many seconds."""
        if self.phase is not Phase.STOPPED:
            self.phase = Phase.STOPPED
            await self._end_process(grace)

    @property
    def alive(self) -> bool:
        """Whether it can take an event now or later."""
        return self.phase in {Phase.STARTING, Phase.BUSY} or self.usable

    @property
    def usable(self) -> bool:
        """Whether it waits for an event."""
        return self.phase is Phase.IDLE and self._process is not None and not self._process.exited.done()

    def reserve(self) -> None:
        """It is going to get an event."""
        if self.phase is Phase.IDLE:
            self.phase = Phase.BUSY
        self.last_used = time.monotonic()

    # -- one invocation

    async def run(self, event: Event, answer: Answer) -> Report:
        """Serve one event, in a new process if there is none yet."""
        try:
            return await self.handle(event, answer, self._process or await self.start(event.request_id))
        except StartFailed as failed:
            answer.finish(failed.error)
            return replace(self._report(event, time.time(), 0.0, None), error=failed.error, log=self._log())
        finally:
            # Only the first word counts: this one is for a platform that is stopped in the middle.
            answer.finish(words.exited(event.request_id, "the platform was stopped"))

    async def handle(self, event: Event, answer: Answer, process: Process) -> Report:
        """See one event through until the runtime asks for the next one, or is gone; the answer comes in `answer`."""
        self.phase, self.request_id = Phase.BUSY, event.request_id
        self.invocations += 1
        usage, self._usage = self._usage, Usage()
        self._say(words.start_line(event.request_id))
        began, started = time.perf_counter(), time.time()
        await self._see_through(event, answer, process, self.function.timeout - usage.late)
        duration = _milliseconds(began) + usage.late * 1000
        self._say(words.end_line(event.request_id))
        report = replace(self._report(event, started, duration, usage.init), error=answer.error)
        self._say(words.report_line(report))
        report = replace(report, log=self._log())
        self.request_id = ""
        self._lines.clear()
        return report

    def _report(self, event: Event, started: float, duration: float, init: float | None) -> Report:
        size, used = self.function.memory, math.ceil(self.memory / MEGABYTE)
        return Report(event.request_id, self.id, started, duration, size, used, init=init)

    def _log(self) -> str:
        return "".join(f"{line}\n" for line in self._lines)

    async def _see_through(self, event: Event, answer: Answer, process: Process, allowed: float) -> None:
        allowed = allowed if self.limited else UNLIMITED
        self._api.deliver(event, int((time.time() + allowed) * 1000), answer)
        failure = await self._watch(event.request_id, process, time.monotonic() + allowed)
        if failure is None:
            process.drain_log()
            self.phase = Phase.IDLE
            return
        await self.stop()
        if failure.type == "Sandbox.Timedout":
            self._say(f"{_now()} {event.request_id} Task timed out after {self.function.timeout:.2f} seconds")
        elif not answer.finished:
            self._say(failure.message)
        answer.finish(failure)

    async def _watch(self, request_id: str, process: Process, deadline: float) -> FunctionError | None:
        """Wait for the next poll; return why there will be none."""
        ended, idle = process.exited, self._api.idle
        while not idle.done():
            left = deadline - time.monotonic()
            if left <= 0:
                return words.timed_out(request_id, self.function.timeout)
            await first_of(min(left, MEMORY_INTERVAL), idle, ended)
            self._look_at_memory(process)
            if self.memory > self.function.memory * MEGABYTE:
                return words.out_of_memory(request_id)
            if self._api.stuck:
                await first_of(LAST_WORDS, ended)
                return words.exited(request_id, "the answer broke off")
            if ended.done() and not idle.done():
                return words.exited(request_id, process.how_it_ended())
        return None

    def _look_at_memory(self, process: Process) -> None:
        now = time.monotonic()
        if now - self._looked >= MEMORY_INTERVAL:
            self._looked = now
            self.memory = max(self.memory, process.memory())

    # -- the log

    def _write(self, text: str, *, platform: bool = False) -> None:
        self._lines.append(text)
        self._write_log(LogLine(self.function.name, self.id, self.request_id, time.time(), text, platform))

    def _say(self, text: str) -> None:
        self._write(text, platform=True)


async def first_of(limit: float | None, *futures: asyncio.Future[Any]) -> bool:
    """Wait for one of the futures; return whether one came within the limit, in seconds."""
    done, _ = await asyncio.wait(futures, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
    return bool(done)


def _milliseconds(since: float) -> float:
    return (time.perf_counter() - since) * 1000


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
