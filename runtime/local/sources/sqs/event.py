"""Messages of SQS as Lambda puts them into an event."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from dispatch import protocol

#: The names of SQS's API and those of the events that Lambda makes.
_ATTRIBUTE: Final = {"StringValue": "stringValue", "BinaryValue": "binaryValue", "DataType": "dataType"}


class Message:
    """A message that was received.

    Attributes:
        handle: what it is deleted and hidden by.
        group: the FIFO queue's message group; empty for a standard queue.
        receives: how often it was received, this time included.
        record: its record in an event, in JSON.
        received: when it was received, by the monotonic clock.
    """

    __slots__ = ("body", "group", "handle", "id", "received", "receives", "record")

    def __init__(self, message: Mapping[str, Any], arn: str) -> None:
        attributes = message.get("Attributes", {})
        self.id: str = message["MessageId"]
        self.handle: str = message["ReceiptHandle"]
        self.body: str = message["Body"]
        self.group: str = attributes.get("MessageGroupId", "")
        self.receives = int(attributes.get("ApproximateReceiveCount", 1))
        self.record = encoded(message, arn)
        self.received = time.monotonic()


def encoded(message: Mapping[str, Any], arn: str) -> bytes:
    """Return a message of the queue with this ARN as a record in JSON."""
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
    return json.dumps(record, ensure_ascii=False).encode()


def event(messages: Sequence[Message]) -> bytes:
    """Return the event with these messages."""
    return b'{"Records": [' + b", ".join(message.record for message in messages) + b"]}"


def fitting(messages: Sequence[Message], most: int, limit: int = protocol.EVENT_LIMIT) -> int:
    """Return how many of the messages, from the first on, fit into an event: `most`, and `limit` bytes, at most.

    One always does; if it is too large for any event, the function's environment refuses it.
    """
    size = len(event([]))
    for number, message in enumerate(messages):
        size += len(message.record) + len(b", ")
        if number == most or (number and size - len(b", ") > limit):
            return number
    return len(messages)


def _named(value: Mapping[str, Any]) -> dict[str, str]:
    fields = {ours: value[theirs] for theirs, ours in _ATTRIBUTE.items() if theirs in value}
    return {key: base64.b64encode(each).decode() if isinstance(each, bytes) else each for key, each in fields.items()}
