"""Plain code and tasks on the event loop taking turns, for conventions in which one call needs several."""

from __future__ import annotations

from _thread import allocate_lock
from contextvars import copy_context

from dispatch.asynchrony import event_loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from typing import Any, TypeAlias

    #: Begins a turn: schedules something on the loop.
    Step: TypeAlias = Callable[[asyncio.AbstractEventLoop], object]


class Turns:
    """Lets the event loop run in turns, each of which lasts until a condition is true.

    Several times as quick as `settle`, which makes a task and needs several rounds of the loop for each call.
    """

    __slots__ = ("_end", "_until")

    def __init__(self) -> None:
        self._end: Callable[[], object] | None = None

    def take(self, step: Step, until: Callable[[], bool]) -> None:
        """Call `step(loop)` where the loop runs, then let the loop run until the condition is true."""
        self._until: Any = until
        loop, is_shared = event_loop()
        try:
            (self._wait if is_shared else self._run)(loop, step)
        finally:
            self._end = None
            del self._until  # no cycle of references to the caller

    def news(self) -> None:
        """Look at the condition again. Tasks on the loop call this when something has changed."""
        if self._end is not None and self._until():
            end, self._end = self._end, None
            end()

    def _run(self, loop: asyncio.AbstractEventLoop, step: Step) -> None:
        step(loop)
        while not self._until():
            self._end = loop.stop
            # Another task may stop the loop, too.
            loop.run_forever()

    def _wait(self, loop: asyncio.AbstractEventLoop, step: Step) -> None:
        done = allocate_lock()
        done.acquire()
        self._end = done.release

        def begin() -> None:
            step(loop)
            self.news()

        loop.call_soon_threadsafe(begin, context=copy_context())
        done.acquire()
