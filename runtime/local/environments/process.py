"""The process of an execution environment: started in a session of its own, and ended with all its children."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from runtime.local.environments.log_pipe import LogPipe, Write
from runtime.local.function import Function

#: The runtime that serves a function that names none.
OWN_RUNTIME: Final = (sys.executable, "-P", "-m", "runtime")
#: Between SIGTERM and SIGKILL: what Lambda allows with an external extension (2 s).
GRACE: Final = 2.0

PROC: Final = Path("/proc")
PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def command(function: Function) -> tuple[str, ...]:
    """What starts a function's runtime; with a debug port it waits there for a debugger (debugpy) first."""
    if function.command:
        return tuple(function.command)
    if function.debug_port is None:
        return OWN_RUNTIME
    python, safe_path, *module = OWN_RUNTIME
    where = ("--listen", f"127.0.0.1:{function.debug_port}", "--wait-for-client")
    return (python, safe_path, "-m", "debugpy", *where, *module)


class Process:
    """A started runtime, whose output goes to `write` a line at a time."""

    def __init__(self, process: asyncio.subprocess.Process, log: LogPipe) -> None:
        self._process = process
        self._log = log
        self.pid = process.pid
        self.exited: asyncio.Future[int] = asyncio.ensure_future(process.wait())

    @classmethod
    async def start(cls, function: Function, environment: Mapping[str, str], write: Write) -> Process:
        """Start it; raise `OSError` if its program can't be run."""
        log = LogPipe(write)
        try:
            process = await asyncio.create_subprocess_exec(
                *command(function),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log.writer,
                stderr=log.writer,
                cwd=function.root,
                env=environment,
                start_new_session=True,
            )
        except BaseException:
            log.close()
            raise
        log.started()
        return cls(process, log)

    def drain_log(self) -> None:
        """Pass on all that the process wrote until now."""
        self._log.drain()

    def kill(self) -> None:
        """SIGKILL for the process and its children."""
        self._signal(signal.SIGKILL)

    async def stop(self, grace: float = GRACE) -> None:
        """SIGTERM, then SIGKILL after a grace period; what the children left running ends too."""
        if not self.exited.done():
            self._signal(signal.SIGTERM)
            await asyncio.wait({self.exited}, timeout=grace)
        self.kill()
        await self.exited
        self._log.close()

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            # No process is left in the session; macOS says PermissionError for zombies.
            return

    def how_it_ended(self) -> str:
        """The exit as the platform words it."""
        status = self.exited.result()
        if status < 0:
            return f"Runtime exited with error: signal: {(signal.strsignal(-status) or str(-status)).lower()}"
        return (
            f"Runtime exited with error: exit status {status}"
            if status
            else "Runtime exited without providing a reason"
        )

    def memory(self) -> int:
        """Resident memory of the process and its children, in bytes; 0 where the system does not tell (no /proc)."""
        return sum(_resident(pid) for pid in family(self.pid))


def family(pid: int) -> list[int]:
    """A process and its descendants; each thread has children of its own."""
    found = [pid]
    for parent in found:
        for children in (PROC / str(parent) / "task").glob("*/children"):
            try:
                found.extend(map(int, children.read_text().split()))
            except OSError:
                continue
    return found


def _resident(pid: int) -> int:
    try:
        return int((PROC / str(pid) / "statm").read_text().split()[1]) * PAGE
    except (OSError, IndexError):
        return 0
