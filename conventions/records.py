"""The `records` convention: `func(record, headers)` for each record of a batch; failed ones are reported, one by one.

No record is started, and no coroutine goes on, in the last part of the time (`RESERVE`): records that were not handled
by then are reported as failed, so that they come back. Records of a standard queue run together if the function is
async; all others are handled one after another.
"""

from __future__ import annotations

import os
import sys
import time
from _collections_abc import AsyncIterable, Awaitable

from conventions import failures, record_sources
from conventions.codec import parsed
from conventions.json import encoded
from dispatch.asynchrony import settle
from dispatch.errors import HandlerNotFound, Terminated
from dispatch.invocation import INFINITY
from dispatch.modules import described
from dispatch.protocol import JSON
from dispatch.response import Response, is_iterator
from dispatch.variables import records_at_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from conventions.record_sources import Batch, Record
    from dispatch.invocation import Invocation
    from dispatch.types import Conventions, Handler

#: How much of the time that is left when the event comes is kept for the report: this part, at most so many seconds.
RESERVE = 0.1, 1.0

#: The part of the reserve for which coroutines that are cancelled may clean up.
_CLEANING = 0.5

_LOGGER = "dispatch.records"

#: Why a record was not handled, for the log.
AFTER_A_FAILURE = "not handled, to keep the order after a record that failed or was late"
TOO_LATE = "not started, because the time is nearly up"
CANCELLED = "cancelled before they were finished"


def records(user_object: Any) -> Handler:
    """func(record: Any, headers: Mapping[str, str]) -> None; a record that raises is reported as failed."""
    scripts = sys.modules.get("dispatch.scripts")  # which is imported to load a script, and costs a start otherwise
    function = user_object.main() if scripts and isinstance(user_object, scripts.Script) else user_object
    if not callable(function):
        raise HandlerNotFound(f"the handler is not callable: {described(function)}")
    at_once = records_at_once()

    def handle(invocation: Invocation) -> Response:
        batch = record_sources.read(parsed(invocation))
        return Response(encoded(_Run(function, batch, invocation, at_once).report()), JSON)

    return handle


#: The function itself, not a wrapper that awaits: only so can several coroutines run together.
records.accepts_object = True  # type: ignore[attr-defined]


_TO_CALL = object()


class _Run:
    """One batch on its way."""

    def __init__(self, function: Callable[..., Any], batch: Batch, invocation: Invocation, at_once: int | None) -> None:
        self._function = function
        self._batch = batch
        self._invocation = invocation
        self._at_once = at_once
        self._process = os.getpid()
        self._failed: set[Record] = set()
        self._blocked: set[str] = set()
        self._skipped: dict[str, list[Record]] = {}
        self._ended = False
        self._running: dict[Record, None] = {}
        part, most = RESERVE
        self._reserve = min(part * invocation.remaining_time, most)
        self._until = invocation.deadline - self._reserve

    def report(self) -> dict[str, Any]:
        """Handle all records; the answer."""
        left = iter(self._batch.records)
        for record in left:
            if self._may_start(record):
                self._handle(record, left)
        for why, skipped in self._skipped.items():
            failures.log(_LOGGER, f"{why}: {', '.join(map(_name, skipped))}")
        failed = [record for record in self._batch.records if record in self._failed]
        return {"batchItemFailures": [{"itemIdentifier": record.identifier} for record in failed]}

    def _handle(self, record: Record, left: Iterator[Record]) -> None:
        """Handle one record; if the function turns out to be async and order does not matter, all that are left."""
        try:
            value = self._call(record)
            if value is None:
                return
            if isinstance(value, Awaitable | AsyncIterable):
                settle(self._together(record, value, iter(()) if self._batch.ordered else left))
            elif is_iterator(value):
                for _ in value:
                    pass
        except Terminated:
            self._ended = True
            raise
        except BaseException as error:  # noqa: BLE001 - whatever user code raises is the failure of this record alone
            self._fail(record, error)
            for other in [*self._running]:  # user code has stopped the event loop
                if other not in self._failed:
                    self._skip(other, CANCELLED)
                    self._mark(other)

    def _call(self, record: Record) -> Any:
        return self._function(record.value, self._invocation.headers)

    def _may_start(self, record: Record) -> bool:
        if os.getpid() != self._process:
            raise SystemExit(0)  # user code has forked, and this is the child, which the parent's work is not for
        if record.lane in self._blocked:
            self._skip(record, AFTER_A_FAILURE)
            if not self._batch.from_checkpoint:
                self._failed.add(record)
        elif self._left() <= 0:
            self._skip(record, TOO_LATE)
            self._mark(record)
        else:
            return True
        return False

    def _left(self) -> float:
        return self._until - time.time()

    def _skip(self, record: Record, why: str) -> None:
        self._skipped.setdefault(why, []).append(record)

    def _mark(self, record: Record) -> None:
        self._failed.add(record)
        if record.lane is not None:
            self._blocked.add(record.lane)

    def _fail(self, record: Record, error: BaseException) -> None:
        if os.getpid() != self._process:
            raise error
        self._mark(record)
        failures.log(_LOGGER, f"failed: {_name(record)}", error)

    async def _together(self, first: Record, value: Any, left: Iterator[Record]) -> None:
        """Finish the first record, whose value is async, and handle those that are left beside it."""
        import asyncio

        self._running = {first: None}
        tasks = [asyncio.create_task(self._work(first, left, value))]
        while self._at_once is None or len(tasks) < self._at_once:
            record = self._next(left)
            if record is None:
                break
            self._running[record] = None
            tasks.append(asyncio.create_task(self._work(record, left)))
        seconds = self._left()
        try:
            await asyncio.wait(tasks, timeout=None if seconds == INFINITY else max(seconds, 0))
        finally:
            for record in self._running:
                self._skip(record, CANCELLED)
                self._mark(record)
            under_way = [task for task in tasks if task.cancel()]
        if under_way:
            await asyncio.wait(under_way, timeout=self._reserve * _CLEANING)

    def _next(self, left: Iterator[Record]) -> Record | None:
        return next(filter(self._may_start, left), None)

    async def _work(self, record: Record | None, left: Iterator[Record], value: Any = _TO_CALL) -> None:
        """Handle one record, then one after another of those that are left."""
        while record is not None:
            try:
                await _exhaust(self._call(record) if value is _TO_CALL else value)
            except Terminated:
                raise
            except BaseException as error:
                if self._ended:  # the process ends, which cancels everything
                    raise
                if record not in self._failed:  # if it is, it was cancelled
                    self._fail(record, error)
            self._running.pop(record, None)
            record, value = self._next(left), _TO_CALL


async def _exhaust(value: Any) -> None:
    """Await a value, or take all items of one that is a generator of either kind."""
    if isinstance(value, Awaitable):
        await _exhaust(await value)
    elif isinstance(value, AsyncIterable):
        async for _ in value:
            pass
    elif is_iterator(value):
        for _ in value:
            pass


def _name(record: Record) -> str:
    identifier = record.identifier
    return "{partition} at {offset}".format(**identifier) if isinstance(identifier, dict) else str(identifier)


def dispatch_conventions() -> Conventions:
    """The convention for a function of single records."""
    return {"records": records}
