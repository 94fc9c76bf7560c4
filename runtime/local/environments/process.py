"""The process of an execution environment: started in a session of its own, and ended with all its children."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from typing import Final

from runtime.local.environments.launch import EarlyStart, launch
from runtime.local.environments.log_pipe import LogPipe, WriteText
from runtime.local.environments.process_tree import resident_memory, session_members
from runtime.local.function import FunctionConfig

#: Seconds between SIGTERM and SIGKILL: what Lambda allows with an external extension.
GRACE: Final = 2.0


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


def _exit_status(process: subprocess.Popen[bytes]) -> asyncio.Future[int]:
    """Return a future of the status with which a process ends."""
    loop = asyncio.get_running_loop()
    exited: asyncio.Future[int] = loop.create_future()

    def note(status: int) -> None:
        if not exited.done():
            exited.set_result(status)

    def end() -> None:
        loop.remove_reader(descriptor)
        os.close(descriptor)
        note(process.wait())

    try:
        descriptor = os.pidfd_open(process.pid)
    except (AttributeError, OSError):  # another system than Linux, or one that forbids it
        wait = threading.Thread(target=lambda: loop.call_soon_threadsafe(note, process.wait()), daemon=True)
        wait.start()
    else:
        loop.add_reader(descriptor, end)
    return exited


class Process:
    """A running runtime; `start` starts one. `exited` resolves to its status."""

    def __init__(self, process: subprocess.Popen[bytes], log: LogPipe) -> None:
        self._log = log
        self.pid = process.pid
        self.exited = _exit_status(process)

    @classmethod
    def start(cls, function: FunctionConfig, environment: Mapping[str, str], write: WriteText) -> Process:
        """Start a function's runtime; `write` gets each line of its output.

        Raises:
            OSError: its program cannot be run.
        """
        log = LogPipe.open(write)
        try:
            process = launch(function, environment, log.writer)
        except BaseException:
            log.close()
            raise
        log.close_writer()
        return cls(process, log)

    @classmethod
    def adopt(cls, early: EarlyStart, write: WriteText) -> Process:
        """Take over a process that was started before; `write` gets each line of its output, from the first one on."""
        return cls(early.process, LogPipe.reading(os.dup(early.log), write))

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
