"""An environment whose process the user starts: in an IDE, in a debugger, in a container.

Its Runtime API is there from the beginning, and its events have no deadline. A runtime that is started again gets the
event that the one before it left unanswered. What the process writes stays where it was started.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from runtime.local.environments.environment import LocalEnvironment, Phase
from runtime.local.environments.log_lines import WriteLog
from runtime.local.environments.process import Process
from runtime.local.environments.tasks import Tasks
from runtime.local.function import FunctionConfig


class ForeignProcess(Process):
    """A process that the platform did not start: it is never seen to end, and not ended."""

    def __init__(self) -> None:
        self.exited = asyncio.get_running_loop().create_future()

    def drain_log(self) -> None:
        """Do nothing: the log is not written here."""

    async def stop(self, grace: float = 0.0) -> None:
        """Let it run; it notices that its Runtime API is gone."""
        del grace

    def memory(self) -> int:
        """Return 0: the memory is not known."""
        return 0


class AttachedEnvironment(LocalEnvironment):
    """An environment that waits for a runtime; `open` makes one."""

    @classmethod
    async def open(cls, function: FunctionConfig, write_log: WriteLog, tasks: Tasks, port: int) -> AttachedEnvironment:
        """Serve its Runtime API on the port, or on a free one if the port is taken."""
        environment = cls(replace(function, concurrency=1), write_log, tasks)
        environment.has_deadline = False
        environment._new_runtime(foreign=True)
        try:
            await environment._runtime.server.listen(port)
        except OSError:
            await environment._runtime.server.listen()
        environment.phase = Phase.IDLE
        return environment

    @property
    def address(self) -> str:
        """The value for the runtime's `AWS_LAMBDA_RUNTIME_API`."""
        return self._runtime.server.address

    @property
    def alive(self) -> bool:
        """Whether it is still there."""
        return self.phase is not Phase.STOPPED

    @property
    def usable(self) -> bool:
        """Whether it is waiting for an event."""
        return self.phase is Phase.IDLE

    async def start(self, request_id: str) -> None:
        """Wait until a runtime asks for an event, however long it takes."""
        self._log.request_id = request_id
        idle = self._runtime.session.idle
        if not idle.done():
            self._log.note(f"the function's runtime is not there yet; it is expected at {self.address}")
        await asyncio.shield(idle)
        self._runtime.process = ForeignProcess()
