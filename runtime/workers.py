"""Runs several execution environments side by side in forked processes, each a complete runtime.

Fork, then load, then connect: an event loop or a socket from before the fork would be shared and hang the siblings.
`HANDLER_PRELOAD=1` loads first; `runtime.preload` makes sure that there is no such loop.
"""

from __future__ import annotations

# Not signal: its functions, which the runtime wraps for user code, would wrap the handlers that are put back.
import _signal as signal  # type: ignore[import-not-found]
import mmap
import os
import select
import socket
import sys
import time
from collections.abc import Callable

from runtime.lifecycle import leave

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from runtime.logs import Log

#: The pause before a dead worker is replaced, in seconds; doubled for each that dies within LIVED, up to LONGEST_PAUSE.
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 10.0

#: A worker that lives longer than this resets the pause, in seconds.
LIVED = 30.0

_SIGNALS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)

#: The option of prctl that requests a signal when the parent dies (<linux/prctl.h>).
_PR_SET_PDEATHSIG = 1


class Supervisor:
    """Runs the workers, and replaces one that dies."""

    def __init__(self, count: int, log: Log) -> None:
        """Create it with that many workers to start; before user code runs, because this imports modules."""
        self._log = log
        self._due = [time.monotonic()] * count
        self._running: dict[int, float] = {}
        self._pause = FIRST_PAUSE
        self._ending: int | None = None
        self._status = 0
        # One byte that all workers share; a worker that gives up sets it.
        self._gave_up = mmap.mmap(-1, 1)
        self._process = os.getpid()
        self._with_parent = _death_signal()

    def run(self, work: Callable[[], int]) -> int:
        """Run `work` in each worker until SIGTERM, which they receive too; returns the exit status.

        If a worker gives up (an init error, or the Runtime API has failed), all of them end with its status, because a
        replacement would give up for the same reason.
        """
        self._inbox, self._outbox = os.pipe()
        os.set_blocking(self._outbox, False)
        self._wakeup = signal.set_wakeup_fd(self._outbox)
        self._handlers = {number: signal.signal(number, lambda *_: None) for number in _SIGNALS}
        while self._due or self._running:
            self._start_due(work)
            pause = max(0.0, min(self._due) - time.monotonic()) if self._due else None
            if select.select([self._inbox], [], [], pause)[0]:
                self._take(os.read(self._inbox, 512))
        return self._status

    def _take(self, signals: bytes) -> None:
        for number in signals:
            if number != signal.SIGCHLD:
                self._end(number)
        for process in list(self._running):
            ended, status = os.waitpid(process, os.WNOHANG)
            if ended:
                self._bury(process, os.waitstatus_to_exitcode(status))

    def _bury(self, process: int, status: int) -> None:
        lived = time.monotonic() - self._running.pop(process)
        if self._ending is not None:
            return
        if self._gave_up[0] and status > 0:
            self._end(signal.SIGTERM)
            self._status = status
            return
        pause = FIRST_PAUSE if lived > LIVED else self._pause
        self._pause = min(pause * 2, LONGEST_PAUSE)
        self._log.warning(f"worker {process} died with status {status}; another starts in {pause:g} s")
        self._due.append(time.monotonic() + pause)

    def _start_due(self, work: Callable[[], int]) -> None:
        now = time.monotonic()
        for due in [due for due in self._due if due <= now]:
            self._due.remove(due)
            # A signal that reached the worker before it has its own handlers would be lost in ours.
            signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
            process = os.fork()
            if process == 0:
                self._be_worker(work)
            self._running[process] = now
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)

    def _be_worker(self, work: Callable[[], int]) -> NoReturn:
        status = 0
        try:
            signal.set_wakeup_fd(self._wakeup)
            for number, handler in self._handlers.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            os.close(self._inbox)
            os.close(self._outbox)
            self._with_parent(signal.SIGTERM)
            if os.getppid() == self._process:
                status = work()
                self._gave_up[0] |= status > 0
        finally:  # a signal before the work has begun may raise, and must not unwind into the supervisor's code
            leave(status)

    def _end(self, number: int) -> None:
        self._ending = number
        self._status = 0 if number == signal.SIGTERM else 128 + number
        self._due.clear()
        for process in self._running:
            os.kill(process, number)


def _death_signal() -> Callable[[int], object]:
    """A function that requests a signal when the parent dies, so that no worker outlives a killed supervisor."""
    if sys.platform != "linux":
        return lambda _: None
    try:
        import ctypes

        prctl = ctypes.CDLL(None).prctl
    except (ImportError, OSError, AttributeError):  # the interpreter was built without ctypes
        return lambda _: None
    return lambda number: prctl(_PR_SET_PDEATHSIG, number)


def log_to(path: str) -> None:
    """Log to the platform's socket: standard output and standard error become connections of this worker's own.

    Raises:
        OSError: the socket cannot be reached; the log stays as it was.
    """
    for descriptor in (1, 2):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(path)
            os.dup2(connection.fileno(), descriptor)
