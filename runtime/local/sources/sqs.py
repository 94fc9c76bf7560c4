"""Polls a queue of SQS for a function, by boto3, at any endpoint that speaks its protocol.

https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html has the rules for answers.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

from runtime.local.environments.platform import Platform, UnknownFunction
from runtime.local.environments.pool import Throttled
from runtime.local.invocation import Event
from runtime.local.sources.mapping import BadMapping, EventSourceMapping
from runtime.local.values import parse_json

T = TypeVar("T")

#: What SQS hands out at once (its API reference, ReceiveMessage), and deletes at once.
BATCH_LIMIT: Final = 10
#: Seconds that one request waits for messages, and between two tries to reach a queue.
WAIT: Final = 1
#: Seconds in which a queue must be reached, and those in which it must answer: the end waits for a request.
CONNECT_TIMEOUT: Final = 3
READ_TIMEOUT: Final = 10
#: The names of SQS's API and those of the events that Lambda makes.
_ATTRIBUTE: Final = {"StringValue": "stringValue", "BinaryValue": "binaryValue", "DataType": "dataType"}


def check(mapping: EventSourceMapping) -> None:
    """Raise BadMapping unless the queue can be polled."""
    if not 1 <= mapping.batch_size <= BATCH_LIMIT:
        raise BadMapping(f"the batch size must be 1 to {BATCH_LIMIT}, not {mapping.batch_size}")
    try:
        import boto3  # noqa: F401
    except ImportError as error:
        raise BadMapping(f"cannot poll a queue of SQS: {error}; run: pip install boto3") from error


async def poll(mapping: EventSourceMapping, platform: Platform, notify: Callable[[str], None]) -> None:
    """Hand the queue's messages to the function and delete those that it has handled, until cancelled."""
    reported = ""
    while True:
        try:
            queue = await asyncio.to_thread(_Queue, mapping.arn)
            while True:
                await hand_over(queue, mapping, platform)
                reported = ""
        except Exception as error:  # noqa: BLE001 - the network, credentials, a queue that is gone: it may come back
            problem = f"{mapping.arn}: {type(error).__name__}: {error}"
            if problem != reported:
                notify(problem)
            reported = problem
            await asyncio.sleep(WAIT)


async def hand_over(queue: _Queue, mapping: EventSourceMapping, platform: Platform) -> None:
    """Handle the messages that there are; after a cancellation, none stays hidden in the queue or is handled twice."""
    receiving = asyncio.ensure_future(asyncio.to_thread(queue.receive, mapping.batch_size))
    try:
        messages = await asyncio.shield(receiving)
    except asyncio.CancelledError:
        # The queue may be gone; a failure must not take the place of the cancellation.
        with contextlib.suppress(Exception):
            await asyncio.to_thread(queue.release, await receiving)
        raise
    if messages:
        await _finished(_handle(queue, messages, mapping, platform))


async def _finished(work: Awaitable[T]) -> T:
    """Await work to its end; a cancellation meanwhile is raised afterwards."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        with contextlib.suppress(Exception):
            await task
        raise


async def _handle(
    queue: _Queue, messages: list[dict[str, Any]], mapping: EventSourceMapping, platform: Platform
) -> None:
    event = {"Records": [_record(message, mapping.arn) for message in messages]}
    try:
        invocation = await platform.invoke(mapping.function, Event(json.dumps(event).encode(), ""), "sqs")
    except (Throttled, UnknownFunction):
        return  # the messages come back
    body = await invocation.answer.read()
    failed = set(ids(messages)) if invocation.answer.error else failures(body, messages, mapping.reports_failures)
    await asyncio.to_thread(queue.delete, [each for each in messages if each["MessageId"] not in failed])


def ids(messages: Iterable[Mapping[str, Any]]) -> list[str]:
    """The ids of messages."""
    return [message["MessageId"] for message in messages]


def failures(body: bytes, messages: list[dict[str, Any]], reported: bool) -> set[str]:
    """The ids of the messages that have failed, by the answer of a function that has not failed itself.

    Args:
        body: the answer.
        messages: the batch.
        reported: whether the mapping has `ReportBatchItemFailures`; without it nothing has failed.
    """
    if not reported or not body:
        return set()
    everything = set(ids(messages))
    try:
        answer = parse_json(body)
        entries = (answer or {}).get("batchItemFailures") or []
        named = {entry["itemIdentifier"] for entry in entries}
    except (ValueError, TypeError, KeyError, AttributeError):
        return everything
    return everything if named - everything else named


def _record(message: Mapping[str, Any], arn: str) -> dict[str, Any]:
    """A message as Lambda puts it into an event."""
    record = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {
            name: {**_named(value), "stringListValues": [], "binaryListValues": []}
            for name, value in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message.get("MD5OfBody", ""),
        "eventSource": "aws:sqs",
        "eventSourceARN": arn,
        "awsRegion": arn.split(":")[3],
    }
    if "MD5OfMessageAttributes" in message:
        record["md5OfMessageAttributes"] = message["MD5OfMessageAttributes"]
    return record


def _named(value: Mapping[str, Any]) -> dict[str, str]:
    fields = {ours: value[theirs] for theirs, ours in _ATTRIBUTE.items() if theirs in value}
    return {key: base64.b64encode(each).decode() if isinstance(each, bytes) else each for key, each in fields.items()}


class _Queue:
    """One queue; its calls block."""

    def __init__(self, arn: str) -> None:
        import boto3
        from botocore.config import Config

        _, _, _, region, account, name = arn.split(":")
        # The default session must not be used by two threads at once; the caller's may be using it.
        config = Config(connect_timeout=CONNECT_TIMEOUT, read_timeout=READ_TIMEOUT, retries={"total_max_attempts": 1})
        self._client = boto3.Session().client("sqs", region_name=region, config=config)
        self._url = self._client.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"]

    def receive(self, limit: int) -> list[dict[str, Any]]:
        """Messages, if there are any within the time that one request waits."""
        reply = self._client.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=limit,
            WaitTimeSeconds=WAIT,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        found: list[dict[str, Any]] = reply.get("Messages", [])
        return found

    def delete(self, messages: list[dict[str, Any]]) -> None:
        """Delete messages that the function has handled."""
        if messages:
            self._client.delete_message_batch(QueueUrl=self._url, Entries=_entries(messages))

    def release(self, messages: list[dict[str, Any]]) -> None:
        """Let others receive messages that are not handled after all."""
        if messages:
            self._client.change_message_visibility_batch(
                QueueUrl=self._url, Entries=_entries(messages, VisibilityTimeout=0)
            )


def _entries(messages: list[dict[str, Any]], **more: Any) -> list[dict[str, Any]]:
    return [{"Id": str(n), "ReceiptHandle": each["ReceiptHandle"], **more} for n, each in enumerate(messages)]
