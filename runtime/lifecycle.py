"""Ends the process: promptly on SIGTERM, whatever user code is doing."""

from __future__ import annotations

# Not signal: its enumerations cost a millisecond or two of a cold start.
import _signal as signal  # type: ignore[import-not-found]
import atexit
import os
import sys

# References from before user code runs, which may replace these functions.
from _thread import get_ident, interrupt_main, start_new_thread
from time import monotonic, sleep

from dispatch import event_variables
from dispatch.asynchrony import looking_like
from dispatch.cold_start import when_imported
from dispatch.errors import Terminated
from dispatch.exceptions import user_traceback

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any, NoReturn, TypeVar

    T = TypeVar("T")
    R = TypeVar("R")

#: How long a handler may go on after SIGTERM, in seconds. Lambda kills a runtime after 30 % of 500 ms.
GRACE = 0.15

#: How long the process may live after SIGTERM, with its hooks and atexit functions, in seconds. Lambda's shutdown phase
#: takes 2 seconds at most (AWS documentation, "Lambda execution environment lifecycle").
LAST = 1.5

#: The time between two knocks at the main thread, in seconds.
_TICK = 0.015

#: The signal with which the process knocks at its own main thread: one that user code hardly uses.
_KNOCK = getattr(signal, "SIGRTMAX", signal.SIGALRM)

#: The files of this package, and those of the runtime that call no user code.
_RUNTIME = os.path.join(os.path.dirname(os.path.abspath(__file__)), "")
_CALLS_NO_ONE = (
    *(_RUNTIME + name for name in ("transport/", "client.py", "logs.py", "standard_streams.py")),
    os.path.abspath(event_variables.__file__),
)


def nothing(*_: object) -> None:
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
    exits = issubclass(type(error), SystemExit)
    if error is not None and not exits:
        trace = user_traceback(error)
        sys.excepthook(type(error), BaseException.with_traceback(error, trace), trace)
    code = SystemExit.__dict__["code"].__get__(error) if exits else int(error is not None)
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)  # noqa: T201 - as Python itself does
    leave(code if isinstance(code, int) else int(code is not None))


class _Flag:
    """Sets the flag of a signal by an operator: after a call, Python would look for signals in the calling function."""

    __add__ = interrupt_main


_FLAG: Any = _Flag()


