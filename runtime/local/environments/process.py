"""The process of an execution environment: started in a session of its own, and ended with all its children."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from typing import Final

from runtime.local.environments.log_pipe import LogPipe, WriteText
from runtime.local.environments.process_tree import resident_memory, session_members
from runtime.local.function import FunctionConfig

#: The arguments with which a Python runs this project's own runtime.
OWN_RUNTIME: Final = ("-P", "-m", "runtime")
#: Seconds between SIGTERM and SIGKILL: what Lambda allows with an external extension.
GRACE: Final = 2.0


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


async def to_the_end(cleanup: Coroutine[object, object, None]) -> None:
    """Await what cleans up; a cancellation in between takes effect after it."""
    task, cancelled = asyncio.ensure_future(cleanup), None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
    task.result()
    if cancelled is not None:
        raise cancelled


class Process:
    """A running runtime; `start` starts one. `exited` resolves to its status."""

    def __init__(self, process: asyncio.subprocess.Process, log: LogPipe) -> None:
        self._process = process
        self._log = log
        self.pid = process.pid
        self.exited: asyncio.Future[int] = asyncio.ensure_future(process.wait())

    @classmethod
    async def start(cls, function: FunctionConfig, environment: Mapping[str, str], write: WriteText) -> Process:
        """Start a function's runtime; `write` gets each line of its output.

        Raises:
            OSError: its program cannot be run.
        """
        log = LogPipe.open(write)
        try:
            process = await asyncio.create_subprocess_exec(
                *command(function),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log.writer,
                stderr=log.writer,
                cwd=function.folder,
                env=environment,
                start_new_session=True,
            )
        except BaseException:
            log.close()
            raise
        log.close_writer()
        return cls(process, log)

    def drain_log(self) -> None:
        """Pass on everything that the process wrote until now."""
        self._log.drain()

    async def stop(self, grace: float = GRACE) -> None:
        """Send SIGTERM, then SIGKILL after the grace period; the children end too."""
        if not self.exited.done():
            self._signal(signal.SIGTERM)
            await asyncio.wait({self.exited}, timeout=grace)
        self._signal(signal.SIGKILL)
        self._kill_other_groups()
        await self.exited
        self._log.close()

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            # No process is left in the session; macOS raises PermissionError for zombies.
            return

    def _kill_other_groups(self) -> None:
        """Kill what runs in a process group of its own, such as a program of the `process` convention."""
        for pid in session_members(self.pid):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)

    def exit_reason(self) -> str:
        """Return how the process ended, in Lambda's words."""
        status = self.exited.result()
        if status < 0:
            return f"Runtime exited with error: signal: {(signal.strsignal(-status) or str(-status)).lower()}"
        if status:
            return f"Runtime exited with error: exit status {status}"
        return "Runtime exited without providing a reason"

    def memory(self) -> int:
        """Return the resident memory of the process and its children, in bytes; 0 on a system without `/proc`."""
        return resident_memory(self.pid)
