"""The local platform: functions, and the execution environments that are started for their events on demand.

As on Lambda an environment handles one event at a time and is used again, the first event in one pays for its start,
and an event beyond the concurrency limit is refused rather than queued.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import replace
from typing import Self, TypeAlias, TypeVar

from runtime.local.environments.attached import AttachedEnvironment
from runtime.local.environments.environment import LocalEnvironment
from runtime.local.environments.launch import EarlyStart
from runtime.local.environments.log_lines import WriteLog, discard_log
from runtime.local.environments.pool import Closed, EnvironmentPool
from runtime.local.environments.process import to_the_end
from runtime.local.environments.tasks import Tasks
from runtime.local.function import FunctionConfig, function_arn
from runtime.local.invocation import Event, InvocationReport, RunningInvocation
from runtime.local.values import new_id

T = TypeVar("T")

#: Is called with each invocation as it starts, and with its source: `invoke`, `url`, `queue`, …
Watch: TypeAlias = Callable[[RunningInvocation, str], None]


class UnknownFunction(LookupError):
    """No function has this name."""


class Platform:
    """Functions that can be invoked. As an asynchronous context manager it ends every process that it started."""

    def __init__(
        self, functions: Iterable[FunctionConfig], write_log: WriteLog = discard_log, watch: Watch | None = None
    ) -> None:
        self._write_log = write_log
        self._watch = watch
        self._tasks = Tasks()
        #: Those of the events under way.
        self._reports: set[asyncio.Future[InvocationReport]] = set()
        #: Those of functions that were replaced or removed, as long as they have events under way.
        self._old_pools: list[EnvironmentPool] = []
        self.pools: dict[str, EnvironmentPool] = {one.name: self._new_pool(one) for one in functions}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await to_the_end(self.close())

    async def close(self) -> None:
        """End every environment, whatever it is doing."""
        await self._tasks.cancel()
        await asyncio.gather(*(pool.close(at_once=True) for pool in (*self.pools.values(), *self._old_pools)))
        await self._tasks.cleaned()

    @property
    def busy(self) -> bool:
        """Whether events are under way."""
        return bool(self._tasks.running or self._reports)

    async def quiet(self) -> None:
        """Wait until no event is under way."""
        while self.busy:
            await asyncio.wait({*self._tasks.running, *self._reports})

    def function(self, name: str) -> FunctionConfig:
        """Return the function of that name.

        Raises:
            UnknownFunction: there is none.
        """
        return self._pool(name).function

    def arn(self, name: str) -> str:
        """Return the ARN that a function of this name has, or would have."""
        pool = self.pools.get(name)
        return pool.arn if pool else function_arn(name)

    def real_name(self, name: str) -> str:
        """Return the name of the function that has this logical id, unless it is a function's name already."""
        if name not in self.pools:
            for pool in self.pools.values():
                if name == pool.function.logical_id:
                    return pool.function.name
        return name

    def _pool(self, name: str) -> EnvironmentPool:
        pool = self.pools.get(name)
        if pool is None:
            raise UnknownFunction(f"no such function: {name!r}; available: {', '.join(sorted(self.pools)) or 'none'}")
        return pool

    async def invoke(self, name: str, event: Event, source: str = "") -> RunningInvocation:
        """Hand an event to a function. `source` names the caller's side for `watch`.

        Raises:
            UnknownFunction, Throttled: the event was not handed over; whatever fails later is in the answer.
        """
        while (invocation := self.invoke_at_once(name, event, source)) is None:
            pool = self._pool(name)
            try:
                environment = await pool.reserve()
            except Closed as error:
                if self.pools.get(name) is pool:
                    raise UnknownFunction(f"the platform was stopped, and the function {name} with it") from error
            else:
                return self._run(pool, environment, event, source)
        return invocation

    def invoke_at_once(self, name: str, event: Event, source: str = "") -> RunningInvocation | None:
        """The same where an environment is waiting for an event; otherwise None. The caller need not be a task.

        Raises:
            UnknownFunction: there is none of this name.
        """
        pool = self._pool(name)
        environment = pool.reserve_idle()
        return None if environment is None else self._run(pool, environment, event, source)

    def _run(
        self, pool: EnvironmentPool, environment: LocalEnvironment, event: Event, source: str
    ) -> RunningInvocation:
        invocation = RunningInvocation(pool.function.name, complete(event, pool.function))
        report = invocation.report
        self._reports.add(report)

        def release() -> None:
            self._reports.discard(report)
            pool.release(environment)

        if self._watch is not None:
            self._watch(invocation, source)
        environment.run(invocation, release)
        return invocation

    def _new_pool(self, function: FunctionConfig) -> EnvironmentPool:
        return EnvironmentPool(function, self._write_log, self._tasks)

    def spawn(self, work: Coroutine[object, object, T]) -> asyncio.Task[T]:
        """Start a task that ends with the platform."""
        return self._tasks.spawn(work)

    def adopt(self, early: EarlyStart) -> None:
        """Let the first environment of a function have the process that was started before the platform."""
        self._pool(early.function.name).early = early

    async def replace(self, function: FunctionConfig) -> None:
        """Add a function, or give one new code or settings; what is running finishes with the old ones."""
        old = self.pools.get(function.name)
        self.pools[function.name] = self._new_pool(function)
        await self._close_old(old)

    async def attach(self, name: str, port: int) -> str:
        """Let the user start a function's runtime; return the address of its Runtime API."""
        environment = await AttachedEnvironment.open(self.function(name), self._write_log, self._tasks, port)
        pool = self.pools[name] = self._new_pool(environment.function)
        pool.environments.append(environment)
        return environment.address

    async def remove(self, name: str) -> None:
        """Remove a function; what is running finishes."""
        await self._close_old(self.pools.pop(name, None))

    async def _close_old(self, old: EnvironmentPool | None) -> None:
        if old is not None:
            self._old_pools = [pool for pool in (*self._old_pools, old) if pool.environments]
            await old.close(at_once=False)


def complete(event: Event, function: FunctionConfig) -> Event:
    """Return the event with the request id, ARN and trace id that its caller left out."""
    if event.request_id and event.arn and event.trace_id:
        return event
    return replace(
        event,
        request_id=event.request_id or new_id(),
        arn=event.arn or function.arn,
        trace_id=event.trace_id or new_trace_id(),
    )


def new_trace_id() -> str:
    """Return a new X-Ray trace header that is not sampled."""
    drawn = os.urandom(20).hex()
    return f"Root=1-{int(time.time()):08x}-{drawn[:24]};Parent={drawn[24:]};Sampled=0"
