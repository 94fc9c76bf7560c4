"""The messages of a queue that were received: hidden from everyone else until they are deleted or given back."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable, Sequence
from typing import Final

from runtime.local.feed import Feed
from runtime.local.sources.sqs.event import Message
from runtime.local.sources.sqs.queue import Queue

#: Messages are hidden for longer in this part of their visibility timeout, seconds at least.
BEAT: Final = 1 / 3, 0.3
#: Seconds that a message may be hidden in all (SQS's API reference, ChangeMessageVisibility).
HIDDEN_LIMIT: Final = 12 * 60 * 60


class Held:
    """The messages that nobody else may receive."""

    def __init__(self, queue: Queue, feed: Feed) -> None:
        self._queue = queue
        self._feed = feed
        self._messages: dict[str, Message] = {}
        #: Is held while messages are hidden for longer, so that those given back are not hidden again.
        self._hiding = asyncio.Lock()

    def add(self, messages: Iterable[Message]) -> None:
        """Keep messages hidden from now on."""
        self._messages.update((message.handle, message) for message in messages)

    def drop(self, messages: Iterable[Message]) -> None:
        """Let messages come back after their visibility timeout."""
        for message in messages:
            self._messages.pop(message.handle, None)

    async def delete(self, messages: Sequence[Message]) -> None:
        """Delete messages; those that the queue does not delete come back."""
        try:
            for fault in await self._queue.delete(messages):
                self._feed.problem(fault, "deletion")
        except Exception as error:  # noqa: BLE001 - the messages come back
            self._feed.failure(error, doing="cannot delete messages", of="deletion")
        finally:
            self.drop(messages)
        for message in messages:
            self._feed.state.done(message.id)

    async def give_back(self, messages: Sequence[Message]) -> None:
        """Let others receive messages at once."""
        if not messages:
            return
        self.drop(messages)
        async with self._hiding:
            # The queue may be gone; then they come back after their visibility timeout.
            with contextlib.suppress(Exception):
                await self._queue.hide(messages, lambda _message: 0)

    async def keep_hidden(self) -> None:
        """Keep the messages from being received again, without end."""
        part, least = BEAT
        while True:
            await asyncio.sleep(max(self._queue.visibility * part, least))
            now, seconds = time.monotonic(), self._queue.visibility

            def longest(message: Message, now: float = now, seconds: int = seconds) -> int:
                return min(seconds, int(HIDDEN_LIMIT - (now - message.received)))

            async with self._hiding:
                messages = [one for one in self._messages.values() if longest(one) > 0]
                try:
                    await self._queue.hide(messages, longest)
                    self._feed.works("hiding")
                except Exception as error:  # noqa: BLE001 - there is another try before they come back
                    self._feed.failure(error, doing="cannot keep messages hidden", of="hiding")
