"""AWS's Runtime Interface Emulator with our runtime as its child; the binary comes out of the aws-sam-cli wheel."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import http.client
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from support.process import Child, await_true, children
from support.runtime import COMMAND
from support.wire import PATIENCE, reserved_port

WHEEL = "aws-sam-cli==1.170.0"
MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
CACHE = Path(__file__).parents[2] / ".cache" / WHEEL.replace("==", "-")


class NoEmulator(Exception):
    """The emulator cannot be had here, and why."""


def binary() -> Path:
    """The emulator's file, fetched once into the project's cache; NoEmulator says why there is none."""
    machine = MACHINES.get(platform.machine().lower())
    if sys.platform != "linux" or machine is None:
        raise NoEmulator(f"no emulator for {sys.platform} on {platform.machine()}")
    path = CACHE / f"aws-lambda-rie-{machine}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        # Test processes side by side must not fetch it side by side.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            _fetch(path)
    return path


def _fetch(path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", folder, WHEEL]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode != 0:
            raise NoEmulator(f"{WHEEL} cannot be downloaded: {done.stderr.strip()[-300:]}")
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
            member = wheel.extract(f"samcli/local/rapid/{path.name}", folder)
        Path(member).chmod(0o755)
        shutil.move(member, path)


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
