"""Several execution environments side by side: forked processes, each a whole runtime.

Fork, then load, then connect: an event loop or a socket made before the fork would be shared and hang the siblings.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from runtime.logs import Log

#: Seconds before a worker that died is started again; doubled for each that dies soon after its start, up to LONGEST.
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 10.0

#: Seconds after which a worker counts as having lived.
LIVED = 30.0


def supervise(count: int, work: Callable[[], int], log: Log) -> int:
    """Run ``work`` in that many processes, start again what dies, pass SIGTERM on; returns the exit status.

    A worker that ends with status 1 had an init error, which the next would have as well: then all end.
    """
    return _Supervisor(count, work, log).run()


class _Supervisor:
    def __init__(self, count: int, work: Callable[[], int], log: Log) -> None:
        self._work = work
        self._log = log
        self._count = count
        self._started: dict[int, float] = {}
        self._pause = FIRST_PAUSE
        self._ending: int | None = None

    def run(self) -> int:
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGINT, self._end)
        status = 0
        while len(self._started) < self._count:
            self._start()
        while self._started:
            process, ended = os.waitpid(-1, 0)
            began = self._started.pop(process, None)
            if began is None:
                continue
            code = os.waitstatus_to_exitcode(ended)
            if self._ending is None and code == 1:
                status = 1
                self._end(signal.SIGTERM, None)
            elif self._ending is None:
                self._replace(process, code, time.monotonic() - began)
        return status

    def _start(self) -> None:
        process = os.fork()
        if process == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os._exit(self._work())
        self._started[process] = time.monotonic()
        if self._ending is not None:
            os.kill(process, self._ending)

    def _replace(self, process: int, code: int, lived: float) -> None:
        self._pause = FIRST_PAUSE if lived > LIVED else min(self._pause * 2, LONGEST_PAUSE)
        self._log.warning(f"worker {process} ended with status {code}; another starts in {self._pause:g} s")
        time.sleep(self._pause)
        if self._ending is None:
            self._start()

    def _end(self, number: int, _frame: object) -> None:
        self._ending = number
        for process in list(self._started):
            try:
                os.kill(process, number)
            except ProcessLookupError:
                continue
