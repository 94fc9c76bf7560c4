"""An execution environment: one process and its Runtime API, for one invocation at a time.

The memory limit is enforced by reading the resident memory of the process and its children every 50 ms while an event
is handled, and by killing them when it is above the limit. A limit of the kernel's own (RLIMIT_AS) counts address
space, of which threads and memory maps take far more than memory: it would end programs that run well on Lambda.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from runtime.local.environments import log_lines
from runtime.local.environments.environment_log import EnvironmentLog
from runtime.local.environments.launch import EarlyStart
from runtime.local.environments.local_runtime import LocalRuntime, StartFailed
from runtime.local.environments.log_lines import WriteLog
from runtime.local.environments.process import Process, to_the_end
from runtime.local.environments.tasks import Tasks
from runtime.local.environments.variables import new_log_stream
from runtime.local.function import FunctionConfig
from runtime.local.function_error import TIMED_OUT, FunctionError
from runtime.local.invocation import InvocationReport, RunningInvocation

#: Seconds that a function may take to load before it is started once more on the event's time (AWS documentation).
INIT_LIMIT: Final = 10.0
#: Seconds between two readings of the memory.
MEMORY_INTERVAL: Final = 0.05
#: The deadline, in seconds from now, of a function that is being debugged.
UNLIMITED: Final = 24 * 3600.0
MEGABYTE: Final = 1024 * 1024


class Phase(Enum):
    """What an environment is doing."""

    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class StartTime:
    """What the start took: `init` milliseconds of its own, and `borrowed` seconds of the first event's timeout."""

    init: float | None = None
    borrowed: float = 0.0


#: Of an environment that has been started for an earlier event.
NO_START: Final = StartTime()


