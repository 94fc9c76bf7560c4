"""What the tests of the local platform share: a client that is a runtime, and runtimes to start."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from runtime.local.function import ON_DEMAND, SNAP_START, FunctionConfig
from runtime.local.invocation import Event, InvocationReport
from runtime.local.runtime_api.server import RuntimeApiServer
from runtime.local.runtime_api.session import RuntimeSession
from runtime.testing import Chunk, Function, Result
from runtime.testing.platform import loop_in_thread
from support.process import Child, await_true
from support.runtime import AWS_COMMAND
from support.wire import PATIENCE

HANDLER = '''
import json, os, sys, threading, time

calls = 0

def handler(event, context):
    """Does what the event says."""
    global calls
    calls += 1
    print("the event is", json.dumps(event))
    while not os.path.exists(event.get("wait", "/")):
        time.sleep(0.01)
    if "exit" in event:
        os._exit(event["exit"])
    if "raise" in event:
        raise ValueError(event["raise"])
    if "eat" in event:
        block = bytearray(event["eat"] * 1024 * 1024)
        block[:] = b"x" * len(block)
        threading.Event().wait()
    if "env" in event:
        return {name: os.environ.get(name) for name in event["env"]}
    return {
        "event": event,
        "calls": calls,
        "pid": os.getpid(),
        "left": context.get_remaining_time_in_millis(),
        "arn": context.invoked_function_arn,
        "id": context.aws_request_id,
        "trace": os.environ.get("_X_AMZN_TRACE_ID"),
        "client": context.client_context and context.client_context.custom,
        "tenant": context.tenant_id,
        "cwd": os.getcwd(),
    }
'''


def write_handler(root: Path, source: str = HANDLER) -> Path:
    """An `app.py` in the folder; the folder."""
    (root / "app.py").write_text(source)
    return root


def save(path: Path, text: str, like: os.stat_result | None = None) -> None:
    """Write a file in one step, with the times of another if need be: what is half written would be a change as well."""
    new = path.parent.with_name(f"{path.parent.name}-{path.name}")
    new.write_text(text)
    if like is not None:
        os.utime(new, ns=(like.st_atime_ns, like.st_mtime_ns))
    new.replace(path)


def write_program(path: Path, source: str) -> Path:
    """An executable file; one without a first line of its own is Python of the interpreter that runs the tests."""
    path.write_text(source if source.startswith("#!") else f"#!{sys.executable}\n{source}")
    path.chmod(0o755)
    return path


def write_bootstrap(root: Path) -> Path:
    """AWS's runtime client as a `bootstrap`."""
    return write_program(root / "bootstrap", f'#!/bin/sh\nexec {shlex.join(AWS_COMMAND)} "$_HANDLER"\n')


def aws_function(root: Path, timeout: float = 30, **settings: Any) -> Function:
    """A function served by AWS's runtime client."""
    command = (*AWS_COMMAND, "app.handler")
    return Function(handler="app.handler", root=write_handler(root), command=command, timeout=timeout, **settings)


@dataclass(frozen=True)
class Got:
    """What an HTTP server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Client:
    """One kept-alive connection."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.connection = http.client.HTTPConnection(address, timeout=PATIENCE)

    def call(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Got:
        """One request and its answer."""
        chunked = body is not None and not isinstance(body, bytes | str)
        self.connection.request(method, path, body, dict(headers or {}), encode_chunked=chunked)
        answer = self.connection.getresponse()
        return Got(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())

    def runtime(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Got:
        """One call of the Runtime API."""
        return self.call(method, f"/2018-06-01/{path}", body, headers)

    def next(self) -> Got:
        """Poll for an event."""
        return self.runtime("GET", "runtime/invocation/next")


class LocalRuntimeApi:
    """The Runtime API alone, for a runtime that the test is, or has started."""

    def __init__(self, session: RuntimeSession, address: str, loop: asyncio.AbstractEventLoop) -> None:
        self.session = session
        self.address = address
        self.loop = loop

    def offer(self, body: bytes = b"{}", request_id: str = "1", **fields: str) -> Future[Result]:
        """Hand the runtime an event as soon as it asks for one; the future resolves once it asks again."""
        work = self._offer(Event(body, request_id, **fields))
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    async def _offer(self, event: Event) -> Result:
        await asyncio.shield(self.session.idle)
        started, began = time.time(), time.perf_counter()
        answer = self.session.deliver(event, int((started + 60) * 1000)).answer
        chunks = [Chunk(chunk, time.perf_counter() - began) async for chunk in answer]
        await asyncio.shield(self.session.idle)
        duration = (time.perf_counter() - began) * 1000
        report = InvocationReport(event.request_id, "", started, duration, 0, 0, error=answer.error)
        return Result(chunks, answer.content_type, answer.streaming, answer.error, report)


@contextmanager
def runtime_api(*, snap_start: bool = False) -> Iterator[LocalRuntimeApi]:
    """A Runtime API without a platform: give `address` to a runtime and `offer` it events."""
    function = FunctionConfig(initialization=SNAP_START if snap_start else ON_DEMAND)

    async def start() -> RuntimeApiServer:
        server = RuntimeApiServer(RuntimeSession(function))
        await server.listen()
        return server

    with loop_in_thread() as loop:
        server = asyncio.run_coroutine_threadsafe(start(), loop).result()
        try:
            yield LocalRuntimeApi(server.session, server.address, loop)
        finally:
            asyncio.run_coroutine_threadsafe(server.close(), loop).result()


@contextmanager
def client(address: str) -> Iterator[Client]:
    """A connection that is closed afterwards."""
    one = Client(address)
    try:
        yield one
    finally:
        one.connection.close()


class ServerProcess:
    """`dispatch serve` as a process of its own, on a free port; `lines` is what it wrote on standard error."""

    def __init__(self, root: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        self.root = root
        command = [sys.executable, "-m", "runtime.cli", "serve", "--port", "0", *arguments]
        state = {"XDG_STATE_HOME": str(root.parent / f"{root.name}-state")}
        self.child = Child(command, {**os.environ, **state, **(environment or {})}, root)
        self.process = self.child.process

    def __enter__(self) -> Self:
        await_true(lambda: b"\n" in self.child.output["stdout"] or self.process.poll() is not None, "a first line")
        first = self.child.output["stdout"].decode().partition("\n")[0]
        if not first.startswith("Serving on "):
            self.wait()
            raise AssertionError(f"it did not start: {self.lines}")
        port = int(first.rsplit(":", 1)[1])
        self.host = f"127.0.0.1:{port}"
        self.address = f"http://{self.host}"
        return self

    def __exit__(self, *_: object) -> None:
        self.child.signal()
        try:
            self.wait()
        finally:
            self.child.kill()

    @property
    def lines(self) -> list[str]:
        """What it has written on standard error so far."""
        return self.child.output["stderr"].decode().splitlines()

    def wait(self) -> int:
        """The exit status, once the process and its output have ended."""
        return self.child.wait()

    def line(self, words: str, count: int = 1) -> str:
        """Wait for the line with these words, the n-th of them; the line."""
        await_true(lambda: len([line for line in self.lines if words in line]) >= count, f"a line with {words!r}")
        return [line for line in self.lines if words in line][count - 1]
