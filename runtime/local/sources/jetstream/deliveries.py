"""The deliveries under way: kept from being delivered again meanwhile, settled once, and recognized afterwards."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from runtime.local.sources.jetstream.records import Delivery, Key, deliveries, key

T = TypeVar("T")

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

#: How many messages are remembered that were handled, for acknowledgements that do not arrive, and that have failed.
REMEMBERED: Final = 10_000
#: How often a message is reported to be in progress before it would be delivered again.
BEATS: Final = 3
#: Seconds in which the server must confirm that it has received acknowledgements.
CONFIRMATION: Final = 5
#: Seconds before a message is delivered for the second time; doubled from each delivery to the next, up to the latter.
DELAYS: Final = (1.0, 300.0)


class Deliveries:
    """The deliveries of a consumer that are under way here."""

    def __init__(self, client: Client, ack_wait: float, backoff: Sequence[float] = ()) -> None:
        """Create it.

        Args:
            client: the connection.
            ack_wait: the seconds after which the server delivers a message again that it hears nothing of.
            backoff: the seconds between deliveries, if the consumer has some.
        """
        self._client = client
        self._interval = min(ack_wait, *backoff) / BEATS if backoff else ack_wait / BEATS
        self._backoff = backoff
        self._under_way: dict[Key, Delivery] = {}
        self._handled: OrderedDict[Key, None] = OrderedDict()
        #: How often those were delivered that are to come again.
        self._counts: OrderedDict[Key, int] = OrderedDict()

    async def admit(self, messages: Iterable[Msg]) -> list[Delivery]:
        """Return the deliveries of messages that are to be handled.

        A message that was handled here is acknowledged once more: the first acknowledgement was lost. One that is being
        handled here is not handled a second time; it is settled with the first.
        """
        new: list[Delivery] = []
        # Of a message that it delivers while the request for it runs out, NATS 2.9 may begin to count anew, and may
        # deliver it twice.
        for message in sorted(messages, key=deliveries, reverse=True):
            same = key(message)
            known = self._under_way.get(same)
            if known is not None:
                known.message = max(known.message, message, key=deliveries)
                known.count = max(known.count, deliveries(message))
            elif same in self._handled:
                await message.ack()
            else:
                count = max(deliveries(message), self._counts.pop(same, 0) + 1)
                self._under_way[same] = Delivery.of(message, count)
                new.append(self._under_way[same])
        return sorted(new, key=lambda each: each.key)

    async def acknowledge(self, handled: Sequence[Delivery]) -> None:
        """Acknowledge messages that were handled.

        Nobody waits until the server confirms each one, which would cost a third of the throughput: a message whose
        acknowledgement is lost with the connection comes again, and is recognized.
        """
        for each in handled:
            self._remember(each)
            await each.message.ack()

    async def retry(self, delivery: Delivery) -> None:
        """Let a message be delivered again, after a delay that grows with its deliveries."""
        self._forget(delivery)
        _add(self._counts, delivery.key, delivery.count)
        await delivery.message.nak(self.delay(delivery.count))

    async def give_back(self, unhandled: Iterable[Delivery]) -> None:
        """Let messages that were not handed to the function be delivered again at once, here or elsewhere."""
        for each in unhandled:
            self._forget(each)
            await each.message.nak()

    async def give_up(self, delivery: Delivery) -> None:
        """Let a message not be delivered again."""
        self._remember(delivery)
        await delivery.message.term()

    def drop(self, unsettled: Iterable[Delivery]) -> None:
        """Leave messages to the server, which delivers them again when it has heard nothing of them for long enough."""
        for each in unsettled:
            self._forget(each)

    def delay(self, delivered: int) -> float:
        """Return the seconds before the next delivery of a message that was delivered so many times."""
        if self._backoff:
            return self._backoff[min(delivered, len(self._backoff)) - 1]
        first, longest = DELAYS
        return min(first * 2.0 ** min(delivered - 1, 30), longest)

    async def beat(self) -> None:
        """Keep the messages under way from being delivered again, without end."""
        while True:
            await asyncio.sleep(self._interval)
            for each in [*self._under_way.values()]:
                # Without a connection the messages are delivered again; they are recognized then.
                with contextlib.suppress(Exception):
                    await each.message.in_progress()

    async def confirm(self) -> None:
        """Wait until the server has read what was sent; if it has not, it delivers the messages again."""
        if self._client.is_connected:
            with contextlib.suppress(TimeoutError):
                await self._client.flush(CONFIRMATION)

    def _remember(self, delivery: Delivery) -> None:
        self._forget(delivery)
        _add(self._handled, delivery.key, None)

    def _forget(self, delivery: Delivery) -> None:
        self._under_way.pop(delivery.key, None)


def _add(kept: OrderedDict[Key, T], one: Key, value: T) -> None:
    """Keep a value; the oldest ones make room."""
    kept[one] = value
    while len(kept) > REMEMBERED:
        kept.popitem(last=False)
