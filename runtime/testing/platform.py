"""The local platform for code that is not asynchronous."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from runtime.local.environments.log_lines import WriteLog, discard_log
from runtime.local.environments.platform import Platform
from runtime.local.function import FunctionConfig
from runtime.local.invocation import Event, FunctionError, InvocationReport

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Result:
    """A finished invocation.

    Attributes:
        chunks: the answer as it came.
        content_type: the answer's content type.
        streaming: whether the function streamed the answer.
        error: why the invocation failed, with `type`, `message` and `body`; None after a success.
        report: durations and memory, as in the log's REPORT line.
    """

    chunks: list[bytes]
    content_type: str
    streaming: bool
    error: FunctionError | None
    report: InvocationReport

    @property
    def body(self) -> bytes:
        """The whole answer; the error report if the invocation failed before the first byte."""
        body = b"".join(self.chunks)
        return body if self.error is None or body else self.error.body

    @property
    def text(self) -> str:
        """The body as UTF-8 text."""
        return self.body.decode()

    @property
    def json(self) -> Any:
        """The body parsed as JSON."""
        return json.loads(self.body)

    @property
    def log(self) -> str:
        """The function's log for this invocation, with START, END and REPORT."""
        return self.report.log


class LocalPlatform:
    """Functions that can be invoked; `serving` makes one. Its event loop runs in a thread of its own."""

    def __init__(self, platform: Platform, loop: asyncio.AbstractEventLoop) -> None:
        self.platform = platform
        self._loop = loop

    def invoke(self, body: bytes | str = b"{}", name: str = "", *, request_id: str = "", **fields: str) -> Result:
        """Invoke a function and wait until it is ready for the next event.

        Args:
            body: the event.
            name: the function's name; not needed if there is only one.
            request_id: by default a new one.
            fields: more of the event: `arn`, `trace_id`, `client_context`, `cognito_identity`, `tenant_id`,
                `content_type`.
        """
        data = body.encode() if isinstance(body, str) else body
        target = name or next(iter(self.platform.pools))
        return self.run(self._invoke(target, Event(data, request_id, **fields)))

    async def _invoke(self, name: str, event: Event) -> Result:
        invocation = self.platform.invoke(name, event)
        chunks = [chunk async for chunk in invocation.answer]
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
        write_log: is called with each line of the functions' logs.
    """
    with loop_in_thread() as loop:
        platform = Platform(functions, write_log)
        local = LocalPlatform(platform, loop)
        try:
            yield local
        finally:
            local.run(platform.close())
