"""The environments of one function: used again, started on demand, never more than the function may have."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Final

from runtime.local.environments.environment import LocalEnvironment
from runtime.local.environments.launch import EarlyStart
from runtime.local.environments.log_lines import WriteLog
from runtime.local.environments.process import GRACE
from runtime.local.environments.tasks import Tasks
from runtime.local.function import FunctionConfig

#: Seconds that an event waits for an environment that has answered before another one is started.
MOMENT: Final = 0.05


class Throttled(Exception):
    """All the environments that a function may have are busy."""


class Closed(Exception):
    """The pool takes no more events: its function was replaced or removed."""


class EnvironmentPool:
    """The environments of one function."""

    def __init__(self, function: FunctionConfig, write_log: WriteLog, tasks: Tasks) -> None:
        self.function = function
        self.arn = function.arn
        self.environments: list[LocalEnvironment] = []
        self._tasks = tasks
        self._write_log = write_log
        self._closed = False
        #: What the next environment is started with, if that was started before it.
        self.early: EarlyStart | None = None
        #: The events that wait for an environment, the oldest first, each with what wakes it.
        self._waiting: list[asyncio.Event] = []

    def reserve_idle(self) -> LocalEnvironment | None:
        """Reserve the idle environment that was used last, if there is one and no event is waiting for it."""
        if self._closed or self._waiting or self.function.throttled:
            return None
        idle = [one for one in self.environments if one.usable]
        environment = max(idle, key=lambda one: one.last_used) if idle else None
        if environment is not None:
            environment.reserve()
        return environment

    async def reserve(self) -> LocalEnvironment:
        """Reserve an environment for one event: the idle one that was used last, else a new one.

        An environment that has answered is free for its caller, though it may not have asked for its next event yet.
        An event waits for it as long as it takes; if another one may be started, only a moment.

        Raises:
            Throttled: all are busy, and there may be no more.
            Closed: the pool is closed, perhaps since the event waits.
        """
        if self.function.throttled:
            raise Throttled(f"{self.function.name} has a reserved concurrency of 0, so every event is refused")
        woken, patient_until = asyncio.Event(), time.monotonic() + MOMENT
        self._waiting.append(woken)
        try:
            while not self._closed:
                woken.clear()
                left = patient_until - time.monotonic()
                environment = self._choose(self._waiting.index(woken), can_wait=left > 0)
                if environment is not None:
                    environment.reserve()
                    return environment
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(left if left > 0 else None):
                        await woken.wait()
            raise Closed(self.function.name)
        finally:
            self._waiting.remove(woken)
            self._wake()

    def _choose(self, ahead: int, *, can_wait: bool) -> LocalEnvironment | None:
        """Return the environment for the event that has `ahead` others before it; None if it has to wait."""
        for dead in [one for one in self.environments if not one.alive]:
            self.environments.remove(dead)
            self._tasks.clean_up(dead.stop())
        idle = [one for one in self.environments if one.usable]
        finishing = sum(one.finishing for one in self.environments)
        if ahead < len(idle):
            return max(idle, key=lambda one: one.last_used)
        if can_wait and ahead < len(idle) + finishing:
            return None
        startable = self.function.concurrency - len(self.environments)
        if ahead < len(idle) + startable:
            early, self.early = self.early, None
            self.environments.append(LocalEnvironment(self.function, self._write_log, self._tasks, early))
            return self.environments[-1]
        if ahead < len(idle) + startable + finishing:
            return None
        raise Throttled(f"{self.function.name} runs {self.function.concurrency} at once, and all are busy")

    def _wake(self) -> None:
        """Let the events that wait look again."""
        for waiting in self._waiting:
            waiting.set()

    def release(self, environment: LocalEnvironment) -> None:
        """Keep the environment for the next event, unless the pool was closed or it is of no more use."""
        if self._closed or not environment.usable:
            self._tasks.clean_up(self._drop(environment))
        elif self._waiting:
            self._wake()

    async def _drop(self, environment: LocalEnvironment) -> None:
        await environment.stop(GRACE)
        if environment in self.environments:
            self.environments.remove(environment)
        self._wake()

    async def close(self, *, at_once: bool) -> None:
        """Stop the idle environments; the busy ones too if `at_once`, else each after its event."""
        self._closed = True
        self._wake()
        ending = [one for one in self.environments if at_once or one.usable]
        self.environments = [one for one in self.environments if one not in ending]
        await asyncio.gather(*(one.stop(GRACE) for one in ending))
