"""A stream of NATS JetStream as an event source, by a durable pull consumer."""

from __future__ import annotations

from runtime.local.feed import Feed
from runtime.local.source import BadMapping
from runtime.local.sources.jetstream.connection import CONNECTION, connected
from runtime.local.sources.jetstream.consumer import UNLIMITED, NotReady, Wanted, difference, find_or_make, limit
from runtime.local.sources.jetstream.dead_letters import DeadLetters
from runtime.local.sources.jetstream.deliveries import Deliveries
from runtime.local.sources.jetstream.poller import Poller
from runtime.local.sources.jetstream.pull import Pull, PullError
from runtime.local.sources.jetstream.settings import JetStreamSettings

#: The server's own default for the seconds after which it delivers a message again.
ACK_WAIT_DEFAULT = 30.0


class JetStream(JetStreamSettings):
    """A stream that can be polled."""

    __slots__ = ()

    def check(self) -> None:
        """Raise BadMapping unless there is a client library."""
        try:
            import nats  # noqa: F401
        except ImportError as error:
            raise BadMapping(f"cannot poll NATS: {error}; run: pip install 'handler-dispatch[nats]'") from error

    async def poll(self, feed: Feed) -> None:
        """Hand the stream's messages to the function, and acknowledge those that it has handled, until cancelled."""

        async def work() -> None:
            try:
                await self._poll_once(feed)
            except (NotReady, PullError) as error:
                feed.unreachable(str(error))

        await feed.keep_trying(work)

    async def _poll_once(self, feed: Feed) -> None:
        """Poll over one connection."""
        durable = self.durable or feed.function
        wanted = Wanted(self.nats, durable, self.subject, feed.timeout, self.max_deliver, self.dead_letter)
        async with connected(f"dispatch {feed.function}", feed) as client:
            context = client.jetstream()
            consumer = await find_or_make(context, wanted)
            feed.works(CONNECTION)
            feed.works()
            if note := difference(consumer, wanted):
                feed.problem(note)
            pull = Pull(client, wanted.stream, durable)
            deliveries = Deliveries(client, consumer.ack_wait or ACK_WAIT_DEFAULT, consumer.backoff or ())
            poller = Poller(self, feed, pull, deliveries)
            poller.limit = limit(consumer, wanted)
            poller.server_gives_up = (consumer.max_deliver or UNLIMITED) == poller.limit
            if wanted.dead_letter:
                poller.dead_letters = DeadLetters(context, wanted.dead_letter, durable)

            async def measure() -> None:
                if client.is_connected:
                    info = await context.consumer_info(wanted.stream, durable)
                    feed.state.measure(info.num_pending, info.num_ack_pending, info.num_redelivered)

            await pull.open()
            feed.measure = measure
            try:
                await poller.run()
            finally:
                feed.measure = None
                await pull.close()
