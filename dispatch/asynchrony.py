"""Settles async values before any convention sees them: awaitables become values, async iterables become iterators.

One event loop lives as long as the process, so that a handler can keep a client session or a background task between
events. asyncio is imported when the first awaitable appears.
"""

from __future__ import annotations

import sys
from _collections_abc import AsyncIterable, Awaitable
from types import CoroutineType, FunctionType

from dispatch.response import HTTPResponse

TYPE_CHECKING = False
if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator
    from typing import Any, TypeAlias

    #: Returns the result of a coroutine that has to run on a loop.
    AwaitOn: TypeAlias = Callable[[Any, asyncio.AbstractEventLoop], Any]

#: How long the main thread waits at most before it looks for signals, in seconds. A signal that arrives between
#: Python's last look and a system call does not interrupt the call and is noticed only after it.
LONGEST_WAIT = 0.25

#: How long tasks may take to end when the process ends, in seconds.
_LEAVE = 0.1

#: Types that need no settling; nearly every answer has one of them.
_SETTLED = frozenset({bytes, str, dict, list, tuple, int, float, bool, type(None)})


def plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function so that calling it never returns anything async.

    Otherwise the wrapper looks like the user's function: `inspect.signature`, `typing.get_type_hints`, its names, its
    docstring and the attributes that decorators have set are the same.
    """

    def call(*arguments: Any, **options: Any) -> Any:
        value = function(*arguments, **options)
        return value if type(value) in _SETTLED else settle(value)

    return looking_like(function, call)


#: Attributes of a function that the wrapper copies; Python 3.14 computes annotations on demand.
_NAMES = ("__module__", "__name__", "__qualname__", "__doc__", "__type_params__")
_ANNOTATIONS = "__annotate__" if sys.version_info >= (3, 14) else "__annotations__"

#: Marks that make inspect and asyncio treat a function as an `async def`.
_ASYNC_MARKS = ("_is_coroutine_marker", "_is_coroutine")


def looking_like(original: Any, call: Any) -> Callable[..., Any]:
    """Make `call` look like the original: functools.wraps without importing it, and also for callable objects."""
    call.__name__, call.__annotations__ = type(original).__name__, {}
    seen = original
    if not isinstance(original, type):
        method = getattr(type(original), "__call__", None)  # noqa: B004 - its annotations are wanted
        if isinstance(method, FunctionType) and not hasattr(original, "__wrapped__"):
            seen = method.__get__(original)
        call.__dict__.update(getattr(original, "__dict__", {}))
        _copy(seen, call, _ANNOTATIONS)
        for mark in _ASYNC_MARKS:
            call.__dict__.pop(mark, None)
    for name in _NAMES:
        _copy(original, call, name)
    call.__wrapped__ = seen
    return call  # type: ignore[no-any-return]


def _copy(original: Any, call: Any, name: str) -> None:
    try:
        setattr(call, name, getattr(original, name))
    except (AttributeError, TypeError):  # an object may lack the attribute, or use its name for something else
        return


def settle(value: Any) -> Any:
    """Await an awaitable, turn an async iterable into an iterator, and return anything else as it is.

    An `HTTPResponse` is returned with its body settled.
    """
    if type(value) in _SETTLED:
        return value
    if type(value) is CoroutineType:
        return settle(_loop.run(value))
    if isinstance(value, Awaitable):
        return settle(_loop.run(_await(value)))
    if isinstance(value, AsyncIterable):
        return _loop.iterate(value)
    if isinstance(value, HTTPResponse):
        value.body = settle(value.body)
    return value


def share() -> None:
    """Run the event loop in its own thread, so that several threads can await on it."""
    _loop.share()


def adopt(loop: asyncio.AbstractEventLoop, await_on: AwaitOn) -> None:
    """Await on a loop that others run, such as that of an ASGI server.

    Args:
        loop: the loop, which becomes that of `event_loop()`.
        await_on: returns the result of a coroutine that has to run on it; called wherever something is settled.
    """
    _loop.adopt(loop, await_on)


def keep_apart() -> None:
    """Do not make the event loop the thread's current one, for programs like tests, which have loops of their own."""
    import asyncio

    _loop.factory = asyncio.new_event_loop


def event_loop() -> tuple[asyncio.AbstractEventLoop, bool]:
    """The event loop, and whether it runs in its own thread; if not, it runs only while something is awaited."""
    return _loop.get()


def close() -> None:
    """End the event loop and cancel the tasks that are still on it, waiting only briefly for them."""
    _loop.close()


async def _await(value: Awaitable[Any]) -> Any:
    return await value


async def _outcome(coroutine: Any) -> Any:
    """What a coroutine returns, or a _Failure.

    asyncio asks an exception whether it is a SystemExit, and never stops the loop if its `__class__` says so.
    """
    try:
        return await coroutine
    except Exception as error:  # noqa: BLE001 - raised again outside the loop
        return _Failure(error)


class _Failure:
    """The exception that a coroutine has raised."""

    __slots__ = ("error",)

    def __init__(self, error: Exception) -> None:
        self.error = error


