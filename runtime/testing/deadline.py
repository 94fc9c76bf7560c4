"""Interrupts code of a test's process that takes too long."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType
from typing import Final

from runtime.testing.surroundings import LIBRARY, OURS

#: Seconds after which code that has caught the interruption is interrupted again.
AGAIN: Final = 0.2
#: How often that is done before interruptions follow each other so fast that one meets code that catches them all
#: (`while True: try: … except: continue`) outside its `try`.
PATIENCE: Final = 3
#: The seconds between those, if one has missed.
SOON: Final = 0.001


class TimedOut(BaseException):
    """Raised in code that has taken too long; derived from BaseException, so that code rarely catches it."""


class Deadline:
    """Interrupts the code in its `with` block when its time is over; in other threads than the main one it cannot.

    Attributes:
        seconds: how much time there is.
        passed: whether the time was over before the code had ended.
    """

    def __init__(self, timeout: float, more: float) -> None:
        """Create the deadline: `timeout` seconds, and `more` until `start` is called."""
        self.seconds = timeout + more
        self.passed = False
        self._can_interrupt = threading.current_thread() is threading.main_thread()
        self._armed = False
        self._times = 0

    def start(self, seconds: float) -> None:
        """Let the time begin now; it ends when a timer of the test runner's would have ended it."""
        self.seconds = seconds
        self._since = time.monotonic()
        if self._can_interrupt:
            left = self._runner_has_left()
            signal.setitimer(signal.ITIMER_REAL, seconds if left is None else min(seconds, left), AGAIN)

    def __enter__(self) -> None:
        self._entered = time.monotonic()
        if self._can_interrupt:
            self._handler = signal.signal(signal.SIGALRM, self._interrupt)
            self._timer = signal.getitimer(signal.ITIMER_REAL)
        self._armed = True
        self.start(self.seconds)

    def _runner_has_left(self) -> float | None:
        left, _ = self._timer
        return max(left - (time.monotonic() - self._entered), 0.001) if left else None

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        self._armed = False
        self.passed = self.passed or time.monotonic() - self._since > self.seconds
        if self._can_interrupt:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self._handler)
            signal.setitimer(signal.ITIMER_REAL, self._runner_has_left() or 0, self._timer[1])
        return kind is TimedOut

    def _interrupt(self, _number: int, frame: FrameType | None) -> None:
        if not self._armed or _is_debugged(frame):
            return
        self._times += 1
        self.passed = True
        error = TimedOut(f"the handler was interrupted after {time.monotonic() - self._since:.2f} seconds")
        if self._times > PATIENCE:
            if not _is_of_users(frame) and self._times % (AGAIN / SOON):
                return
            # The next one comes microseconds after this one, a little later each time.
            signal.setitimer(signal.ITIMER_REAL, (1 + self._times % 50) / 1e6, SOON)
        raise error


def _is_of_users(frame: FrameType | None) -> bool:
    """Whether the code is the function's, or was called by it: it is none of ours, nor the standard library at work."""
    while frame is not None and frame.f_code.co_filename.startswith(LIBRARY):
        frame = frame.f_back
    return frame is not None and not frame.f_code.co_filename.startswith(OURS)


def _is_debugged(frame: FrameType | None) -> bool:
    """Whether a debugger has stopped the code."""
    while frame is not None:
        if frame.f_globals.get("__name__") in {"bdb", "pdb", "pydevd", "debugpy"}:
            return True
        frame = frame.f_back
    return False
