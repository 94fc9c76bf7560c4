"""Several execution environments side by side: forked processes, each a whole runtime.

Fork, then load, then connect: an event loop or a socket made before the fork would be shared and hang the siblings.
"""

from __future__ import annotations

import mmap
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable

from runtime.lifecycle import leave

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from runtime.logs import Log

#: Seconds before a worker that died is started again; doubled for each that dies before it LIVED, up to LONGEST_PAUSE.
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 10.0

#: Seconds after which a worker counts as having lived.
LIVED = 30.0

_SIGNALS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)

#: Asks Linux for a signal when the parent dies (<linux/prctl.h>).
_PR_SET_PDEATHSIG = 1


def supervise(count: int, work: Callable[[], int], log: Log) -> int:
    """Run ``work`` in that many processes until SIGTERM, which is passed on; returns the exit status.

    A worker that dies is started again. One that gives up (an init error, a Runtime API that is gone) ends them all,
    with its status: the next would give up for the same reason.
    """
    return _Supervisor(count, work, log).run()


class _Supervisor:
    def __init__(self, count: int, work: Callable[[], int], log: Log) -> None:
        self._work = work
        self._log = log
        self._due = [time.monotonic()] * count
        self._running: dict[int, float] = {}
        self._pause = FIRST_PAUSE
        self._ending: int | None = None
        self._status = 0
        # One byte that workers share: set by one that gives up.
        self._gave_up = mmap.mmap(-1, 1)
        self._process = os.getpid()
        self._with_parent = _death_signal()

    def run(self) -> int:
        self._inbox, self._outbox = os.pipe()
        os.set_blocking(self._outbox, False)
        signal.set_wakeup_fd(self._outbox)
        for number in _SIGNALS:
            signal.signal(number, lambda *_: None)
        while self._due or self._running:
            self._start_due()
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

    def _start_due(self) -> None:
        now = time.monotonic()
        for due in [due for due in self._due if due <= now]:
            self._due.remove(due)
            # A signal that came before the worker has handlers of its own would be lost in ours.
            signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
            process = os.fork()
            if process == 0:
                self._be_worker()
            self._running[process] = now
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)

    def _be_worker(self) -> NoReturn:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        os.close(self._inbox)
        os.close(self._outbox)
        self._with_parent(signal.SIGTERM)
        if os.getppid() != self._process:
            leave(0)
        status = self._work()
        self._gave_up[0] |= status > 0
        leave(status)

    def _end(self, number: int) -> None:
        self._ending = number
        self._status = 0 if number == signal.SIGTERM else 128 + number
        self._due.clear()
        for process in self._running:
            os.kill(process, number)


def _death_signal() -> Callable[[int], object]:
    """What lets a worker not outlive a supervisor that was killed: a function that asks for a signal when it dies."""
    if sys.platform != "linux":
        return lambda _: None
    try:
        import ctypes

        prctl = ctypes.CDLL(None).prctl
    except (ImportError, OSError, AttributeError):  # an interpreter that was built without
        return lambda _: None
    return lambda number: prctl(_PR_SET_PDEATHSIG, number)


def log_to(path: str) -> None:
    """Give this worker a log of its own: connections to the platform's socket as standard output and error.

    Raises OSError if there is none; the log stays where it was.
    """
    for descriptor in (1, 2):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(path)
            os.dup2(connection.fileno(), descriptor)