class LocalEnvironment:
    """One execution environment; its process is started for its first event.

    Attributes:
        created: seconds since the epoch.
        invocations: how many events it was given.
        memory: the largest resident memory so far, in bytes.
        last_used: when it was last given an event, by the monotonic clock.
        has_deadline: whether its events have a deadline.
    """

    def __init__(
        self, function: FunctionConfig, write_log: WriteLog, tasks: Tasks, early: EarlyStart | None = None
    ) -> None:
        self.function = function
        self.phase = Phase.STARTING
        self.created = time.time()
        self.invocations = 0
        self.memory = 0
        self.last_used = 0.0
        self.has_deadline = function.debug_port is None
        self._memory_read = 0.0
        self._early = early
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()
        self._log = EnvironmentLog(function.name, write_log, early.id if early else new_log_stream())
        self._start_time = NO_START
        self._invocation: RunningInvocation | None = None
        self._released: Callable[[], None] = self._check
        self._timer: asyncio.TimerHandle | None = None
        self._began = self._started = self._deadline = 0.0
        self._failing = False
        self._new_runtime()

    @property
    def id(self) -> str:
        """The name of its log stream."""
        return self._log.stream

    @property
    def request_id(self) -> str:
        """The event that it is handling, or an empty string."""
        return self._log.request_id

    # -- start and stop

    def _new_runtime(self, *, foreign: bool = False) -> None:
        self._runtime = LocalRuntime(self.function, self._log, foreign=foreign)
        self._runtime.session.when_idle = self._note_poll

    async def start(self, request_id: str) -> None:
        """Start the runtime and wait for its first poll.

        Loading may take 10 seconds. A function that takes longer is started once more, within the timeout of the
        event that it is started for.

        Raises:
            StartFailed: the runtime ended, reported an error or took too long.
        """
        self._log.request_id = request_id
        began = self._early.began if self._early else time.perf_counter()
        if await self._launch(INIT_LIMIT if self.has_deadline else None):
            self._start_time = StartTime(init=_milliseconds_since(began))
            return
        self._log.note(log_lines.init_report_line(_milliseconds_since(began), None))
        await self._runtime.end()
        self._new_runtime()
        began = time.perf_counter()
        in_time = await self._launch(self.function.timeout)
        self._start_time = StartTime(borrowed=time.perf_counter() - began)
        if not in_time:
            raise await self._start_failed(log_lines.timed_out(request_id, self.function.timeout), began)

    async def _launch(self, limit: float | None) -> bool:
        began = time.perf_counter()
        early, self._early = self._early, None
        try:
            return await self._runtime.launch(limit, self._note_exit, early)
        except StartFailed as failed:
            raise await self._start_failed(failed.error, began) from failed

    async def _start_failed(self, error: FunctionError, began: float) -> StartFailed:
        """Stop, and return what to raise."""
        await self._runtime.last_words()
        await self.stop()
        self._log.note(log_lines.init_report_line(_milliseconds_since(began), error))
        return StartFailed(error)

    async def stop(self, grace: float = 0.0) -> None:
        """End the runtime: SIGTERM, and SIGKILL after the grace period, in seconds."""
        if self.phase is not Phase.STOPPED:
            self.phase = Phase.STOPPED
            if self._invocation is not None and not self._failing:
                self._abandon(self._invocation)
            await to_the_end(self._runtime.end(grace))

    @property
    def alive(self) -> bool:
        """Whether it can be given an event, now or later."""
        return self.phase in {Phase.STARTING, Phase.BUSY} or self.usable

    @property
    def usable(self) -> bool:
        """Whether it is waiting for an event."""
        process = self._runtime.process
        return self.phase is Phase.IDLE and process is not None and not process.exited.done()

    @property
    def finishing(self) -> bool:
        """Whether it has answered and will soon wait for an event, if nothing else keeps it."""
        return self.phase is Phase.BUSY and self._invocation is not None and self._invocation.answer.finished

    def reserve(self) -> None:
        """Keep it for the event that it is about to be given."""
        if self.phase is Phase.IDLE:
            self.phase = Phase.BUSY
        self.last_used = time.monotonic()

    # -- one invocation

    def run(self, invocation: RunningInvocation, released: Callable[[], None]) -> None:
        """Handle one event, in a new process if there is none yet; `released` is called when it is over."""
        self._released = released
        if self._runtime.process is not None:
            self._begin(invocation)
        else:
            self._tasks.spawn(self._run_first(invocation))

    async def _run_first(self, invocation: RunningInvocation) -> None:
        try:
            await self.start(invocation.event.request_id)
        except StartFailed as failed:
            invocation.answer.finish(failed.error)
            self._end(invocation, self._report(invocation, time.time(), 0.0, None, failed.error))
        except asyncio.CancelledError:
            self._abandon(invocation)
            raise
        else:
            self._begin(invocation)

    def _abandon(self, invocation: RunningInvocation) -> None:
        self._stop_looking()
        self._invocation = None
        invocation.abandon(log_lines.exited(invocation.event.request_id, "the platform was stopped"))

    def _begin(self, invocation: RunningInvocation) -> None:
        """Give the runtime, which is waiting for it, the event."""
        event, allowed = invocation.event, UNLIMITED
        if self.has_deadline:
            allowed = self.function.timeout - self._start_time.borrowed
        self._invocation = invocation
        self.phase, self._log.request_id = Phase.BUSY, event.request_id
        self.invocations += 1
        self._began, self._started = time.perf_counter(), time.time()
        now = self._loop.time()
        self._deadline = now + allowed
        self._runtime.session.deliver(event, int((self._started + allowed) * 1000), invocation.answer)
        self._log.note(log_lines.start_line(event.request_id))
        self._look_later(now)

    def _look_later(self, now: float) -> None:
        """Look soon, and at the deadline; the timer of an event before is soon enough, and cheaper than a new one."""
        due = min(self._deadline, now + MEMORY_INTERVAL)
        if self._timer is None or self._timer.when() > due:
            self._stop_looking()
            self._timer = self._loop.call_at(due, self._check)

    def _stop_looking(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        """See whether the runtime can still finish the event: from time to time, and when the process has ended."""
        self._stop_looking()
        invocation, process = self._invocation, self._runtime.process
        if self.phase is not Phase.BUSY or invocation is None or process is None or self._failing:
            return
        self._read_memory(process)
        request_id, now, failure = self.request_id, self._loop.time(), None
        if self.memory > self.function.memory * MEGABYTE:
            failure = log_lines.out_of_memory(request_id)
        elif self._runtime.session.broken_off:
            failure = log_lines.exited(request_id, "the answer broke off")
        elif process.exited.done():
            failure = log_lines.exited(request_id, process.exit_reason())
        elif now >= self._deadline:
            failure = log_lines.timed_out(request_id, self.function.timeout)
        if failure is None:
            self._look_later(now)
        else:
            self._failing = True
            self._tasks.clean_up(self._fail(invocation, failure))

    def _note_exit(self, exited: asyncio.Future[int]) -> None:
        if not exited.cancelled():
            self._check()

    async def _fail(self, invocation: RunningInvocation, failure: FunctionError) -> None:
        """End the process, which cannot finish its event."""
        answer, timed_out = invocation.answer, failure.type == TIMED_OUT
        try:
            if timed_out:
                # Ending the process cuts off its stream, and that would be the error if there were none yet.
                answer.finish(failure)
            if self._runtime.session.broken_off:
                await self._runtime.last_words()
            await self.stop()
        finally:
            if timed_out:
                text = f"Task timed out after {self.function.timeout:.2f} seconds"
                self._log.note(f"{log_lines.timestamp()} {self.request_id} {text}")
            elif not answer.finished:
                self._log.note(failure.message)
            answer.finish(failure)
            self._finish(invocation)

    def _note_poll(self) -> None:
        """Note that the runtime is ready for its next event."""
        process = self._runtime.process
        if self._invocation is not None and process is not None and not self._failing:
            self._read_memory(process)
            process.drain_log()
            self.phase = Phase.IDLE
            self._finish(self._invocation)

    def _finish(self, invocation: RunningInvocation) -> None:
        """Report on an invocation that is over."""
        start_time, self._start_time, self._invocation = self._start_time, NO_START, None
        duration = _milliseconds_since(self._began) + start_time.borrowed * 1000
        self._log.note(log_lines.end_line(self.request_id))
        report = self._report(invocation, self._started, duration, start_time.init, invocation.answer.error)
        self._log.note(log_lines.report_line(report))
        self._end(invocation, report)

    def _end(self, invocation: RunningInvocation, report: InvocationReport) -> None:
        report.log = self._log.end_event()
        invocation.end(report)
        self._released()

    def _report(
        self, invocation: RunningInvocation, started: float, duration: float, init: float | None,
        error: FunctionError | None,
    ) -> InvocationReport:  # fmt: skip
        memory = math.ceil(self.memory / MEGABYTE)
        return InvocationReport(
            invocation.event.request_id, self.id, started, duration, self.function.memory, memory, "", init, error
        )

    def _read_memory(self, process: Process) -> None:
        now = time.monotonic()
        if now - self._memory_read >= MEMORY_INTERVAL:
            self._memory_read = now
            self.memory = max(self.memory, process.memory())


def _milliseconds_since(began: float) -> float:
    return (time.perf_counter() - began) * 1000
