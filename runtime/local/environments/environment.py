"""An execution environment: one process and its Runtime API, for one invocation at a time.

The memory limit is enforced by reading the resident memory of the process and its children every 50 ms while an event
is handled, and by killing them when it is above the limit. A limit of the kernel's own (RLIMIT_AS) counts address
space, of which threads and memory maps take far more than memory: it would end programs that run well on Lambda.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, NoReturn

from runtime.local.environments import log_lines
from runtime.local.environments.launch import EarlyStart
from runtime.local.environments.log_lines import LogLine, WriteLog
from runtime.local.environments.process import Process, to_the_end
from runtime.local.environments.process_tree import owns_connection
from runtime.local.environments.tasks import Tasks
from runtime.local.environments.variables import new_log_stream, variables
from runtime.local.function import FunctionConfig
from runtime.local.gates import Gate
from runtime.local.invocation import TIMED_OUT, FunctionError, InvocationReport, RunningInvocation
from runtime.local.runtime_api.server import RuntimeApiServer
from runtime.local.runtime_api.session import RuntimeSession

#: Seconds that a function may take to load before it is started once more on the event's time (AWS documentation).
INIT_LIMIT: Final = 10.0
#: Seconds between two readings of the memory.
MEMORY_INTERVAL: Final = 0.05
#: Seconds in which a process that cannot go on may end by itself and report why.
LAST_WORDS: Final = 0.5
#: The deadline, in seconds from now, of a function that is being debugged.
UNLIMITED: Final = 24 * 3600.0
MEGABYTE: Final = 1024 * 1024
#: Characters of one event's log that are kept for its caller: the last ones.
LOG_LIMIT: Final = 4 * MEGABYTE


class Phase(Enum):
    """What an environment is doing."""

    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    STOPPED = "stopped"


class StartFailed(Exception):
    """The environment could not be started; `error` is what the caller of its event gets."""

    def __init__(self, error: FunctionError) -> None:
        super().__init__(error.message)
        self.error = error


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
        id: the name of its log stream.
        created: seconds since the epoch.
        invocations: how many events it was given.
        memory: the largest resident memory so far, in bytes.
        last_used: when it was last given an event, by the monotonic clock.
        request_id: the event that it is handling, or an empty string.
        has_deadline: whether its events have a deadline.
    """

    def __init__(
        self, function: FunctionConfig, write_log: WriteLog, tasks: Tasks, early: EarlyStart | None = None
    ) -> None:
        self.function = function
        self.id = early.id if early else new_log_stream()
        self.phase = Phase.STARTING
        self.created = time.time()
        self.invocations = 0
        self.memory = 0
        self.last_used = 0.0
        self.request_id = ""
        self.has_deadline = function.debug_port is None
        self._memory_read = 0.0
        self._early = early
        self._write_log = write_log
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()
        self._lines: deque[str] = deque()
        self._log_size = 0
        self._start_time = NO_START
        self._process: Process | None = None
        self._invocation: RunningInvocation | None = None
        self._released: Callable[[], None] = self._check
        self._timer: asyncio.TimerHandle | None = None
        self._began = self._started = self._deadline = 0.0
        self._failing = False
        self._new_session()

    # -- start and stop

    def _new_session(self, *, restartable: bool = False) -> None:
        """Make the Runtime API of a new process."""
        self._session = RuntimeSession(self.function, restartable=restartable)
        self._session.when_idle = self._note_poll
        self._server = RuntimeApiServer(self._session, self._admit)
        #: Before it is known, nobody is admitted to the Runtime API.
        self._started_pid: Gate[int] = Gate()

    async def start(self, request_id: str) -> Process:
        """Start the runtime and wait for its first poll.

        Loading may take 10 seconds. A function that takes longer is started once more, within the timeout of the
        event that it is started for.

        Raises:
            StartFailed: the runtime ended, reported an error or took too long.
        """
        self.request_id = request_id
        began = self._early.began if self._early else time.perf_counter()
        process = await self._launch(INIT_LIMIT if self.has_deadline else None)
        if process is not None:
            self._start_time = StartTime(init=_milliseconds_since(began))
            return process
        self._log(log_lines.init_report_line(_milliseconds_since(began), None))
        await self._end_process()
        self._new_session()
        began = time.perf_counter()
        process = await self._launch(self.function.timeout)
        self._start_time = StartTime(borrowed=time.perf_counter() - began)
        return process or await self._fail_start(log_lines.timed_out(request_id, self.function.timeout), began)

    async def _launch(self, limit: float | None) -> Process | None:
        """Start a process; None if it does not poll within the limit, in seconds."""
        began = time.perf_counter()
        early, self._early = self._early, None
        address = await self._server.listen(sock=early.listener if early else None)
        try:
            if early:
                process = Process.adopt(early, self._write)
            else:
                process = Process.start(self.function, variables(self.function, address, self.id), self._write)
        except OSError as error:
            return await self._fail_start(FunctionError.of("Runtime.InvalidEntrypoint", str(error)), began)
        self._process = process
        process.exited.add_done_callback(self._note_exit)
        self._started_pid.open(process.pid)
        started = self._session.started
        if not await first_of(limit, started, process.exited):
            return None
        failure = started.result() if started.done() else log_lines.exited(self.request_id, process.exit_reason())
        return process if failure is None else await self._fail_start(failure, began)

    async def _admit(self, peer: tuple[str, int]) -> bool:
        pid = await self._started_pid
        own = owns_connection(pid, peer, self._server.host_and_port)
        if not own:
            self._log("a process of another environment called this one's Runtime API, and was refused")
        return own

    async def _fail_start(self, error: FunctionError, began: float) -> NoReturn:
        if self._process is not None:
            await first_of(LAST_WORDS, self._process.exited)
        await self.stop()
        self._log(log_lines.init_report_line(_milliseconds_since(began), error))
        raise StartFailed(error)

    async def _end_process(self, grace: float = 0.0) -> None:
        if self._process is not None:
            await self._process.stop(grace)
            self._process = None
        await self._server.close()

    async def stop(self, grace: float = 0.0) -> None:
        """End the runtime: SIGTERM, and SIGKILL after the grace period, in seconds."""
        if self.phase is not Phase.STOPPED:
            self.phase = Phase.STOPPED
            if self._invocation is not None and not self._failing:
                self._abandon(self._invocation)
            await to_the_end(self._end_process(grace))

    @property
    def alive(self) -> bool:
        """Whether it can be given an event, now or later."""
        return self.phase in {Phase.STARTING, Phase.BUSY} or self.usable

    @property
    def usable(self) -> bool:
        """Whether it is waiting for an event."""
        return self.phase is Phase.IDLE and self._process is not None and not self._process.exited.done()

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
        if self._process is not None:
            self._begin(invocation)
        else:
            self._tasks.spawn(self._run_first(invocation))

    async def _run_first(self, invocation: RunningInvocation) -> None:
        try:
            await self.start(invocation.event.request_id)
        except StartFailed as failed:
            invocation.answer.finish(failed.error)
            invocation.end(self._report(invocation, time.time(), 0.0, None, failed.error))
            self._released()
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
        self.phase, self.request_id = Phase.BUSY, event.request_id
        self.invocations += 1
        self._began, self._started = time.perf_counter(), time.time()
        self._deadline = self._loop.time() + allowed
        self._session.deliver(event, int((self._started + allowed) * 1000), invocation.answer)
        self._log(log_lines.start_line(event.request_id))
        self._look_later()

    def _look_later(self) -> None:
        left = self._deadline - self._loop.time()
        self._timer = self._loop.call_later(min(left, MEMORY_INTERVAL), self._check)

    def _stop_looking(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        """See whether the runtime can still finish the event: from time to time, and when the process has ended."""
        invocation, process = self._invocation, self._process
        if self.phase is not Phase.BUSY or invocation is None or process is None or self._failing:
            return
        self._stop_looking()
        self._read_memory(process)
        request_id, failure = self.request_id, None
        if self.memory > self.function.memory * MEGABYTE:
            failure = log_lines.out_of_memory(request_id)
        elif self._session.broken_off:
            failure = log_lines.exited(request_id, "the answer broke off")
        elif process.exited.done():
            failure = log_lines.exited(request_id, process.exit_reason())
        elif self._loop.time() >= self._deadline:
            failure = log_lines.timed_out(request_id, self.function.timeout)
        if failure is None:
            self._look_later()
        else:
            self._failing = True
            self._tasks.clean_up(self._fail(invocation, process, failure))

    def _note_exit(self, exited: asyncio.Future[int]) -> None:
        if not exited.cancelled():
            self._check()

    async def _fail(self, invocation: RunningInvocation, process: Process, failure: FunctionError) -> None:
        """End the process, which cannot finish its event."""
        answer, timed_out = invocation.answer, failure.type == TIMED_OUT
        try:
            if timed_out:
                # Ending the process cuts off its stream, and that would be the error if there were none yet.
                answer.finish(failure)
            if self._session.broken_off:
                await first_of(LAST_WORDS, process.exited)
            await self.stop()
        finally:
            if timed_out:
                text = f"Task timed out after {self.function.timeout:.2f} seconds"
                self._log(f"{log_lines.timestamp()} {self.request_id} {text}")
            elif not answer.finished:
                self._log(failure.message)
            answer.finish(failure)
            self._finish(invocation)

    def _note_poll(self) -> None:
        """Note that the runtime is ready for its next event."""
        if self._invocation is not None and self._process is not None and not self._failing:
            self._read_memory(self._process)
            self._process.drain_log()
            self.phase = Phase.IDLE
            self._finish(self._invocation)

    def _finish(self, invocation: RunningInvocation) -> None:
        """Report on an invocation that is over."""
        self._stop_looking()
        start_time, self._start_time, self._invocation = self._start_time, NO_START, None
        duration = _milliseconds_since(self._began) + start_time.borrowed * 1000
        self._log(log_lines.end_line(self.request_id))
        report = self._report(invocation, self._started, duration, start_time.init, invocation.answer.error)
        self._log(log_lines.report_line(report))
        report.log = self._log_text()
        self.request_id = ""
        self._lines.clear()
        self._log_size = 0
        invocation.end(report)
        self._released()

    def _report(
        self, invocation: RunningInvocation, started: float, duration: float, init: float | None,
        error: FunctionError | None,
    ) -> InvocationReport:  # fmt: skip
        return InvocationReport(
            invocation.event.request_id,
            self.id,
            started,
            duration,
            self.function.memory,
            math.ceil(self.memory / MEGABYTE),
            self._log_text(),
            init,
            error,
        )

    def _read_memory(self, process: Process) -> None:
        now = time.monotonic()
        if now - self._memory_read >= MEMORY_INTERVAL:
            self._memory_read = now
            self.memory = max(self.memory, process.memory())

    # -- the log

    def _write(self, text: str, platform: bool = False) -> None:
        self._lines.append(text)
        self._log_size += len(text)
        while self._log_size > LOG_LIMIT and len(self._lines) > 1:
            self._log_size -= len(self._lines.popleft())
        self._write_log(LogLine(self.function.name, self.id, self.request_id, time.time(), text, platform))

    def _log(self, text: str) -> None:
        """Write a line of the platform's own."""
        self._write(text, platform=True)

    def _log_text(self) -> str:
        return "".join(f"{line}\n" for line in self._lines)


async def first_of(limit: float | None, *futures: asyncio.Future[Any]) -> bool:
    """Wait for one of the futures; return whether one was done within the limit, in seconds."""
    done, _ = await asyncio.wait(futures, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
    return bool(done)


def _milliseconds_since(began: float) -> float:
    return (time.perf_counter() - began) * 1000
