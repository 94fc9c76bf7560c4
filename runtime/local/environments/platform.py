"""The local platform: functions, and the execution environments that are started for their events on demand.

As on Lambda an environment serves one event at a time and is used again; the first event in one pays for its start;
beyond the concurrency limit an event is refused rather than queued.
"""

from __future__ import annotations

import asyncio
import secrets
import time
import uuid
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, replace
from typing import Any, Self, TypeAlias, TypeVar

from runtime.local.environments.attached import Attached
from runtime.local.environments.environment import Environment
from runtime.local.environments.log_lines import LogLine, Report
from runtime.local.environments.process import GRACE
from runtime.local.function import ACCOUNT, Function, region
from runtime.local.invocation import Answer, Event

T = TypeVar("T")

Observer: TypeAlias = Callable[[LogLine], None]
#: Starts a task that the platform sees to the end of.
Spawn: TypeAlias = Callable[[Coroutine[object, object, Any]], "asyncio.Task[Any]"]


def ignore(_line: LogLine) -> None:
    """Write the log nowhere."""


class Throttled(Exception):
    """All the environments that a function may have are busy."""


class UnknownFunction(LookupError):
    """No function has this name."""


@dataclass(slots=True)
class Invocation:
    """An event under way: its answer as it arrives, and the report once it is over."""

    function: str
    event: Event
    answer: Answer
    report: asyncio.Task[Report]


#: Is told of each invocation as it starts, and which door it came in by.
Watch: TypeAlias = Callable[[Invocation, str], None]


class Pool:
    """The environments of one function."""

    def __init__(self, function: Function, write_log: Observer, spawn: Spawn) -> None:
        self.function = function
        self._spawn = spawn
        self.environments: list[Environment] = []
        self._write_log = write_log
        self._closed = False

    def take(self) -> Environment:
        """An environment for one event: the one used last of those that wait, else a new one; raise `Throttled`."""
        for dead in [one for one in self.environments if not one.alive]:
            self.environments.remove(dead)
            self._spawn(dead.stop())
        idle = [one for one in self.environments if one.usable]
        if idle:
            environment = max(idle, key=lambda one: one.last_used)
        elif len(self.environments) < self.function.concurrency:
            environment = Environment(self.function, self._write_log)
            self.environments.append(environment)
        else:
            raise Throttled(f"{self.function.name} runs {self.function.concurrency} at once, and all are busy")
        environment.reserve()
        return environment

    async def release(self, environment: Environment) -> None:
        """An event is over: keep the environment, unless the pool was closed meanwhile or it is of no more use."""
        if self._closed or not environment.usable:
            await environment.stop(GRACE)
            if environment in self.environments:
                self.environments.remove(environment)

    async def close(self, *, at_once: bool) -> None:
        """Stop the environments that wait, and at once those that work too; else they stop when they are through."""
        self._closed = True
        ending = [one for one in self.environments if at_once or one.usable]
        await asyncio.gather(*(one.stop(GRACE) for one in ending))


class Platform:
    """Use it as an asynchronous context manager; leaving it ends every process it started."""

    def __init__(self, functions: Iterable[Function], write_log: Observer = ignore, watch: Watch | None = None) -> None:
        self._write_log = write_log
        self._watch = watch
        self._tasks: set[asyncio.Task[Any]] = set()
        self.pools: dict[str, Pool] = {one.name: self._new_pool(one) for one in functions}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End every environment, whatever it is doing."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(pool.close(at_once=True) for pool in self.pools.values()))

    @property
    def busy(self) -> bool:
        """Whether events are under way."""
        return bool(self._tasks)

    async def quiet(self) -> None:
        """Wait until no event is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def function(self, name: str) -> Function:
        """The function of that name; raise `UnknownFunction`."""
        return self._pool(name).function

    def arn(self, name: str) -> str:
        """The ARN that a function of this name has, or would have."""
        pool = self.pools.get(name)
        return pool.function.arn if pool else f"arn:aws:lambda:{region()}:{ACCOUNT}:function:{name}"

    def _pool(self, name: str) -> Pool:
        pool = self.pools.get(name)
        if pool is None:
            raise UnknownFunction(
                f"there is no function {name!r}; there are: {', '.join(sorted(self.pools)) or 'none'}"
            )
        return pool

    def invoke(self, name: str, event: Event, source: str = "") -> Invocation:
        """Hand an event to a function; raise `UnknownFunction` or `Throttled` at once, else the answer follows.

        `source` is the door it came in by, for whoever watches.
        """
        pool = self._pool(name)
        environment = pool.take()
        event = complete(event, pool.function)
        answer = Answer()
        invocation = Invocation(name, event, answer, self.spawn(_run(pool, environment, event, answer)))
        if self._watch is not None:
            self._watch(invocation, source)
        return invocation

    def _new_pool(self, function: Function) -> Pool:
        return Pool(function, self._write_log, self.spawn)

    def spawn(self, work: Coroutine[object, object, T]) -> asyncio.Task[T]:
        """Start a task that ends with the platform."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def replace(self, function: Function) -> None:
        """Add a function, or put new code or settings in a function's place; what is running finishes on the old."""
        old = self.pools.get(function.name)
        self.pools[function.name] = self._new_pool(function)
        if old is not None:
            await old.close(at_once=False)

    async def attach(self, name: str, port: int) -> str:
        """Leave the starting of a function's runtime to somebody else; return the address of its Runtime API."""
        environment = await Attached.open(self.function(name), self._write_log, port)
        pool = self.pools[name] = self._new_pool(environment.function)
        pool.environments.append(environment)
        return environment.address

    async def remove(self, name: str) -> None:
        """Forget a function; what is running finishes."""
        pool = self.pools.pop(name, None)
        if pool is not None:
            await pool.close(at_once=False)


async def _run(pool: Pool, environment: Environment, event: Event, answer: Answer) -> Report:
    try:
        return await environment.run(event, answer)
    finally:
        await pool.release(environment)


def complete(event: Event, function: Function) -> Event:
    """Fill in what the caller left open: request id, ARN and trace id."""
    return replace(
        event,
        request_id=event.request_id or str(uuid.uuid4()),
        arn=event.arn or function.arn,
        trace_id=event.trace_id or trace_id(),
    )


def trace_id() -> str:
    """A new X-Ray trace header that asks for no sample."""
    root = f"1-{int(time.time()):08x}-{secrets.token_hex(12)}"
    return f"Root={root};Parent={secrets.token_hex(8)};Sampled=0"
