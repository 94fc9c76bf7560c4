"""The queue of events that no caller waits for; it is kept in a file, so it survives a restart.

As on Lambda, an event that fails is tried again after one minute and after two more, an event that finds every
environment busy goes back to the queue with a growing pause, and one that is out of tries or too old goes to the
function's destination. `time_scale` multiplies all these times.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from runtime.local.asynchronous.destinations import record, send
from runtime.local.asynchronous.queue_file import QueuedEvent, QueueError, QueueFile
from runtime.local.environments.platform import Platform, UnknownFunction
from runtime.local.environments.pool import Throttled
from runtime.local.function import FunctionConfig
from runtime.local.invocation import Event

#: Seconds before the second and the third try (AWS documentation, asynchronous error handling).
WAITS: Final = (60.0, 120.0)
#: The pauses of an event that found every environment busy: 1 second, doubled up to 5 minutes (same page).
PAUSES: Final = (1.0, 300.0)


class Queue:
    """Keeps events and hands them out; `notify` is called with what the developer should know."""

    def __init__(self, file: QueueFile, platform: Platform, time_scale: float, notify: Callable[[str], None]) -> None:
        self._file = file
        self._platform = platform
        self._scale = time_scale
        self._notify = notify
        self._changed = asyncio.Event()
        self._error: QueueError | None = None

    @classmethod
    def open(cls, path: Path, platform: Platform, time_scale: float, notify: Callable[[str], None]) -> Queue:
        """Open the queue that is kept in a file; while another process has the file, one in memory.

        Raises:
            QueueError: the file cannot be used.
        """
        return cls(QueueFile.open(path, notify), platform, time_scale, notify)

    def close(self) -> None:
        """Close the file, after the platform: what was running then is handled again next time."""
        self._file.close()

    def __len__(self) -> int:
        return len(self._file)

    async def put(self, function: str, event: Event) -> None:
        """Keep an event; once this returns, it is on the disk.

        Raises:
            QueueError: the file fails; `run` then ends, too.
        """
        try:
            self._file.add(function, event)
        except QueueError as error:
            self._fail(error)
            raise
        self._changed.set()

    def _fail(self, error: QueueError) -> None:
        """End `run`: what cannot be noted in the file is handled again by the next queue that opens it."""
        self._error = self._error or error
        self._changed.set()

    async def run(self) -> None:
        """Hand out the events that are due, without end.

        Raises:
            QueueError: the file fails.
        """
        while True:
            self._changed.clear()
            if self._error is not None:
                raise self._error
            due = self._file.start_due()
            for queued in due:
                self._platform.spawn(self._try(queued))
            if due:
                # Those that find every environment busy go back before more are read.
                await asyncio.sleep(0)
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), self._file.seconds_until_due())

    async def _try(self, queued: QueuedEvent) -> None:
        try:
            await self._handle(queued)
        except QueueError as error:
            self._fail(error)

    async def _handle(self, queued: QueuedEvent) -> None:
        try:
            function = self._platform.function(queued.function)
            if time.time() - queued.created > function.asynchronous.maximum_age * self._scale:
                await self._give_up(queued, function, "EventAgeExceeded", None)
                return
            invocation = await self._platform.invoke(queued.function, queued.event, "queue")
        except UnknownFunction as error:
            self._notify(f"dropped the queued event {queued.event.request_id}: {error}")
            self._file.remove(queued)
        except Throttled:
            first, last = PAUSES
            pause = min(first * 2**queued.throttled, last)
            self._put_back(queued, pause, tries=queued.tries, throttled=queued.throttled + 1)
        else:
            body = await invocation.answer.read()
            await invocation.report
            await self._finish_try(queued, function, invocation.answer.error is None, body)

    async def _finish_try(self, queued: QueuedEvent, function: FunctionConfig, success: bool, body: bytes) -> None:
        tries = queued.tries + 1
        if success:
            self._file.remove(queued)
        elif tries > function.asynchronous.retries:
            await self._give_up(queued, function, "RetriesExhausted", body)
        else:
            self._put_back(queued, WAITS[min(tries, len(WAITS)) - 1], tries=tries)

    async def _give_up(
        self, queued: QueuedEvent, function: FunctionConfig, condition: str, answer: bytes | None
    ) -> None:
        self._notify(f"gave up the queued event {queued.event.request_id} of {queued.function}: {condition}")
        destination = function.asynchronous.on_failure
        if destination:
            tries = queued.tries + (answer is not None)
            message = record(queued.event, function, condition, tries, answer)
            try:
                await send(destination, message, function.folder, self.put)
            except (OSError, ValueError) as error:
                self._notify(f"cannot send to the on-failure destination {destination}: {error}")
        self._file.remove(queued)

    def _put_back(self, queued: QueuedEvent, wait: float, *, tries: int, throttled: int = 0) -> None:
        self._file.put_back(queued, wait * self._scale, tries=tries, throttled=throttled)
        self._changed.set()
