"""Starts the process of an execution environment; needs no event loop, so that one can be imported in the meantime."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final, NamedTuple

from runtime.local.environments.variables import new_log_stream, variables
from runtime.local.function import FunctionConfig

#: The arguments with which a Python runs this project's own runtime.
OWN_RUNTIME: Final = ("-P", "-m", "runtime")


def command(function: FunctionConfig) -> tuple[str, ...]:
    """Return the command that starts a function's runtime, under debugpy if the function has a debug port."""
    if function.command:
        return tuple(function.command)
    python = function.python or sys.executable
    if function.debug_port is None:
        return (python, *OWN_RUNTIME)
    safe_path, *module = OWN_RUNTIME
    where = ("--listen", f"127.0.0.1:{function.debug_port}", "--wait-for-client")
    return (python, safe_path, "-m", "debugpy", *where, *module)


def launch(function: FunctionConfig, environment: Mapping[str, str], log: int) -> subprocess.Popen[bytes]:
    """Start a function's runtime in a session of its own; its output goes to the descriptor `log`.

    Raises:
        OSError: its program cannot be run.
    """
    return subprocess.Popen(  # noqa: S603
        command(function),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd=function.folder,
        env=environment,
        start_new_session=True,
    )


class EarlyStart(NamedTuple):
    """A process that was started before there is an environment for it.

    Attributes:
        began: when it was started, by the performance counter.
        id: the name of its log stream.
        listener: where it calls the Runtime API; its first call waits until a server accepts it.
        log: the descriptor of the pipe to which it writes.
    """

    function: FunctionConfig
    began: float
    id: str
    listener: socket.socket
    log: int
    process: subprocess.Popen[bytes]


@contextmanager
def started_early(function: FunctionConfig) -> Iterator[EarlyStart | None]:
    """Start a function's process; at the end of the block, kill it if it is still running.

    The value is None if the process cannot be started: an environment, which tries again, reports why.
    """
    began, log_stream = time.perf_counter(), new_log_stream()
    reader, writer = os.pipe()
    try:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            try:
                environment = variables(function, "{}:{}".format(*listener.getsockname()), log_stream)
                process = launch(function, environment, writer)
            except OSError:
                process = None
            finally:
                os.close(writer)
            if process is None:
                yield None
                return
            try:
                yield EarlyStart(function, began, log_stream, listener, reader, process)
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
    finally:
        os.close(reader)
