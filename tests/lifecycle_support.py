"""What the tests of logs, workers, snapshots and shutdown share: any runtime, a scripted platform, a log to read."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import struct
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from peers.api import FakeRuntimeApi
from peers.process import COMMAND, Child, Runtime, tell_of_the_end
from peers.wire import Reply, Request, Wire

#: Ours with the convention of AWS's managed runtime, and the managed runtime's own client.
OURS = "dispatch"
AWS = "awslambdaric"
BOTH = (OURS, AWS)

#: The number of the log descriptor, as the platform might choose it.
DESCRIPTOR = 9


JSON = {"AWS_LAMBDA_LOG_FORMAT": "JSON"}


def text_after_end(runtime: Runtime) -> str:
    """All that the runtime wrote, once it was told to end."""
    runtime.child.signal(signal.SIGTERM)
    assert 0 == runtime.child.wait()
    return runtime.child.log


class Scripted(FakeRuntimeApi):
    """A Runtime API that also plays the rest of the platform: `script[path's end]` is answered as told, at once."""

    def __init__(self) -> None:
        self.script: dict[str, Reply] = {}
        self._current = threading.local()
        super().__init__()

    def _head(self, wire: Wire, connection: int, pipelined: bool) -> Request:
        request = super()._head(wire, connection, pipelined)
        self._current.request = request
        scripted = self._scripted()
        if scripted is not None and request.method == "POST":
            self.posts.appendleft(scripted)
        return request

    def _scripted(self) -> Reply | None:
        path = self._current.request.path
        return next((reply for end, reply in self.script.items() if path.endswith(end)), None)

    def _next_event(self, wire: Wire) -> Reply:
        return self._scripted() or super()._next_event(wire)

    def _passes(self, reply: Reply) -> bool:
        scripted = self._scripted()
        if scripted is not None and self._current.request.route == "restore/next":
            vars(reply).update(vars(scripted))  # a reply made for this request alone
        return super()._passes(reply)

    def stop(self) -> None:
        """Let go of what is held back, then stop."""
        for reply in self.script.values():
            if reply.gate is not None:
                reply.gate.set()
        super().stop()

    def paths(self) -> list[str]:
        """The paths of all requests, in the order in which they began."""
        return [request.path for request in self.requests]

    def ending(self, end: str) -> list[Request]:
        """The requests whose path ends so."""
        return [request for request in self.requests if request.complete and request.path.endswith(end)]


class Started(Runtime):
    """Any command as the runtime, under any scripted Runtime API."""

    def __init__(
        self, command: Sequence[str], root: Path, env: Mapping[str, str], api: FakeRuntimeApi | None = None
    ) -> None:
        self.api = api or FakeRuntimeApi()
        settings = {"AWS_LAMBDA_RUNTIME_API": self.api.address, "LAMBDA_TASK_ROOT": str(root), **env}
        self.child = Child(command, settings, root)
        tell_of_the_end(self.child.process, self.api)


def start(which: str, handler: str, root: Path, env: Mapping[str, str], **options: Any) -> Started:
    """Our runtime in the lambda convention, or AWS's."""
    if which == OURS:
        return Started((*COMMAND, handler), root, {"HANDLER_CONVENTION": "lambda", **env}, **options)
    return Started((sys.executable, "-m", "awslambdaric", handler), root, {"_HANDLER": handler, **env}, **options)


class Frame(NamedTuple):
    """One frame of the telemetry descriptor."""

    kind: int
    microseconds: int
    text: str


class LogPipe:
    """The reader of `_LAMBDA_TELEMETRY_LOG_FD`: a named pipe, which a shell opens as that descriptor."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = bytearray()
        os.mkfifo(path)
        self.reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        os.set_blocking(self.reader, True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.reader)

    def command(self, command: Sequence[str]) -> list[str]:
        """The command, with the pipe as its log descriptor."""
        return ["/bin/sh", "-c", f'exec {DESCRIPTOR}>"$LOG_PIPE"; exec "$@"', "sh", *command]

    @property
    def env(self) -> dict[str, str]:
        """What the command needs to find the pipe."""
        return {"LOG_PIPE": str(self.path), "_LAMBDA_TELEMETRY_LOG_FD": str(DESCRIPTOR)}

    def frames(self, piece: int = 65536) -> list[Frame]:
        """All frames, from the first writer to the last, read in pieces of that size; an error if a byte is left over."""
        while data := os.read(self.reader, piece):
            self.data += data
        return list(parsed(memoryview(self.data)))


def parsed(data: memoryview) -> Iterator[Frame]:
    """The frames of this stream of bytes."""
    while data:
        kind, length, microseconds = struct.unpack(">IIQ", data[:16])
        text, data = data[16 : 16 + length], data[16 + length :]
        assert length == len(text), f"a frame of {length} bytes has {len(text)}"
        yield Frame(kind, microseconds, str(text, "utf-8"))


def records(log: str) -> list[dict[str, Any]]:
    """The JSON records of a log that have a request id, if an empty one: not the runtime's own warnings."""
    found = []
    for line in log.splitlines():
        with contextlib.suppress(ValueError):
            value = json.loads(line)
            if isinstance(value, dict) and "requestId" in value:
                found.append(value)
    return found
