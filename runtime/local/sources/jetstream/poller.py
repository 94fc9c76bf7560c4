"""Polls a stream: requests messages while there is room for a batch, and settles each by the function's answer."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Collection, Coroutine, Iterable, Sequence
from typing import Final

from dispatch import protocol
from runtime.local.feed import Feed, Outcome
from runtime.local.sources.jetstream.dead_letters import DeadLetters
from runtime.local.sources.jetstream.deliveries import Deliveries
from runtime.local.sources.jetstream.pull import Pull, PullError
from runtime.local.sources.jetstream.records import Delivery, event, split
from runtime.local.sources.jetstream.settings import JetStreamSettings
from runtime.local.sources.partial_answers import failures

#: Seconds that one request waits for messages, and the end for a request; not those of a delay before a delivery.
WAIT: Final = 0.7
#: Seconds between two looks whether the connection is back, and before a request that has failed is tried again.
LOOK: Final = 0.1
#: After how many requests that fail in a row the consumer is looked at again.
ERRORS: Final = 3
#: A batch is received ahead of its turn if the one before took less than so many seconds.
QUICK: Final = 1.0
#: How many messages are received at once though they are of several batches.
AHEAD: Final = 100
#: Seconds before an event that was refused is handed over again: at first, and at most.
BACK_OFF: Final = 0.1, 5.0
#: Seconds for which this goes on before other machines get the messages.
PATIENCE: Final = 30.0
#: How a message is reported that its consumer has failed by its id, and one that no server has lived to settle.
NAMED: Final = "BatchItemFailure", "the function's answer names the message among the failures, or is malformed"
EXHAUSTED: Final = (
    "DeliveriesExhausted",
    "the server that had the last delivery has ended, or could not report its outcome",
)
#: What is reported apart: messages are received meanwhile.
LETTERS: Final = "dead letters"
TOO_LARGE: Final = "RequestEntityTooLarge", f"the record alone exceeds the {protocol.EVENT_LIMIT} bytes of an event"


class Poller:
    """The batches of one stream.

    Attributes:
        limit: after how many deliveries a message that fails is given up; 0 for never.
        server_gives_up: whether the NATS server stops delivering a message after as many.
        dead_letters: where messages go that are given up; None if they go nowhere.
    """

    def __init__(self, source: JetStreamSettings, feed: Feed, pull: Pull, deliveries: Deliveries) -> None:
        self._source = source
        self._feed = feed
        self._pull = pull
        self._deliveries = deliveries
        self.limit = 0
        self.server_gives_up = False
        self.dead_letters: DeadLetters | None = None
        #: Those received, whose batch has not been started.
        self._waiting: list[Delivery] = []
        self._running = self._errors = 0
        self._took = QUICK
        self._tasks: set[asyncio.Future[None]] = set()
        self._receiving: asyncio.Future[None] | None = None
        self._freed = asyncio.Event()
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Poll until cancelled; then let the batches under way finish, and give everything else back."""
        beating = asyncio.ensure_future(self._deliveries.beat())
        try:
            while True:
                await self._room(self._feed.concurrency + (self._took < QUICK))
                if not self._waiting:
                    self._receiving = asyncio.ensure_future(self._try_to_gather())
                    await asyncio.shield(self._receiving)
                await self._room(self._feed.concurrency)
                if self._waiting:
                    self._start(next(split(self._waiting, self._source.batch)))
        finally:
            self._stopping.set()
            await self._finish()
            beating.cancel()
            await self._deliveries.confirm()

    async def _room(self, most: int) -> None:
        """Wait until fewer batches than so many are under way."""
        while self._running >= most:
            self._freed.clear()
            await self._freed.wait()

    async def _finish(self) -> None:
        if self._receiving is not None:
            await asyncio.wait({self._receiving})
        self._waiting += await self._deliveries.admit(self._pull.rest())
        # A message that is given back on its last delivery would be given up without ever having been handled.
        back = [each for each in self._waiting if not self._is_last(each)]
        self._waiting = [each for each in self._waiting if self._is_last(each)]
        while self._waiting:
            self._start(next(split(self._waiting, self._source.batch)))
        await self._deliveries.give_back(back)
        while self._tasks:
            await asyncio.wait(self._tasks)

    # -- receiving

    async def _try_to_gather(self) -> None:
        """Receive the messages of one batch, perhaps none. Raises PullError if that fails again and again."""
        try:
            if self._pull.client.is_connected:
                await self._gather()
            else:
                await asyncio.sleep(LOOK)
            self._errors = 0
        except PullError as error:  # as when another server of a cluster takes over, or a connection was lost
            self._errors += 1
            if error.is_final or self._errors == ERRORS:
                raise
            await asyncio.sleep(LOOK)

    async def _gather(self) -> None:
        """Receive the messages of one batch: those there are, and those that come within the window."""
        batch = self._source.batch
        if not await self._receive(self._count()) and not self._stopping.is_set():
            await self._receive(1, WAIT)
            if self._waiting and batch > 1:
                await self._receive(batch - 1)
        until = time.monotonic() + self._source.window
        while self._waiting and not self._is_full() and not self._stopping.is_set():
            left = until - time.monotonic()
            if left <= 0:
                break
            await self._receive(batch - len(self._waiting), min(left, WAIT))

    def _count(self) -> int:
        """How many messages to request at once: a batch, or several small ones that take no time."""
        batch = self._source.batch
        most = 1 if self._source.window else int(QUICK / max(self._took, QUICK / AHEAD))
        return batch * max(1, min(most, AHEAD // batch))

    async def _receive(self, count: int, seconds: float = 0) -> bool:
        """Receive messages with one request; return whether there were any."""
        messages = await self._pull.request(count, seconds)
        if self._pull.client.is_connected:  # a request that was under way when the connection broke ends empty
            self._feed.works()
        for each in await self._deliveries.admit(messages):
            self._feed.state.delivered(each.id, each.count)
            if self.limit and each.count > self.limit:
                self._spawn(self._give_up(each, *EXHAUSTED), [each])
            elif not each.fits:
                self._spawn(self._settle([each], {each.id}, TOO_LARGE), [each])
            else:
                self._waiting.append(each)
        if messages:
            self._feed.state.note_lag(messages[-1].metadata.num_pending)
        return bool(messages)

    def _is_full(self) -> bool:
        size = sum(len(each.record) for each in self._waiting)
        return len(self._waiting) >= self._source.batch or size >= protocol.EVENT_LIMIT

    def _is_last(self, delivery: Delivery) -> bool:
        return bool(self.limit) and delivery.count >= self.limit

    # -- handling

    def _start(self, batch: list[Delivery]) -> None:
        """Handle a batch, the first of those that are waiting."""
        del self._waiting[: len(batch)]
        self._running += 1
        self._spawn(self._handle(batch), batch)

    def _spawn(self, work: Coroutine[object, object, None], batch: Sequence[Delivery]) -> None:
        async def guarded() -> None:
            try:
                await work
            except Exception as error:  # noqa: BLE001 - the connection is gone for good: the messages come back
                self._feed.problem(f"{type(error).__name__}: {error}")
                self._deliveries.drop(batch)

        task = asyncio.ensure_future(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _handle(self, batch: Sequence[Delivery]) -> None:
        began = time.monotonic()
        try:
            outcome = await self._invoke(batch)
        finally:
            self._took = time.monotonic() - began
            self._running -= 1
            self._freed.set()
        if outcome.refused:
            await self._return(batch)
            return
        reason = NAMED
        if outcome.error is not None:
            reason = outcome.error.type, outcome.error.message
        await self._settle(batch, failures(outcome, [each.id for each in batch], reported=True), reason)

    async def _invoke(self, batch: Sequence[Delivery]) -> Outcome:
        """Hand a batch over; if it is refused, again and again for a while, on their last delivery without end."""
        body, (pause, longest) = event(batch), BACK_OFF
        until = time.monotonic() + PATIENCE
        while True:
            outcome = await self._feed.invoke(body)
            patient = time.monotonic() + pause < until or any(map(self._is_last, batch))
            if not outcome.refused or self._stopping.is_set() or not patient:
                return outcome
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
            pause = min(2 * pause, longest)

    async def _return(self, batch: Iterable[Delivery]) -> None:
        """Let others have what was refused: at once if this is the end, else later."""
        if self._stopping.is_set():
            await self._deliveries.give_back(batch)
            return
        for each in batch:
            await self._deliveries.retry(each)

    async def _settle(self, batch: Sequence[Delivery], failed: Collection[str], reason: tuple[str, str]) -> None:
        state = self._feed.state
        state.records += len(batch)
        state.failures += len(failed)
        handled = [each for each in batch if each.id not in failed]
        for each in handled:
            state.done(each.id)
        await self._deliveries.acknowledge(handled)
        for each in batch:
            if each.id not in failed:
                continue
            if self._is_last(each):
                await self._give_up(each, *reason)
            else:
                state.failed(each.id, each.count)
                await self._deliveries.retry(each)

    async def _give_up(self, delivery: Delivery, error_type: str, error_message: str) -> None:
        """Publish a message to the dead letters, if there are any, and only then let it not come back."""
        what = f"the message {delivery.id} after {delivery.count} deliveries: {error_type}: {error_message}"
        if self.dead_letters is not None:
            try:
                await self.dead_letters.publish(delivery, error_type, error_message)
            except Exception as error:  # noqa: BLE001 - no stream has the subject, the connection is gone: another time
                self._feed.failure(
                    error, doing=f"cannot publish to {self._source.dead_letter}, will try again", of=LETTERS
                )
                await self._deliveries.retry(delivery)
                return
            self._feed.works(LETTERS)
        self._feed.state.dead_letters += 1
        self._feed.state.done(delivery.id)
        if self.dead_letters is None and self.server_gives_up:
            await self._deliveries.retry(delivery)  # which the server does not do: the message stays in the stream
        else:
            await self._deliveries.give_up(delivery)
        self._feed.problem(f"gave up {what}")
