"""The queue of events that nobody waits for; it is kept in a file, so it survives a restart.

As on Lambda an event that fails is tried again after one minute and after two more, an event that finds every
environment busy goes back to the queue with a growing pause, and one that is out of tries or too old goes to the
function's destination. `time_scale` shrinks all these times.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from runtime.local.asynchronous.destinations import record, send
from runtime.local.asynchronous.queue_file import QueueError, open_file
from runtime.local.environments.platform import Platform, Throttled, UnknownFunction
from runtime.local.function import Function
from runtime.local.invocation import Event

#: Seconds before the second and the third try (AWS documentation, asynchronous error handling).
WAITS: Final = (60.0, 120.0)
#: The pauses of an event that found every environment busy: 1 second, doubled up to 5 minutes (same page).
PAUSES: Final = (1.0, 300.0)

COLUMNS: Final = "id, function, request_id, body, fields, created, tries, throttled"


@dataclass(frozen=True, slots=True)
class Queued:
    """One event in the queue. Times are seconds since the epoch."""

    id: int
    function: str
    event: Event
    created: float
    tries: int
    throttled: int

    @classmethod
    def of(cls, row: tuple[Any, ...]) -> Queued:
        """From a row of the table."""
        number, function, request_id, body, fields, created, tries, throttled = row
        return cls(number, function, Event(body, request_id, **json.loads(fields)), created, tries, throttled)


class Queue:
    """Puts events away and sees to them; `say` is told what the developer should know.

    While another process has the file, the queue is in memory (see queue_file.py). Raise `QueueError` if the file
    can't be used.
    """

    def __init__(self, platform: Platform, path: Path, time_scale: float, say: Callable[[str], None]) -> None:
        self._path = path
        self._platform = platform
        self._scale = time_scale
        self._say = say
        self._changed = asyncio.Event()
        self._database = open_file(path, say)

    async def put(self, function: str, event: Event) -> None:
        """Keep an event; when this returns it is on disk. The client context is not kept, as on Lambda."""
        fields = {"arn": event.arn, "trace_id": event.trace_id, "tenant_id": event.tenant_id}
        row = (function, event.request_id, event.body, json.dumps(fields), time.time(), time.time())
        statement = "insert into events (function, request_id, body, fields, created, due) values (?, ?, ?, ?, ?, ?)"
        self._database.execute(statement, row)
        self._changed.set()

    def __len__(self) -> int:
        count: int = self._database.execute("select count(*) from events").fetchone()[0]
        return count

    async def run(self) -> None:
        """Hand out what is due, for ever; raise `QueueError` when the file fails."""
        while True:
            self._changed.clear()
            try:
                for queued in self._due():
                    self._platform.spawn(self._try(queued))
                pause = self._pause()
            except sqlite3.Error as error:
                raise QueueError.of(self._path, error) from error
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), pause)

    def close(self) -> None:
        """Close the file, after the platform: what was under way then is handled again next time."""
        self._database.close()

    def _due(self) -> list[Queued]:
        rows = self._database.execute(
            f"update events set running = 1 where running = 0 and due <= ? returning {COLUMNS}",  # noqa: S608
            (time.time(),),
        ).fetchall()
        return sorted((Queued.of(row) for row in rows), key=lambda queued: queued.id)

    def _pause(self) -> float | None:
        due = self._database.execute("select min(due) from events where running = 0").fetchone()[0]
        return None if due is None else max(0.0, due - time.time())

    async def _try(self, queued: Queued) -> None:
        try:
            function = self._platform.function(queued.function)
            if time.time() - queued.created > function.asynchronous.maximum_age * self._scale:
                await self._give_up(queued, function, "EventAgeExceeded", None)
                return
            invocation = self._platform.invoke(queued.function, queued.event, "queue")
        except UnknownFunction as error:
            self._say(f"the queued event {queued.event.request_id} is dropped: {error}")
            self._forget(queued)
        except Throttled:
            first, last = PAUSES
            self._again(queued, min(first * 2**queued.throttled, last), throttled=queued.throttled + 1)
        else:
            body = await invocation.answer.read()
            await invocation.report
            await self._settle(queued, function, invocation.answer.error is None, body)

    async def _settle(self, queued: Queued, function: Function, success: bool, body: bytes) -> None:
        tries = queued.tries + 1
        if success:
            self._forget(queued)
        elif tries > function.asynchronous.retries:
            await self._give_up(queued, function, "RetriesExhausted", body)
        else:
            self._again(queued, WAITS[min(tries, len(WAITS)) - 1], tries=tries)

    async def _give_up(self, queued: Queued, function: Function, condition: str, answer: bytes | None) -> None:
        self._say(f"the queued event {queued.event.request_id} of {queued.function} is given up: {condition}")
        destination = function.asynchronous.on_failure
        if destination:
            tries = queued.tries + (answer is not None)
            message = record(queued.event, function, condition, tries, answer)
            try:
                await send(destination, message, function.root, self.put)
            except (OSError, ValueError) as error:
                self._say(f"the on-failure destination {destination} did not take it: {error}")
        self._forget(queued)

    def _again(self, queued: Queued, wait: float, tries: int | None = None, throttled: int = 0) -> None:
        values = (time.time() + wait * self._scale, queued.tries if tries is None else tries, throttled, queued.id)
        self._database.execute("update events set running = 0, due = ?, tries = ?, throttled = ? where id = ?", values)
        self._changed.set()

    def _forget(self, queued: Queued) -> None:
        self._database.execute("delete from events where id = ?", (queued.id,))
