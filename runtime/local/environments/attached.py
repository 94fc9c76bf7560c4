"""An environment whose process somebody else starts: an IDE, a debugger, a container.

Its Runtime API is there from the beginning, and it has no deadline. A runtime that is started anew gets the event that
the one before it left unanswered. What the process writes stays where it was started.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from runtime.local.environments.environment import Environment, Phase, WriteLog
from runtime.local.environments.process import Process
from runtime.local.function import Function
from runtime.local.runtime_api.server import RuntimeApi


class Elsewhere(Process):
    """A process that is none of ours: never seen to end, and not ended."""

    def __init__(self) -> None:
        self.exited = asyncio.get_running_loop().create_future()

    def drain_log(self) -> None:
        """Nothing is written here."""

    async def stop(self, grace: float = 0.0) -> None:
        """It goes on; it notices that its Runtime API is gone."""
        del grace

    def memory(self) -> int:
        """Not known."""
        return 0


class Attached(Environment):
    """Use `open` instead of letting it be started on demand."""

    @classmethod
    async def open(cls, function: Function, write_log: WriteLog, port: int) -> Attached:
        """Listen on the port, or on a free one if it is taken."""
        environment = cls(replace(function, concurrency=1), write_log)
        environment.limited = False
        environment._api = RuntimeApi(function, restartable=True)
        try:
            await environment._api.start(port=port)
        except OSError:
            await environment._api.start()
        environment.phase = Phase.IDLE
        return environment

    @property
    def address(self) -> str:
        """What the runtime is to be told."""
        return self._api.address

    @property
    def alive(self) -> bool:
        """It always is."""
        return self.phase is not Phase.STOPPED

    @property
    def usable(self) -> bool:
        """Whether it waits for an event."""
        return self.phase is Phase.IDLE

    async def start(self, request_id: str) -> Process:
        """Wait until a runtime asks for an event, however long it takes."""
        self.request_id = request_id
        if not self._api.idle.done():
            self._say(f"the function's runtime is not there yet; it is expected at {self.address}")
        await asyncio.shield(self._api.idle)
        self._process = Elsewhere()
        return self._process
