"""The environments of one function: used again, started on demand, never more than the function may have."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeAlias

from runtime.local.environments.environment import LocalEnvironment
from runtime.local.environments.log_lines import WriteLog
from runtime.local.environments.process import GRACE
from runtime.local.function import FunctionConfig
from runtime.local.invocation import Answer, Event, InvocationReport

#: How long an event waits for an environment that has answered, in seconds: before another one is started, and before
#: it is refused because there may be no other. On a busy machine a runtime takes a while to ask for its next event.
MOMENT: Final = 0.05
PATIENCE: Final = 1.0

#: Starts a task that the platform waits for at its end.
Spawn: TypeAlias = Callable[[Coroutine[object, object, Any]], "asyncio.Task[Any]"]


class Throttled(Exception):
    """All the environments that a function may have are busy."""


class EnvironmentPool:
    """The environments of one function."""

    def __init__(self, function: FunctionConfig, write_log: WriteLog, spawn: Spawn) -> None:
        self.function = function
        self.environments: list[LocalEnvironment] = []
        self._spawn = spawn
        self._write_log = write_log
        self._closed = False

    async def catch_up(self) -> None:
        """Wait for an environment that has answered, so that the next event starts no other one and is not refused."""
        can_start = len(self.environments) < self.function.concurrency
        end = time.monotonic() + (MOMENT if can_start else PATIENCE)
        while not any(one.usable for one in self.environments) and any(one.finishing for one in self.environments):
            if time.monotonic() > end:
                return
            await asyncio.sleep(MOMENT / 50)

    def reserve(self) -> LocalEnvironment:
        """Reserve an environment for one event: the idle one that was used last, else a new one.

        Raises:
            Throttled: all are busy, and there may be no more.
        """
        if self.function.throttled:
            raise Throttled(f"{self.function.name} has a reserved concurrency of 0, so every event is refused")
        for dead in [one for one in self.environments if not one.alive]:
            self.environments.remove(dead)
            self._spawn(dead.stop())
        idle = [one for one in self.environments if one.usable]
        if idle:
            environment = max(idle, key=lambda one: one.last_used)
        elif len(self.environments) < self.function.concurrency:
            environment = LocalEnvironment(self.function, self._write_log)
            self.environments.append(environment)
        else:
            raise Throttled(f"{self.function.name} runs {self.function.concurrency} at once, and all are busy")
        environment.reserve()
        return environment

    async def run(self, environment: LocalEnvironment, event: Event, answer: Answer) -> InvocationReport:
        """Handle an event in an environment that was reserved for it."""
        try:
            return await environment.run(event, answer)
        finally:
            await self._release(environment)

    async def _release(self, environment: LocalEnvironment) -> None:
        """Keep the environment for the next event, unless the pool was closed or it is of no more use."""
        if self._closed or not environment.usable:
            await environment.stop(GRACE)
            if environment in self.environments:
                self.environments.remove(environment)

    async def close(self, *, at_once: bool) -> None:
        """Stop the idle environments; the busy ones too if `at_once`, else each after its event."""
        self._closed = True
        ending = [one for one in self.environments if at_once or one.usable]
        await asyncio.gather(*(one.stop(GRACE) for one in ending))
