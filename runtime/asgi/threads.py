"""Threads for calls that may block; `concurrent.futures` takes five times as long to hand over a call."""

from __future__ import annotations

from contextlib import suppress
from contextvars import copy_context
from queue import SimpleQueue
from threading import Thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future
    from collections.abc import Callable
    from contextvars import Context
    from typing import Any, TypeAlias

    #: Gets what a call has returned, or raised.
    Outcome: TypeAlias = Future[tuple[Any, BaseException | None]]
    Call: TypeAlias = tuple[Outcome, Context, Callable[..., Any], tuple[Any, ...]]


class Threads:
    """Threads beside an event loop, started when there is work for them; none keeps the process from ending."""

    def __init__(self, loop: AbstractEventLoop, limit: int, prepare: Callable[[], None] | None = None) -> None:
        """Create them.

        Args:
            loop: the loop.
            limit: how many there are at most.
            prepare: is called in each thread at its start.
        """
        self._loop = loop
        self._limit = limit
        self._prepare = prepare
        self._calls: SimpleQueue[Call | None] = SimpleQueue()
        self._started = 0
        self._under_way = 0

    async def run(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """What a call returns in a thread, in a copy of this context; it is not made if this is cancelled before."""
        outcome: Outcome = self._loop.create_future()
        self._under_way += 1
        if self._started < min(self._under_way, self._limit):
            Thread(target=self._work, name=f"invocation_{self._started}", daemon=True).start()
            self._started += 1
        self._calls.put((outcome, copy_context(), call, arguments))
        result, error = await outcome
        if error is not None:
            try:
                raise error
            finally:
                del error  # the traceback has this frame: a cycle
        return result

    def end(self) -> None:
        """End the threads, each after what it is doing."""
        for _ in range(self._started):
            self._calls.put(None)

    def _work(self) -> None:
        if self._prepare is not None:
            self._prepare()
        with suppress(RuntimeError):  # the loop is closed
            while (taken := self._calls.get()) is not None:
                self._make(*taken)
                del taken

    def _make(self, outcome: Outcome, context: Context, call: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        result: Any = None
        error: BaseException | None = None
        if not outcome.cancelled():
            try:
                result = context.run(call, *arguments)
            except BaseException as failure:  # noqa: BLE001 - raised where it is awaited
                error = failure
        try:
            self._loop.call_soon_threadsafe(self._settle, outcome, result, error)
        finally:
            del error  # the traceback has this frame: a cycle

    def _settle(self, outcome: Outcome, result: Any, error: BaseException | None) -> None:
        self._under_way -= 1
        if not outcome.done():
            outcome.set_result((result, error))
