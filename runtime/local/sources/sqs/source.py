"""A queue of SQS as an event source, at any endpoint that speaks its protocol."""

from __future__ import annotations

from runtime.local.feed import Feed
from runtime.local.source import BadMapping
from runtime.local.sources.sqs.poller import Poller
from runtime.local.sources.sqs.queue import Queue
from runtime.local.sources.sqs.settings import SqsSettings


class Sqs(SqsSettings):
    """A queue that can be polled."""

    __slots__ = ()

    def check(self) -> None:
        """Raise BadMapping unless there is a client library."""
        try:
            import boto3  # noqa: F401
        except ImportError as error:
            reason = f"cannot poll an SQS queue: {error}; run: pip install 'handler-dispatch[aws]'"
            raise BadMapping(reason) from error

    async def poll(self, feed: Feed) -> None:
        """Hand the queue's messages to the function, and delete those that it has handled, until cancelled."""
        queue = Queue(self)

        async def work() -> None:
            await queue.open()
            await Poller(self, queue, feed).run()

        try:
            await feed.keep_trying(work)
        finally:
            queue.close()
