"""AWS's Runtime Interface Emulator with our runtime as its child."""

from __future__ import annotations

import base64
import contextlib
import http.client
import os
import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.rie import CACHE, NoEmulator, binary
from support.process import Child, await_true, children
from support.runtime import COMMAND
from support.wire import PATIENCE, reserved_port

__all__ = ["CACHE", "Emulator", "NoEmulator", "addresses", "await_port", "binary", "ready", "rie"]


class Emulator:
    """A running emulator: one invocation at a time."""

    def __init__(self, child: Child, port: int) -> None:
        self.child = child
        self.port = port

    def invoke(self, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
        """The answer's bytes; the emulator tells an error by nothing but its text."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        sent = {}
        for name, value in (headers or {}).items():
            assert name == "Lambda-Runtime-Client-Context", f"the emulator has no way to send {name}"
            sent["X-Amz-Client-Context"] = base64.b64encode(value.encode()).decode()
        try:
            connection.request("POST", "/2015-03-31/functions/function/invocations", body, sent)
            return connection.getresponse().read()
        finally:
            connection.close()


@contextlib.contextmanager
def rie(handler: str, root: Path, env: Mapping[str, str], command: Sequence[str] = COMMAND) -> Iterator[Emulator]:
    """The emulator, with the runtime under it, ready for events."""
    settings = {"LAMBDA_TASK_ROOT": str(root), "HANDLER": handler, **env}
    with addresses() as (front, options):
        child = Child([str(binary()), "--log-level", "error", *options, *command], settings, root)
        with ready(child, front) as emulator:
            yield emulator


@contextlib.contextmanager
def addresses() -> Iterator[tuple[int, list[str]]]:
    """The port that an emulator listens on, and the options that tell it of this one and that of its Runtime API."""
    with reserved_port() as front, reserved_port() as back:
        options = ["--runtime-interface-emulator-address", f"127.0.0.1:{front}"]
        yield front, [*options, "--runtime-api-address", f"127.0.0.1:{back}"]


@contextlib.contextmanager
def ready(child: Child, front: int) -> Iterator[Emulator]:
    """An emulator that was started, once it listens; killed with its runtime in the end."""
    try:
        await_port(child, front)
        yield Emulator(child, front)
    finally:
        # The emulator puts the runtime into a session of its own, out of reach of a signal to its group.
        runtimes = children(child.process.pid)
        child.kill()
        for runtime in runtimes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(runtime, signal.SIGKILL)


def await_port(child: Child, port: int) -> None:
    """The emulator says nothing when it listens, so its port is knocked at."""

    def listens() -> bool:
        assert child.process.poll() is None, f"the emulator does not listen on {port}:\n{child.log}"
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", port)) == 0

    await_true(listens, f"a listener on {port}")
