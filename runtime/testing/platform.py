"""The local platform for code that is not asynchronous."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from runtime.local.environments.log_lines import WriteLog, discard_log
from runtime.local.environments.platform import Platform
from runtime.local.function import FunctionConfig
from runtime.local.invocation import Event
from runtime.testing.result import Chunk, Result

T = TypeVar("T")


class LocalPlatform:
    """The local platform that `serving` yields, to invoke functions. Its event loop runs in a thread of its own."""

    def __init__(self, platform: Platform, loop: asyncio.AbstractEventLoop) -> None:
        self.platform = platform
        self._loop = loop

    def invoke(self, body: bytes | str = b"{}", name: str = "", *, request_id: str = "", **fields: str) -> Result:
        """Invoke a function and wait until it is ready for the next event.

        Args:
            body: the event.
            name: the function's name; not needed if there is only one.
            request_id: by default a new one.
            fields: further parts of the event: `arn`, `trace_id`, `client_context`, `cognito_identity`, `tenant_id`,
                `content_type`.
        """
        data = body.encode() if isinstance(body, str) else body
        return self.send(Event(data, request_id, **fields), name)

    def send(self, event: Event, name: str = "") -> Result:
        """The same for an event with all its fields."""
        return self.run(self._invoke(name or next(iter(self.platform.pools)), event))

    async def _invoke(self, name: str, event: Event) -> Result:
        started = time.monotonic()
        invocation = await self.platform.invoke(name, event)
        chunks = [Chunk(chunk, time.monotonic() - started) async for chunk in invocation.answer]
        report = await invocation.report
        answer = invocation.answer
        return Result(chunks, answer.content_type, answer.streaming, answer.error, report)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the platform's loop and wait for its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


@contextmanager
def loop_in_thread() -> Iterator[asyncio.AbstractEventLoop]:
    """Run an event loop in a thread until the block is left."""
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
def serving(*functions: FunctionConfig, write_log: WriteLog = discard_log) -> Iterator[LocalPlatform]:
    """Serve functions until the block is left; then every process that was started has ended.

    Args:
        functions: what to serve.
        write_log: called with each line of the functions' logs.
    """
    with loop_in_thread() as loop:
        platform = Platform(functions, write_log)
        local = LocalPlatform(platform, loop)
        try:
            yield local
        finally:
            local.run(platform.close())