class _Loop:
    """The process's only event loop, created when it is first needed."""

    _runner: asyncio.Runner | None = None
    _shared: asyncio.AbstractEventLoop | None = None
    #: Makes the loop; by default it becomes the thread's current one, too.
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None

    def __init__(self) -> None:
        self._await_on: AwaitOn = awaited_elsewhere

    def run(self, coroutine: Any) -> Any:
        if self._shared is not None:
            return self._await_on(coroutine, self._shared)
        from contextvars import copy_context

        # Without context= a Runner keeps the context variables of its first call.
        outcome = self._own().run(_outcome(coroutine), context=copy_context())
        if type(outcome) is not _Failure:
            return outcome
        try:
            raise outcome.error
        finally:
            del outcome  # the traceback has this frame: a cycle

    def get(self) -> tuple[asyncio.AbstractEventLoop, bool]:
        """The loop, and whether it is shared, that is, running in another thread."""
        return (self._shared, True) if self._shared is not None else (self._own().get_loop(), False)

    def _own(self) -> asyncio.Runner:
        if self._runner is None:
            import asyncio

            self._runner = asyncio.Runner(loop_factory=self.factory)
            _wake_up(self._runner.get_loop())
        return self._runner

    def iterate(self, source: AsyncIterable[Any]) -> Iterator[Any]:
        """The items of an async iterable, which runs only while the next item is awaited.

        One task drives it from start to end: with one task per item, asyncio.timeout and context variables inside it
        would not survive from one item to the next.
        """
        pump: _Pump = self.run(_started(source))
        return pump.items(self)

    def share(self) -> None:
        import asyncio
        import threading

        self._shared = asyncio.new_event_loop()
        threading.Thread(target=_keep_running, args=(self._shared,), name="event loop", daemon=True).start()

    def adopt(self, loop: asyncio.AbstractEventLoop, await_on: AwaitOn) -> None:
        self._shared, self._await_on = loop, await_on

    def close(self) -> None:
        if self._shared is not None:
            self.run(_cancel_all())
        if self._runner is not None:
            # Not the runner's own close(), which waits for tasks that refuse to end and for the threads of a pool.
            runner, self._runner = self._runner, None
            runner.run(_cancel_all())
            runner.get_loop().close()


def _wake_up(loop: asyncio.AbstractEventLoop) -> None:
    """Never let the loop wait for long, whatever its tasks wait for."""
    from contextvars import Context

    loop.call_later(LONGEST_WAIT, _wake_up, loop, context=Context())


def _keep_running(loop: asyncio.AbstractEventLoop) -> None:
    """Keep a loop running: a user's task that raises SystemExit ends one run, but must not end the other tasks."""
    while True:
        try:
            loop.run_forever()
        except BaseException:  # noqa: BLE001, S112 - asyncio has set it as the task's own exception
            continue


async def _cancel_all() -> None:
    """End every task and generator on this loop, so that their `finally` blocks run."""
    import asyncio

    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    tasks.add(asyncio.create_task(asyncio.get_running_loop().shutdown_asyncgens()))
    await asyncio.wait(tasks, timeout=_LEAVE)


def awaited_elsewhere(coroutine: Any, loop: asyncio.AbstractEventLoop) -> Any:
    """The result of a coroutine that runs on another thread's loop, in this thread's context."""
    import concurrent.futures
    from contextvars import copy_context

    done: concurrent.futures.Future[Any] = concurrent.futures.Future()

    async def finish() -> None:
        try:
            done.set_result(await coroutine)
        except BaseException as error:  # noqa: BLE001 - raised in the waiting thread; here it would end the loop
            done.set_exception(error)

    def start() -> None:
        task = loop.create_task(finish())
        _tasks.add(task)
        task.add_done_callback(_tasks.discard)

    # A task gets the context in which it is created.
    loop.call_soon_threadsafe(start, context=copy_context())
    error = done.exception()
    if error is not None:
        raise error
    return done.result()


#: The loop itself keeps only weak references to its tasks.
_tasks: set[asyncio.Task[None]] = set()


async def _started(source: AsyncIterable[Any]) -> _Pump:
    return _Pump(source)


class _Pump:
    """Hands over the items of an async iterable one by one, on demand."""

    def __init__(self, source: AsyncIterable[Any]) -> None:
        import asyncio

        self._source = source
        self._ready: asyncio.Queue[tuple[Any] | None] = asyncio.Queue()
        self._wanted = asyncio.Event()
        self._failure: BaseException | None = None
        self._task = asyncio.get_running_loop().create_task(self._drive())

    async def _drive(self) -> None:
        try:
            await self._hand_over()
        except BaseException as error:  # noqa: BLE001 - SystemExit from a task would end the loop
            self._failure = error
        self._ready.put_nowait(None)

    async def _hand_over(self) -> None:
        try:
            await self._wanted.wait()
            async for item in self._source:
                self._wanted.clear()
                self._ready.put_nowait((item,))
                await self._wanted.wait()
        finally:
            close = getattr(type(self._source), "aclose", None)
            if close is not None:
                await close(self._source)

    async def _next(self) -> tuple[Any] | None:
        self._wanted.set()
        item = await self._ready.get()
        if item is None and self._failure is not None:
            raise self._failure
        return item

    async def _stop(self) -> None:
        import asyncio

        self._task.cancel()
        await asyncio.wait([self._task])

    def items(self, loop: _Loop) -> Iterator[Any]:
        try:
            while (item := loop.run(self._next())) is not None:
                yield item[0]
        finally:
            if not self._task.done():
                loop.run(self._stop())


_loop = _Loop()
