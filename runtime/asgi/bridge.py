"""Runs conventions, which are plain functions, beside the server's event loop, and awaits on that loop for them.

An `async def` handler runs on the loop, although the convention around it is a plain function: the two are in a
greenlet, which is left whenever something has to be awaited. Everything else runs in threads.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from contextvars import ContextVar

from dispatch import asynchrony
from runtime.asgi.threads import Threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

try:
    from greenlet import GreenletExit, getcurrent, greenlet
except ImportError:
    greenlet = getcurrent = GreenletExit = None

#: As many threads as there can be, for work that hardly uses them.
MANY = 1000
#: Greenlets that are kept for further requests.
KEPT = 100

#: Up to so many threads have an event loop each, which takes three file descriptors.
_WITH_LOOPS = 100


class Interruptible:
    """Work that can be interrupted where it awaits something: that then raises CancelledError.

    Attributes:
        interrupted: whether it has been.
        watched: whether it may be from now on; until then, awaiting something costs less.
    """

    def __init__(self) -> None:
        self.interrupted = self.watched = False
        self._due = False
        self._awaiting: set[asyncio.Task[Any]] = set()

    def interrupt(self) -> None:
        """Interrupt what it awaits, or what it awaits next; once, so that it can still await what cleans up."""
        if self.interrupted:
            return
        self.interrupted, self._due = True, not self._awaiting
        for task in self._awaiting:
            task.cancel()

    def spare(self) -> None:
        """Let what it awaits next come to its end, even if it has been interrupted while it awaited nothing."""
        self._due = False

    def _cancel(self, task: asyncio.Task[Any]) -> None:
        if task in self._awaiting:
            task.cancel()

    async def awaited(self, coroutine: Any) -> Any:
        """The result of a coroutine. Raises CancelledError if the work is interrupted."""
        task = asyncio.current_task()
        if task is None:  # a server may drive coroutines itself
            return await coroutine
        self._awaiting.add(task)
        if self._due:
            self._due = False
            asyncio.get_running_loop().call_soon(self._cancel, task)
        try:
            return await coroutine
        except asyncio.CancelledError:
            if self.interrupted:
                task.uncancel()
            raise
        finally:
            self._awaiting.discard(task)


#: The work that is being done here.
work: ContextVar[Interruptible | None] = ContextVar("dispatch.work", default=None)


class Bridge:
    """The two places in which plain code runs: in a greenlet on the server's loop, and in a thread beside it."""

    def __init__(self) -> None:
        """Await on the running loop from now on."""
        self._loop = asyncio.get_running_loop()
        self._threads = Threads(self._loop, MANY)
        self._idle: list[_Worker] = []
        asynchrony.adopt(self._loop, _await_on)

    def limit(self, threads: int) -> None:
        """Use this number of threads at most."""
        self._threads.end()
        self._threads = Threads(self._loop, threads, _have_loop if threads <= _WITH_LOOPS else None)

    async def in_thread(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """What a function returns that may block."""
        return await self._threads.run(call, *arguments)

    async def on_loop(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """What a function returns that blocks only where it settles something; in a thread without greenlets."""
        if greenlet is None:
            return await self.in_thread(call, *arguments)
        return await _made(self._idle.pop() if self._idle else _Worker(), call, arguments, self._idle)

    async def apart(self, call: Callable[[], Any]) -> Any:
        """As `on_loop`, but as if no event loop were running there, so that the function may run one of its own."""
        return await (self.in_thread(call) if greenlet is None else _made(_Apart(), call, (), []))


async def _made(worker: Any, call: Callable[..., Any], arguments: tuple[Any, ...], idle: list[Any]) -> Any:
    """What a call returns that a worker makes, which is idle then; what it has to wait for is awaited here."""
    worker.parent = here = getcurrent()
    # Not a copy: what the function sets, the coroutines that it awaits see.
    worker.gr_context = here.gr_context
    awaitable = worker.switch(call, arguments)
    while awaitable is not None:
        try:
            value = await awaitable
        except BaseException as error:  # noqa: BLE001 - raised where the function awaits
            awaitable = worker.throw(type(error), error, error.__traceback__)
        else:
            awaitable = worker.switch(value)
    result, failure = worker.result, worker.error
    worker.result = worker.error = worker.gr_context = None
    if len(idle) < KEPT:
        idle.append(worker)
    if failure is not None:
        try:
            raise failure
        finally:
            del failure  # the traceback has this frame: a cycle
    return result


class _Worker(greenlet or object):  # type: ignore[misc]
    """Plain code on the server's loop; what it passes to its parent is awaited there.

    It makes one call after another, because starting a greenlet takes longer than all else that is done for a request.

    Attributes:
        result, error: what the latest call returned or raised.
    """

    result: Any = None
    error: BaseException | None = None

    def run(self, call: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        """Make a call; then wait for the next one."""
        while True:
            try:
                self.result = call(*arguments)
            except GreenletExit:  # nothing waits for it any more
                raise
            except BaseException as error:  # noqa: BLE001 - raised in the coroutine that waits for it
                self.error = error
            del call, arguments
            call, arguments = self.parent.switch(None)


class _Apart(_Worker):
    """A worker for which no event loop is running; another one is the current one, as in a program's main thread."""

    def __init__(self) -> None:
        super().__init__()
        self._own = asyncio.new_event_loop()

    def switch(self, *arguments: Any) -> Any:
        with self._outside():
            return super().switch(*arguments)

    def throw(self, *arguments: Any) -> Any:
        with self._outside():
            return super().throw(*arguments)

    @contextmanager
    def _outside(self) -> Iterator[None]:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        if task is not None:
            asyncio._leave_task(loop, task)  # noqa: SLF001 - for libraries that run tasks ("Extending asyncio")
        asyncio._set_running_loop(None)  # noqa: SLF001 - for libraries that run loops
        asyncio.set_event_loop(self._own)
        try:
            yield
        finally:
            asyncio.set_event_loop(loop)
            asyncio._set_running_loop(loop)  # noqa: SLF001 - as above
            if task is not None:
                asyncio._enter_task(loop, task)  # noqa: SLF001 - as above


def _have_loop() -> None:
    """Have a current event loop in this thread, as in a program's main thread, where a function for Lambda runs."""
    asyncio.set_event_loop(asyncio.new_event_loop())


def _await_on(coroutine: Any, loop: asyncio.AbstractEventLoop) -> Any:
    """Await a coroutine on the server's loop; returns its result to plain code, wherever that runs."""
    doing = work.get()
    if doing is not None and doing.watched:
        coroutine = doing.awaited(coroutine)
    here: Any = getcurrent and getcurrent()
    if isinstance(here, _Worker):
        return here.parent.switch(coroutine)
    if asyncio._get_running_loop() is loop:  # noqa: SLF001 - the public function raises where there is none
        coroutine.close()
        raise RuntimeError("plain code that is called by a coroutine cannot wait for another one; use await there")
    return asynchrony.awaited_elsewhere(coroutine, loop)
