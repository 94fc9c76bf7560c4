"""The local platform for code that is not asynchronous: tests, scripts, a notebook.

with serving(Function(handler="app.handler", root=Path("."))) as local:
    result = local.invoke(b'{"name": "Ada"}')
    print(result.body, result.error, result.log)
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from runtime.local.environments.log_lines import Report
from runtime.local.environments.platform import Observer, Platform, ignore
from runtime.local.function import Function
from runtime.local.invocation import Event, FunctionError
from runtime.local.runtime_api.server import RuntimeApi

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Result:
    """A finished invocation; `chunks` are the answer as it came, `error` is None after a success."""

    chunks: list[bytes]
    content_type: str
    streaming: bool
    error: FunctionError | None
    report: Report

    @property
    def body(self) -> bytes:
        """The whole answer; the error report if it failed before the first byte."""
        body = b"".join(self.chunks)
        return body if self.error is None or body else self.error.body

    @property
    def log(self) -> str:
        """The function's log for this invocation, with START, END and REPORT."""
        return self.report.log


async def collect(platform: Platform, name: str, event: Event) -> Result:
    """Invoke a function and wait until all is over."""
    invocation = platform.invoke(name, event)
    answer = invocation.answer
    chunks = [chunk async for chunk in answer]
    report = await invocation.report
    return Result(chunks, answer.content_type, answer.streaming, answer.error, report)


class LocalPlatform:
    """A platform whose event loop runs in a thread of its own."""

    def __init__(self, platform: Platform, loop: asyncio.AbstractEventLoop) -> None:
        self.platform = platform
        self._loop = loop

    def invoke(self, body: bytes | str = b"{}", name: str = "", *, request_id: str = "", **fields: str) -> Result:
        """Invoke a function, by default the only one; `fields` are those of `Event`."""
        data = body.encode() if isinstance(body, str) else body
        target = name or next(iter(self.platform.pools))
        return self.run(collect(self.platform, target, Event(data, request_id, **fields)))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the platform's loop and wait for its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def call(self, function: Callable[[], T]) -> T:
        """Call a function on the platform's loop and wait for its result."""

        async def work() -> T:
            return function()

        return self.run(work())


@contextmanager
def loop_in_thread() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop that runs in a thread until the block is left."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="local platform", daemon=True)
    thread.start()
    try:
        yield loop
    finally:
        asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _cancel_all() -> None:
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)


@contextmanager
def serving(*functions: Function, write_log: Observer = ignore) -> Iterator[LocalPlatform]:
    """The platform with these functions, until the block is left; then every process it started has ended."""
    with loop_in_thread() as loop:
        platform = Platform(functions, write_log)
        local = LocalPlatform(platform, loop)
        try:
            yield local
        finally:
            local.run(platform.close())


class LocalRuntimeApi:
    """The Runtime API alone, for a runtime that somebody else started."""

    def __init__(self, api: RuntimeApi, loop: asyncio.AbstractEventLoop) -> None:
        self.api = api
        self.address = api.address
        self.loop = loop

    def offer(self, body: bytes = b"{}", request_id: str = "1", **fields: str) -> Future[Result]:
        """Hand the runtime an event as soon as it asks for one; the future resolves once it asks again."""
        work = self._offer(Event(body, request_id, **fields))
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    async def _offer(self, event: Event) -> Result:
        await asyncio.shield(self.api.idle)
        started, began = time.time(), time.perf_counter()
        answer = self.api.deliver(event, int((started + 60) * 1000)).answer
        chunks = [chunk async for chunk in answer]
        await asyncio.shield(self.api.idle)
        duration = (time.perf_counter() - began) * 1000
        report = Report(event.request_id, "", started, duration, 0, 0, error=answer.error)
        return Result(chunks, answer.content_type, answer.streaming, answer.error, report)


@contextmanager
def runtime_api(*, snap_start: bool = False) -> Iterator[LocalRuntimeApi]:
    """A Runtime API without a platform: give `address` to a runtime and `offer` it events."""
    with loop_in_thread() as loop:

        async def start() -> RuntimeApi:
            api = RuntimeApi(Function(initialization="snap-start" if snap_start else "on-demand"))
            await api.start()
            return api

        api = asyncio.run_coroutine_threadsafe(start(), loop).result()
        try:
            yield LocalRuntimeApi(api, loop)
        finally:
            asyncio.run_coroutine_threadsafe(api.close(), loop).result()