class Signals:
    """Turns SIGTERM and SIGINT into Terminated.

    Python drops what a signal handler raises in a `__del__`, in the callback of a fork, of a weak reference or of the
    garbage collector, and user code may catch it (`except:`). So it is raised again: at once if Python says that it was
    dropped, else after half of GRACE, but never while user code is dealing with it, in a `finally` for example. After
    GRACE, `last_resort` is called and the process ends anyway.

    Attributes:
        guard: a context manager around user code.
        pending: the exception that has to end the process, or None.
        stop: stops what the handler has started, when the process ends cleanly.
        last_resort: called with the reason, before a process that user code keeps alive is ended anyway.
        report: called with what a signal handler of user code raised while the runtime itself was at work.
    """

    def __init__(self) -> None:
        self.guard = ForkGuard()
        self.pending: Terminated | None = None
        self.stop: Callable[[], None] = nothing
        self.last_resort: Callable[[str], None] = nothing
        self.report: Callable[[BaseException], None] = nothing
        self._other_hook: Callable[[Any], object] = sys.unraisablehook
        self._mask: set[int] = set()
        self._late = self._overdue = False  # whether half of GRACE has passed, and all of it
        self._arrived = self._leaving = False
        # How often it was raised again, and how many of Python's looks for signals have passed since: none or ever
        # more, because in a loop the same look may always be in the code that catches it. The Thue-Morse sequence
        # says which of the two: a loop could keep step with every second one, but not with it.
        self._raised = self._skipped = 0

    def install(self) -> None:
        """From now on a signal ends the process cleanly."""
        signal.signal(signal.SIGTERM, self._terminate)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._terminate)
        os.register_at_fork(before=self._hold, after_in_parent=self._release, after_in_child=self._let_go)
        when_imported("signal", self._contain)

    def _hold(self) -> None:
        """Block signals before a fork: one that reached the child while it still has our handlers would be lost."""
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT, _KNOCK))

    def _release(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def _let_go(self) -> None:
        """Restore the usual effect of signals in a process that user code has forked."""
        self.guard.in_child = True
        self.pending, self.stop, self.last_resort = None, nothing, nothing
        ours = {signal.SIGTERM: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler, _KNOCK: signal.SIG_DFL}
        for number, default in ours.items():
            if signal.getsignal(number) in (self._terminate, self._knocked):
                signal.signal(number, default)
        self._release()

    def check(self) -> None:
        """Before the next event, raise Terminated if user code has caught it, and end a process that a hook forked."""
        if self.guard.in_child:
            _end_child(None)
        if self.pending is not None:
            raise self.pending

    def arrive(self) -> None:
        """Raise Terminated no more, because the process is ending."""
        self._arrived = True

    def leave_in_peace(self) -> None:
        """Give up the last resort, because the process is ending cleanly; LAST still limits how long that takes."""
        self._leaving = True

    def _terminate(self, number: int, _frame: FrameType | None) -> None:
        is_term = number == signal.SIGTERM
        self.end("SIGTERM" if is_term else "SIGINT", 0 if is_term else 128 + number)

    def end(self, reason: str, status: int) -> None:
        """Raise Terminated, because of a signal that has just come."""
        if self.pending is not None:  # a second signal must not disturb what the first one started
            return
        self.pending = Terminated(reason, status)
        signal.signal(_KNOCK, self._knocked)
        try:
            start_new_thread(self._watch, (get_ident(), self.pending.status))
        except RuntimeError:  # the process cannot have more threads
            signal.signal(signal.SIGALRM, self._insist)
            signal.setitimer(signal.ITIMER_REAL, GRACE, LAST)
        self._hear_of_what_is_dropped()
        if not self._arrived:
            raise self.pending

    def _hear_of_what_is_dropped(self) -> None:
        """Take the place of sys.unraisablehook, which Python calls with an exception that it drops."""
        if sys.unraisablehook != self._dropped:
            self._other_hook, sys.unraisablehook = sys.unraisablehook, self._dropped

    def _dropped(self, unraisable: Any) -> None:
        if unraisable.exc_value is not self.pending:
            self._other_hook(unraisable)
        if self.pending is not None and _leads_to(unraisable.exc_value, self.pending):
            _FLAG + _KNOCK  # no call after it: the code that Python returns to has to be interrupted

    def _knocked(self, _number: int, frame: FrameType | None) -> None:
        if self._leaving:
            return
        if self._overdue:
            self._insist()
        # In the hook for what is dropped, Python would print it; the hook sets the flag itself.
        if frame is not None and frame.f_code in (Signals._dropped.__code__, _leads_to.__code__):
            return
        if self.pending is None or self._arrived or _leads_to(sys.exception(), self.pending):
            return
        if self._skipped < self._raised.bit_count() % 2 * (self._raised // 2):
            self._skipped += 1
            _FLAG + _KNOCK  # no call after it, as above
            return
        self._raised, self._skipped = self._raised + 1, 0
        self._hear_of_what_is_dropped()
        if self._late:
            _FLAG + _KNOCK  # as above: whatever catches it silently, it is raised again right after that
        raise self.pending

    def _watch(self, main: int, status: int) -> None:
        """Knock at the main thread until the process ends; a thread, because user code uses the timer of signals."""
        began = monotonic()
        sleep(GRACE / 2)
        self._late = True
        while (passed := monotonic() - began) < LAST:
            self._overdue = passed >= GRACE
            if not self._leaving:
                # The flag, in case user code blocks the signal; the signal, to interrupt a system call. One that comes
                # between Python's last look for signals and the call interrupts nothing, so this goes on.
                interrupt_main(_KNOCK)
                signal.pthread_kill(main, _KNOCK)
            sleep(_TICK)
        os._exit(status)

    def _insist(self, *_: object) -> None:
        assert self.pending is not None  # noqa: S101 - nothing else calls this
        if self._leaving:
            os._exit(self.pending.status)
        self.leave_in_peace()
        sys.stdout = sys.__stdout__  # a script's standard output is its answer
        self.last_resort(self.pending.reason)
        leave(self.pending.status)

    def _contain(self, module: Any) -> None:
        """Let the signal handlers of user code, which it sets with this module, raise into user code alone.

        A timer that a handler has left running would otherwise raise while the runtime waits for the next event.
        """
        set_handler, get_handler = module.signal, module.getsignal

        def original(handler: Any) -> Any:
            return handler.original if isinstance(handler, _Contained) else handler

        def signal_(signalnum: Any, handler: Any) -> Any:
            contained = callable(handler) and handler is not module.default_int_handler
            return original(set_handler(signalnum, _Contained(handler, self) if contained else handler))

        def getsignal(signalnum: Any) -> Any:
            return original(get_handler(signalnum))

        module.signal, module.getsignal = looking_like(set_handler, signal_), looking_like(get_handler, getsignal)


class _Contained:
    """A signal handler of user code, whose exceptions are reported if they would hit the runtime."""

    def __init__(self, original: Any, signals: Signals) -> None:
        self.original = original
        self._signals = signals

    def __call__(self, number: int, frame: FrameType | None) -> None:
        try:
            self.original(number, frame)
        except (SystemExit, KeyboardInterrupt) as end:  # the user's own way to end the process
            if number == signal.SIGTERM and type(end) is SystemExit and not _is_ours(frame):
                # In a handler it would be taken for a failure of this event, and the process would go on.
                self._signals.end("exit", end.code if isinstance(end.code, int) else int(end.code is not None))
            raise
        except BaseException as error:
            if not _is_ours(frame):
                raise
            self._signals.report(error)


def _is_ours(frame: FrameType | None) -> bool:
    """Whether the runtime itself was at work when a signal came, and not code that it had called."""
    is_innermost = True
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(_CALLS_NO_ONE):
            return True
        if file.startswith(_RUNTIME):
            return is_innermost
        is_innermost = False
        frame = frame.f_back
    return False


def _leads_to(error: BaseException | None, cause: BaseException) -> bool:
    """Whether an exception is that one, or was raised while that one was being handled."""
    context_of, seen = BaseException.__dict__["__context__"].__get__, set()
    while error is not None and id(error) not in seen:
        if error is cause:
            return True
        seen.add(id(error))
        error = context_of(error)
    return False


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
