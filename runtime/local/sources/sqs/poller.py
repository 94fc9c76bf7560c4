"""Polls a queue of SQS: receives the next messages while others are handled, as many at once as there is demand for.

A lane receives a batch, hands it to the function, deletes what was handled, and begins again. Once it has received one
and no other lane is receiving, there is one more lane, up to the concurrency. A lane that finds another one receiving
ends, unless its batch was full.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Collection, Sequence
from typing import Final

from dispatch import protocol
from runtime.local.feed import RETRY, Feed, Outcome
from runtime.local.sources.partial_answers import failures
from runtime.local.sources.sqs.event import Message, event, fitting
from runtime.local.sources.sqs.groups import followers, is_last, to_hand_over_again, with_followers
from runtime.local.sources.sqs.held import Held
from runtime.local.sources.sqs.queue import Queue
from runtime.local.sources.sqs.settings import HIGHEST_CONCURRENCY, REQUEST_LIMIT, SqsSettings

#: Seconds between two looks at the queue's attributes.
REFRESH: Final = 10
#: A batch is received ahead of its turn if the one before took less than so many seconds.
QUICK: Final = 1.0
#: Seconds before an event that was refused is handed over again: at first, and at most.
BACK_OFF: Final = 0.1, 5.0


class Poller:
    """The lanes of one queue."""

    def __init__(self, source: SqsSettings, queue: Queue, feed: Feed) -> None:
        self._source = source
        self._queue = queue
        self._feed = feed
        self._filters = source.filters()
        self._lanes: set[asyncio.Task[None]] = set()
        self._held = Held(queue, feed)
        #: Those that did not fit into the last batch.
        self._left: list[Message] = []
        self._receiving = self._running = 0
        self._quick = False
        self._slot_freed = asyncio.Event()
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Poll until cancelled; then let the batches under way finish, and give everything else back."""
        await self._refresh()
        tending = [asyncio.ensure_future(self._held.keep_hidden()), asyncio.ensure_future(self._keep_fresh())]
        self._feed.measure = self._refresh
        self._grow()
        try:
            await asyncio.Event().wait()
        finally:
            self._feed.measure = None
            self._stopping.set()
            self._slot_freed.set()
            await self._give_back_the_rest()
            while self._lanes:
                await asyncio.wait(self._lanes)
            for task in tending:
                task.cancel()
            await self._give_back_the_rest()

    # -- lanes

    @property
    def _most(self) -> int:
        """How many batches may be under way."""
        return min(self._source.maximum_concurrency or HIGHEST_CONCURRENCY, self._feed.concurrency)

    def _grow(self) -> None:
        """Add a lane if it is wanted: none is receiving, and there are not as many as may be."""
        if self._receiving or self._stopping.is_set() or len(self._lanes) >= self._most + self._quick:
            return
        self._receiving += 1
        lane = asyncio.ensure_future(self._lane())
        self._lanes.add(lane)
        lane.add_done_callback(self._lanes.discard)

    async def _lane(self) -> None:
        """Receive and handle batches; `_receiving` counts it already."""
        while True:
            batch: list[Message] = []
            try:
                try:
                    batch = await self._gather()
                    self._feed.works()
                finally:
                    self._receiving -= 1
                if batch:
                    self._grow()
                    await self._handle_in_turn(batch)
            except Exception as error:  # noqa: BLE001 - the network, credentials, a queue that is gone: it may come back
                self._held.drop(batch)
                self._feed.failure(error)
                await self._pause(RETRY)
            is_full = len(batch) >= min(self._source.batch, REQUEST_LIMIT)
            if self._stopping.is_set() or (self._receiving and not is_full) or len(self._lanes) > self._most + 1:
                return
            self._receiving += 1

    async def _pause(self, seconds: float) -> None:
        """Wait; not when it is time to stop."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    # -- receiving

    async def _gather(self) -> list[Message]:
        """Return the messages of one batch: those of one request, or those that come within the window."""
        source, until = self._source, 0.0
        found, self._left = self._left, []
        size = sum(len(message.record) for message in found)
        try:
            while not self._stopping.is_set() and len(found) < source.batch and size < protocol.EVENT_LIMIT:
                if found and not until:
                    until = time.monotonic() + source.window
                if found and time.monotonic() >= until:
                    break
                received = await self._receive(source.batch - len(found))
                if not received and not found:
                    break
                found += received
                size += sum(len(message.record) for message in received)
        except BaseException:
            self._left += found
            raise
        return found

    async def _receive(self, limit: int) -> list[Message]:
        """Return the messages of one request that the filters let pass; the others are deleted."""
        messages = await self._queue.receive(limit)
        self._held.add(messages)
        for message in messages:
            self._feed.state.delivered(message.id, message.receives)
        if not self._filters:
            return messages
        passing = [one for one in messages if any(each.matches_body(one.body) for each in self._filters)]
        await self._held.delete([one for one in messages if one not in passing])
        return passing

    # -- handling

    async def _handle_in_turn(self, batch: list[Message]) -> None:
        """Handle a batch once there is a slot, or give it back."""
        count = fitting(batch, self._source.batch)
        batch, rest = batch[:count], batch[count:]
        if rest and not self._source.fifo:
            self._left, rest = [*self._left, *rest], []
        while True:
            if self._stopping.is_set():
                batch, rest = await self._give_back_all_but_last([*batch, *rest]), []
            if not batch:
                return
            if self._running < self._most:
                break
            self._slot_freed.clear()
            await self._slot_freed.wait()
        failed = await self._handle(batch)
        if rest:  # of a FIFO queue: in order, and not those of a group that has failed
            blocked = {message.group for message in batch if message.id in failed}
            await self._held.give_back([message for message in rest if message.group in blocked])
            await self._handle_in_turn([message for message in rest if message.group not in blocked])

    async def _handle(self, batch: list[Message]) -> set[str]:
        """Hand a batch to the function, delete what it has handled; return the ids of the rest."""
        self._running += 1
        began = time.monotonic()
        try:
            outcome = await self._invoke(batch)
        finally:
            self._running -= 1
            self._slot_freed.set()
        ids = [message.id for message in batch]
        if outcome.refused:
            await self._after_refusal(batch)
            return set(ids)
        self._quick = time.monotonic() - began < QUICK
        failed, again = failures(outcome, ids, reported=self._source.report_failures), list[Message]()
        if self._source.fifo:
            again = to_hand_over_again(batch, failed, self._queue.most_receives)
            failed = with_followers(batch, failed)
        await self._settle([message for message in batch if message not in again], failed)
        if again:
            failed = failed - {message.id for message in again} | await self._handle(again)
        return failed

    async def _settle(self, batch: Sequence[Message], failed: Collection[str]) -> None:
        """Delete the messages that were handled; the others come back after their visibility timeout."""
        state = self._feed.state
        lost = [message for message in batch if message.id in failed]
        state.records += len(batch)
        state.failures += len(lost)
        for message in lost:
            if self._is_last(message):
                state.dead_letters += 1
                state.done(message.id)
            else:
                state.failed(message.id, message.receives)
        self._held.drop(lost)
        await self._held.delete([message for message in batch if message.id not in failed])
        if self._source.fifo:
            await self._held.give_back(followers(lost))

    async def _invoke(self, batch: Sequence[Message]) -> Outcome:
        """Hand a batch over; if it is refused, again and again, for as long as the messages are hidden."""
        pause, longest = BACK_OFF
        until = min(message.received for message in batch) + self._queue.visibility
        while True:
            outcome = await self._feed.invoke(event(batch))
            if not outcome.refused or self._stopping.is_set() or time.monotonic() + pause >= until:
                return outcome
            self._held.drop(batch)
            await self._pause(pause)
            self._held.add(batch)
            pause = min(2 * pause, longest)

    async def _after_refusal(self, batch: Sequence[Message]) -> None:
        """Give back what was refused at the end; otherwise it comes back by itself."""
        if self._stopping.is_set():
            await self._held.give_back(batch)
        else:
            self._held.drop(batch)

    def _is_last(self, message: Message) -> bool:
        return is_last(message, self._queue.most_receives)

    # -- what is not handled after all

    async def _give_back_all_but_last(self, messages: Sequence[Message]) -> list[Message]:
        """Return those on their last delivery: given back, they would be dead letters that nobody has handled."""
        await self._held.give_back([message for message in messages if not self._is_last(message)])
        last = [message for message in messages if self._is_last(message)]
        return last[: fitting(last, self._source.batch)]

    async def _give_back_the_rest(self) -> None:
        """Give back what did not fit into the last batch."""
        left, self._left = self._left, []
        await self._held.give_back(left)

    async def _keep_fresh(self) -> None:
        while True:
            await asyncio.sleep(REFRESH)
            await self._refresh()

    async def _refresh(self) -> None:
        """Read the queue's attributes; without them, its timeout is that of a new queue."""
        try:
            await self._queue.refresh()
        except Exception as error:  # noqa: BLE001
            self._feed.failure(error, doing="cannot read the queue's attributes", of="attributes")
        else:
            self._feed.works("attributes")
            self._feed.state.measure(self._queue.lag, self._queue.in_flight)
