"""A runtime: its process, and the Runtime API that only this process may call. A new process gets a new one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from runtime.local.environments import log_lines
from runtime.local.environments.environment_log import EnvironmentLog
from runtime.local.environments.launch import EarlyStart
from runtime.local.environments.process import Process
from runtime.local.environments.process_tree import owns_connection
from runtime.local.environments.variables import variables
from runtime.local.function import FunctionConfig
from runtime.local.function_error import FunctionError
from runtime.local.gates import Gate
from runtime.local.runtime_api.server import RuntimeApiServer, admit_all
from runtime.local.runtime_api.session import RuntimeSession

#: Seconds in which a process that cannot go on may end by itself and report why.
LAST_WORDS: Final = 0.5


class StartFailed(Exception):
    """The runtime could not be started; `error` is what the caller of its event gets."""

    def __init__(self, error: FunctionError) -> None:
        super().__init__(error.message)
        self.error = error


class LocalRuntime:
    """A runtime that `launch` starts; one that is `foreign` is started by the user, and may be started again.

    Attributes:
        process: None until it is started.
    """

    def __init__(self, function: FunctionConfig, log: EnvironmentLog, *, foreign: bool = False) -> None:
        self._function = function
        self._log = log
        self.process: Process | None = None
        self.session = RuntimeSession(function, restartable=foreign)
        # Which process the user starts cannot be known.
        self.server = RuntimeApiServer(self.session, admit_all if foreign else self._admit)
        #: Before it is known, nobody is admitted to the Runtime API.
        self._pid: Gate[int] = Gate()

    async def launch(
        self, limit: float | None, note_exit: Callable[[asyncio.Future[int]], None], early: EarlyStart | None = None
    ) -> bool:
        """Start the process, or adopt one that was started early; return whether it polls within the limit, in seconds.

        `note_exit` is called at its end.

        Raises:
            StartFailed: it cannot be started, ended, or reported an error.
        """
        address = await self.server.listen(sock=early.listener if early else None)
        try:
            if early:
                process = Process.adopt(early, self._log.write)
            else:
                environment = variables(self._function, address, self._log.stream)
                process = Process.start(self._function, environment, self._log.write)
        except OSError as error:
            raise StartFailed(FunctionError.of("Runtime.InvalidEntrypoint", str(error))) from error
        self.process = process
        process.exited.add_done_callback(note_exit)
        self._pid.open(process.pid)
        started = self.session.started
        if not await first_of(limit, started, process.exited):
            return False
        failure = started.result() if started.done() else log_lines.exited(self._log.request_id, process.exit_reason())
        if failure is not None:
            raise StartFailed(failure)
        return True

    async def _admit(self, peer: tuple[str, int]) -> bool:
        pid = await self._pid
        own = owns_connection(pid, peer, self.server.host_and_port)
        if not own:
            self._log.note("a process of another environment called this one's Runtime API, and was refused")
        return own

    async def last_words(self) -> None:
        """Wait a moment for the process to end by itself."""
        if self.process is not None:
            await first_of(LAST_WORDS, self.process.exited)

    async def end(self, grace: float = 0.0) -> None:
        """End the process: SIGTERM, and SIGKILL after the grace period, in seconds."""
        if self.process is not None:
            await self.process.stop(grace)
            self.process = None
        await self.server.close()


async def first_of(limit: float | None, *futures: asyncio.Future[Any]) -> bool:
    """Wait for one of the futures; return whether one was done within the limit, in seconds."""
    done, _ = await asyncio.wait(futures, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
    return bool(done)
