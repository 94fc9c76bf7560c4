"""What the tests of the local platform share: a client that is a runtime, and runtimes to start."""

from __future__ import annotations

import http.client
import json
import shlex
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.local.functions import Function

PATIENCE = 20.0
#: AWS's own runtime client as a runtime.
AWS_RUNTIME = (sys.executable, "-m", "awslambdaric")

HANDLER = '''
import json, os, sys, threading, time

calls = 0

def handler(event, context):
    """Does what the event says."""
    global calls
    calls += 1
    print("the event is", json.dumps(event))
    if "sleep" in event:
        time.sleep(event["sleep"])
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


def write_program(path: Path, source: str) -> Path:
    """An executable file; one without a first line of its own is Python of the interpreter that runs the tests."""
    path.write_text(source if source.startswith("#!") else f"#!{sys.executable}\n{source}")
    path.chmod(0o755)
    return path


def write_bootstrap(root: Path) -> Path:
    """AWS's runtime client as a `bootstrap`."""
    return write_program(root / "bootstrap", f'#!/bin/sh\nexec {shlex.join(AWS_RUNTIME)} "$_HANDLER"\n')


def aws_function(root: Path, handler: str = "app.handler", **settings: Any) -> Function:
    """A function served by AWS's runtime client."""
    return Function(handler=handler, root=write_handler(root), command=(*AWS_RUNTIME, handler), **settings)


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


@contextmanager
def client(address: str) -> Iterator[Client]:
    """A connection that is closed afterwards."""
    one = Client(address)
    try:
        yield one
    finally:
        one.connection.close()
