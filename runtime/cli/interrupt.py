"""Ctrl-C: ends the command quietly, with status 130, and leaves nothing behind, whatever the command is doing.

How depends on what there is to clean up. While the command is being imported, that is nothing: the process ends at
once. In a subcommand an exception is raised, so that `finally` and `with` clean up; a second Ctrl-C does not wait for
them. On an event loop the task is cancelled, which ends its processes; a second Ctrl-C changes nothing.
"""

from __future__ import annotations

# Not signal: importing its enumerations takes a moment in which Ctrl-C would still be a traceback.
import _signal as signal  # type: ignore[import-not-found]
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine
    from typing import Any, NoReturn, TypeVar

    T = TypeVar("T")

#: What a shell reports for a program that Ctrl-C has ended.
STATUS = 128 + signal.SIGINT
#: The other signals that end programs, and the status of a command that they have ended.
OTHERS, OTHER_STATUS = (signal.SIGTERM, signal.SIGHUP), 128 + signal.SIGTERM


def end(*_: object) -> NoReturn:
    """End the process at once; tracebacks, buffers and threads are left alone."""
    os._exit(STATUS)


def ends_at_once() -> None:
    """Let Ctrl-C end the process at once from now on."""
    _handle(end)


def raises() -> None:
    """Let Ctrl-C raise KeyboardInterrupt from now on; whoever catches it calls `end`."""

    def interrupt(*_: object) -> NoReturn:
        _handle(end)
        raise KeyboardInterrupt

    _handle(interrupt)
    # Raised in a destructor or in a weak reference's callback, it would be printed, then forgotten.
    sys.unraisablehook = _print_or_end


def _print_or_end(unraisable: sys.UnraisableHookArgs) -> None:
    if unraisable.exc_type is KeyboardInterrupt:
        end()
    sys.__unraisablehook__(unraisable)


def _handle(handler: Any) -> None:
    """Set the signal's handler, unless the signal is ignored, as it is for a job in the background."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, handler)


class Held:
    """A context manager: a Ctrl-C waits until the block has ended."""

    def __enter__(self) -> None:
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))

    def __exit__(self, *_: object) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)


class Raised:
    """A context manager: the other signals that end programs raise SystemExit in the block, so that it cleans up."""

    def __enter__(self) -> None:
        self._numbers = [number for number in OTHERS if signal.getsignal(number) is signal.SIG_DFL]
        for number in self._numbers:
            signal.signal(number, self._raise)

    def __exit__(self, *_: object) -> None:
        for number in self._numbers:
            signal.signal(number, signal.SIG_DFL)

    @staticmethod
    def _raise(*_: object) -> NoReturn:
        raise SystemExit(OTHER_STATUS)


def run_on_loop(work: Coroutine[Any, Any, T], new_loop: Callable[[], asyncio.AbstractEventLoop] | None = None) -> T:
    """Run `work` on an event loop. The first signal that ends programs cancels it, and is the reason of the exit.

    Args:
        work: what to run.
        new_loop: makes the loop; by default one of asyncio's own.

    Raises:
        SystemExit: there was a signal; the status is 130 for SIGINT, and 143 for SIGTERM and SIGHUP.
    """
    import asyncio

    received: list[int] = []

    async def until_signal() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def stop(number: int, _frame: object = None) -> None:
            if not received and task is not None:
                loop.call_soon_threadsafe(task.cancel)
            received.append(number)

        # These two also make every signal wake the loop. The first one is not handled by the loop, which would not
        # look at it again before its end.
        for number in OTHERS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, stop, number)
        _handle(stop)
        try:
            return await work
        finally:
            with Held():  # What `work` itself let the loop handle would be reset at the loop's end.
                loop.remove_signal_handler(signal.SIGINT)
                ends_at_once()

    ends_at_once()
    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            result = runner.run(until_signal())
    except asyncio.CancelledError:
        if not received:
            raise
    if received:
        sys.exit(STATUS if received[0] == signal.SIGINT else OTHER_STATUS)
    return result
