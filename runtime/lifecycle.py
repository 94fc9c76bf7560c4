"""Ends the process: promptly on SIGTERM, whatever user code is doing."""

from __future__ import annotations

# Not signal: its enumerations cost a millisecond or two of a cold start.
import _signal as signal  # type: ignore[import-not-found]
import atexit
import os
import sys

from dispatch.error_reports import user_traceback
from dispatch.errors import Terminated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import NoReturn, TypeVar

    T = TypeVar("T")
    R = TypeVar("R")

#: How long a handler may go on after SIGTERM, in seconds. Lambda kills a runtime after 30 % of 500 ms.
GRACE = 0.15


def nothing(*_: str) -> None:
    """What a process that has not loaded a function does at its end."""


class ForkGuard:
    """A context manager around user code: a process that user code has forked ends, like any program, after that code.

    Such a process is not an execution environment; its parent sends the answer.
    """

    def __init__(self) -> None:
        self.in_child = False

    def __enter__(self) -> None:
        return

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if self.in_child:
            _end_child(error)

    def around(self, call: Callable[[T], R]) -> Callable[[T], R]:
        """The call with this guard around it, at a quarter of what `with` costs: each invocation pays for it."""

        def guarded(argument: T) -> R:
            try:
                result = call(argument)
            except BaseException as error:
                if self.in_child:
                    _end_child(error)
                raise
            if self.in_child:
                _end_child(None)
            return result

        return guarded


def _end_child(error: BaseException | None) -> NoReturn:
    if error is not None and not isinstance(error, SystemExit):
        trace = user_traceback(error)
        sys.excepthook(type(error), error.with_traceback(trace), trace)
    code = error.code if isinstance(error, SystemExit) else int(error is not None)
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)  # noqa: T201 - as Python itself does
    leave(code if isinstance(code, int) else int(code is not None))


class Signals:
    """Turns SIGTERM and SIGINT into Terminated.

    User code may catch even that (`except:`); then `last_resort` is called and the process ends anyway.

    Attributes:
        guard: a context manager around user code.
        pending: the exception that has to end the process, or None.
        stop: stops what the handler has started, when the process ends cleanly.
        last_resort: called with the reason, before a process that user code keeps alive is ended anyway.
    """

    def __init__(self) -> None:
        self.guard = ForkGuard()
        self.pending: Terminated | None = None
        self.stop: Callable[[], None] = nothing
        self.last_resort: Callable[[str], None] = nothing
        self._mask: set[int] = set()

    def install(self) -> None:
        """From now on a signal ends the process cleanly."""
        signal.signal(signal.SIGTERM, self._terminate)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._terminate)
        os.register_at_fork(before=self._hold, after_in_parent=self._release, after_in_child=self._let_go)

    def _hold(self) -> None:
        """Block signals before a fork: one that reached the child while it still has our handlers would be lost."""
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))

    def _release(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def _let_go(self) -> None:
        """Restore the usual effect of signals in a process that user code has forked."""
        self.guard.in_child = True
        self.pending, self.stop, self.last_resort = None, nothing, nothing
        ours = {
            signal.SIGTERM: signal.SIG_DFL,
            signal.SIGINT: signal.default_int_handler,
            signal.SIGALRM: signal.SIG_DFL,
        }
        for number, default in ours.items():
            if signal.getsignal(number) in (self._terminate, self._insist):
                signal.signal(number, default)
        self._release()

    def check(self) -> None:
        """Before the next event, raise Terminated if user code has caught it, and end a process that a hook forked."""
        if self.guard.in_child:
            _end_child(None)
        if self.pending is not None:
            raise self.pending

    def ignore(self) -> None:
        """Ignore signals from now on, because the process is ending cleanly without the last resort."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)

    def _terminate(self, number: int, _frame: FrameType | None) -> None:
        if self.pending is not None:  # a second signal must not disturb what the first one started
            return
        terminated = number == signal.SIGTERM
        self.pending = Terminated("SIGTERM" if terminated else "SIGINT", 0 if terminated else 128 + number)
        signal.signal(signal.SIGALRM, self._insist)
        # Again and again: the moment between Python's last look for signals and a system call may swallow one.
        signal.setitimer(signal.ITIMER_REAL, GRACE, GRACE)
        raise self.pending

    def _insist(self, _number: int, _frame: FrameType | None) -> None:
        assert self.pending is not None  # noqa: S101 - the timer is set where it is
        self.ignore()
        sys.stdout = sys.__stdout__  # a script's standard output is its answer
        self.last_resort(self.pending.reason)
        leave(self.pending.status)


def leave(status: int) -> NoReturn:
    """End the process now: atexit functions run, but threads that user code has left behind are not awaited."""
    try:
        atexit._run_exitfuncs()  # noqa: SLF001 - sys.exit() would first join every thread that is not a daemon
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except (Exception, SystemExit):  # noqa: BLE001, S110 - there is nowhere left to report it
        pass
    finally:
        os._exit(status)
