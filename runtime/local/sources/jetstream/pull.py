"""Requests for the messages of a pull consumer.

nats-py's own `fetch` loses the messages that have arrived when it is cancelled, and waits for a whole batch. Here a
request ends when it is satisfied or when the server says so, whatever happens meanwhile: no message arrives later.
https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-13.md has the protocol.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.aio.subscription import Subscription

#: The subject of requests.
NEXT: Final = "$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
#: The headers of what ends a request.
STATUS, DESCRIPTION = "Status", "Description"
#: The statuses by which a request ends as it should: there are no messages, and its time is over.
EXPECTED: Final = ("404", "408")
#: How the server says that the consumer is gone.
DELETED: Final = "Consumer Deleted"
#: The status of a sign of life.
IDLE: Final = "100"
#: Seconds that the server may be late with the end of a request. NATS 2.9 sometimes forgets to report it, where a
#: message is to be delivered again at that moment.
LATE: Final = 1.0
SECOND: Final = 1_000_000_000


class PullError(Exception):
    """The server refused a request, ended it, or did not answer.

    Attributes:
        is_final: whether another request would be of no use.
    """

    def __init__(self, consumer: str, reason: str, *, is_final: bool = False) -> None:
        super().__init__(f"{consumer}: {reason}")
        self.is_final = is_final


class Pull:
    """Requests messages of one consumer, one request at a time.

    Attributes:
        client: the connection.
    """

    def __init__(self, client: Client, stream: str, consumer: str) -> None:
        self.client = client
        self._consumer = f"the consumer {consumer} of {stream}"
        self._subject = NEXT.format(stream=stream, consumer=consumer)
        self._inbox = client.new_inbox()
        self._subscription: Subscription | None = None
        self._number = 0
        self._wanted = 0
        self._arrived: list[Msg] = []
        self._ended = asyncio.Event()
        self._error: PullError | None = None

    async def open(self) -> None:
        """Begin to listen for messages."""
        self._subscription = await self.client.subscribe(f"{self._inbox}.*", cb=self._receive)

    async def close(self) -> None:
        """End listening; no request may be under way."""
        if self._subscription is not None and not self.client.is_closed:
            await self._subscription.unsubscribe()

    def rest(self) -> list[Msg]:
        """Return the messages that have arrived late, after the request for them was over."""
        messages, self._arrived = self._arrived, []
        return messages

    async def request(self, count: int, seconds: float = 0) -> list[Msg]:
        """Return up to so many messages: those there are, or those that arrive within some seconds.

        Raises:
            PullError: the request has failed, and no message has arrived.
        """
        self._number += 1
        self._wanted, self._error = count, None
        self._ended.clear()
        limits = {"expires": int(seconds * SECOND)} if seconds else {"no_wait": True}
        reply = f"{self._inbox}.{self._number}"
        if len(self._arrived) < count:
            await self.client.publish(self._subject, json.dumps({"batch": count, **limits}).encode(), reply)
            try:
                await asyncio.wait_for(self._ended.wait(), seconds + LATE)
            except TimeoutError:
                self._error = PullError(self._consumer, "it does not answer")
        messages, self._arrived = self._arrived[:count], self._arrived[count:]
        if self._error is not None and not messages:
            raise self._error
        return messages

    async def _receive(self, message: Msg) -> None:
        headers = message.headers or {}
        if message.reply or STATUS not in headers:
            self._arrived.append(message)
            if len(self._arrived) >= self._wanted:
                self._ended.set()
        elif headers[STATUS] != IDLE and message.subject == f"{self._inbox}.{self._number}":
            if headers[STATUS] not in EXPECTED:
                reason = headers.get(DESCRIPTION) or f"status {headers[STATUS]}"
                self._error = PullError(self._consumer, reason, is_final=reason == DELETED)
            self._ended.set()
