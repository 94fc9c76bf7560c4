"""A queue of SQS by boto3, whose calls block, in threads of its own."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from runtime.local.sources.sqs.event import Message
from runtime.local.sources.sqs.settings import ENDPOINTS, REQUEST_LIMIT, SqsSettings

#: Seconds that one request waits for messages; the end waits for it, too, so that what it brings is given back.
WAIT: Final = 1
#: Seconds in which a queue must be reached, and those in which it must answer.
CONNECT_TIMEOUT: Final = 3
READ_TIMEOUT: Final = 10
#: Seconds before other credentials are looked for, if those that were found are refused.
RENEWAL: Final = 30
#: How many requests to one queue are under way at most.
REQUESTS: Final = 32
#: How often messages are deleted that the queue has failed to delete, and the seconds before the second time; each
#: time after that they are twice as many.
DELETIONS: Final = 6
DELETION_PAUSE: Final = 0.1
#: SQS's own default (its API reference, SetQueueAttributes).
VISIBILITY_DEFAULT: Final = 30
#: The attributes that count messages (its API reference, GetQueueAttributes).
WAITING: Final = "ApproximateNumberOfMessages"
HIDDEN: Final = "ApproximateNumberOfMessagesNotVisible"


class Queue:
    """One queue.

    Attributes:
        arn: the queue's own ARN.
        visibility: seconds for which a message that was received is hidden.
        most_receives: how often a message is received before it goes to the dead-letter queue; None if there is none.
        lag: about how many messages are waiting; None if that is not known.
        in_flight: about how many are hidden, because they are being handled or have failed; None likewise.
    """

    def __init__(self, source: SqsSettings) -> None:
        self._source = source
        self._threads = ThreadPoolExecutor(REQUESTS, "sqs")
        #: What makes clients; a new one takes 20 times as long as a client, and megabytes until it is collected.
        self._session: Any = None
        self._session_made = 0.0
        self._client: Any = None
        self._url = ""
        self.arn = source.arn
        self.visibility = VISIBILITY_DEFAULT
        self.most_receives: int | None = None
        self.lag: int | None = None
        self.in_flight: int | None = None

    async def open(self) -> None:
        """Find the queue."""
        await self._run(self._open)

    def close(self) -> None:
        """Let its threads end."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, call: Callable[..., Any], **arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, lambda: call(**arguments))

    def _open(self) -> None:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import ClientError

        config = Config(
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            retries={"total_max_attempts": 1},
            max_pool_connections=REQUESTS,
        )
        source = self._source
        # The default session must not be used by two threads at once; the caller's may be using it.
        if self._session is None:
            self._session, self._session_made = boto3.Session(), time.monotonic()
        client = self._session.client("sqs", region_name=source.region, config=config, endpoint_url=endpoint(source))
        try:
            self._url = self._url_by(client)
        except Exception as error:
            client.close()
            is_refused = isinstance(error, ClientError) and not isinstance(error, client.exceptions.QueueDoesNotExist)
            if is_refused and time.monotonic() - self._session_made >= RENEWAL:
                self._session = None  # it goes on with the credentials that it has found, which may be wrong
            raise
        self._client = client

    def _url_by(self, client: Any) -> str:
        source = self._source
        if source.sqs.startswith(("http://", "https://")):
            return source.sqs
        owner = {"QueueOwnerAWSAccountId": source.account} if source.account else {}
        url: str = client.get_queue_url(QueueName=source.name, **owner)["QueueUrl"]
        return url

    async def refresh(self) -> None:
        """Read the queue's attributes again."""
        names = ["QueueArn", "VisibilityTimeout", "RedrivePolicy", WAITING, HIDDEN]
        reply = await self._run(self._client.get_queue_attributes, QueueUrl=self._url, AttributeNames=names)
        found = reply.get("Attributes", {})
        self.arn = found.get("QueueArn", self.arn)
        self.visibility = int(found.get("VisibilityTimeout", self.visibility))
        policy = json.loads(found["RedrivePolicy"]) if found.get("RedrivePolicy") else {}
        self.most_receives = int(policy["maxReceiveCount"]) if "maxReceiveCount" in policy else None
        self.lag = int(found[WAITING]) if WAITING in found else None
        self.in_flight = int(found[HIDDEN]) if HIDDEN in found else None

    async def receive(self, limit: int) -> list[Message]:
        """Return messages, if there are any within the time that one request waits."""
        reply = await self._run(
            self._client.receive_message,
            QueueUrl=self._url,
            MaxNumberOfMessages=min(limit, REQUEST_LIMIT),
            WaitTimeSeconds=WAIT,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        return [Message(message, self.arn) for message in reply.get("Messages", [])]

    async def delete(self, messages: Sequence[Message]) -> list[str]:
        """Delete messages; return why those were not deleted that cannot be."""
        faults = await asyncio.gather(*(self._delete(some) for some in _portions(messages)))
        return [fault for some in faults for fault in some]

    async def _delete(self, messages: Sequence[Message]) -> list[str]:
        """Delete a portion of messages, those that the queue fails to delete again."""
        left, faults, pause = dict(enumerate(messages)), [], DELETION_PAUSE
        for attempt in range(DELETIONS):
            entries = [{"Id": str(number), "ReceiptHandle": each.handle} for number, each in left.items()]
            try:
                reply = await self._run(self._client.delete_message_batch, QueueUrl=self._url, Entries=entries)
            except Exception:
                if attempt == DELETIONS - 1:
                    raise
            else:
                failed = {int(entry["Id"]): entry for entry in reply.get("Failed", ())}
                faults += [_fault(left[number], entry) for number, entry in failed.items() if entry.get("SenderFault")]
                left = {number: left[number] for number, entry in failed.items() if not entry.get("SenderFault")}
            if not left:
                return faults
            await asyncio.sleep(pause)
            pause *= 2
        return [*faults, *(_fault(message, failed[number]) for number, message in left.items())]

    async def hide(self, messages: Iterable[Message], seconds: Callable[[Message], int]) -> None:
        """Hide messages for so many seconds from now; 0 lets others receive them. Those that are gone are left out."""
        await asyncio.gather(*(self._hide(some, seconds) for some in _portions([*messages])))

    async def _hide(self, messages: Sequence[Message], seconds: Callable[[Message], int]) -> None:
        entries = [
            {"Id": str(number), "ReceiptHandle": each.handle, "VisibilityTimeout": seconds(each)}
            for number, each in enumerate(messages)
        ]
        await self._run(self._client.change_message_visibility_batch, QueueUrl=self._url, Entries=entries)


def endpoint(source: SqsSettings) -> str | None:
    """Return the endpoint in the source's URL; None for the one that boto3 finds by itself."""
    return None if any(os.environ.get(name) for name in ENDPOINTS) else source.endpoint


def _portions(messages: Sequence[Message]) -> Iterable[Sequence[Message]]:
    return (messages[start : start + REQUEST_LIMIT] for start in range(0, len(messages), REQUEST_LIMIT))


def _fault(message: Message, entry: dict[str, Any]) -> str:
    return f"cannot delete the message {message.id}: {entry.get('Code')}: {entry.get('Message', '')}"
