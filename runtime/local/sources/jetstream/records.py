"""JetStream's messages as the records of an event."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from dispatch import protocol

if TYPE_CHECKING:
    from nats.aio.msg import Msg

#: The header by which publishers give a message an id, and streams recognize duplicates.
MESSAGE_ID: Final = "Nats-Msg-Id"
#: What is around the records of an event, and between them.
BEFORE, BETWEEN, AFTER = b'{"Records": [', b", ", b"]}"


#: What makes a message the same one when it is delivered again: its sequence, and when the stream stored it. A stream
#: that is deleted and made again begins with the same sequences.
Key: TypeAlias = tuple[int, datetime]


def key(message: Msg) -> Key:
    """Return what makes a message the same one when it is delivered again."""
    metadata = message.metadata
    return metadata.sequence.stream, metadata.timestamp


def deliveries(message: Msg) -> int:
    """Return how often a message has been delivered, by the count of NATS."""
    count: int = message.metadata.num_delivered
    return count


@dataclass(slots=True)
class Delivery:
    """A message that was delivered and is not settled yet.

    Attributes:
        message: as it was delivered last.
        count: how often it has been delivered, to any server.
        key: what it is recognized by.
        id: the id that the publisher gave it, else one of its stream and sequence.
        record: its record, as JSON.
    """

    message: Msg
    count: int
    key: Key
    id: str
    record: bytes

    @classmethod
    def of(cls, message: Msg, count: int) -> Delivery:
        """Read a message that was delivered so many times."""
        content = {**record(message), "delivered": count}
        return cls(message, count, key(message), content["messageId"], as_json(content))

    @property
    def fits(self) -> bool:
        """Whether an event can have this record."""
        return len(BEFORE) + len(self.record) + len(AFTER) <= protocol.EVENT_LIMIT


def record(message: Msg) -> dict[str, Any]:
    """Return a message as a record; a body that is not UTF-8 is base64."""
    metadata, headers, encoded = message.metadata, message.headers or {}, False
    try:
        body = message.data.decode()
    except UnicodeDecodeError:
        body, encoded = base64.b64encode(message.data).decode(), True
    return dict(  # noqa: C408 - a key is also the name of a convention, by which nothing may be looked up
        eventSource="nats:jetstream",
        messageId=headers.get(MESSAGE_ID) or f"{metadata.stream}:{metadata.sequence.stream}",
        stream=metadata.stream,
        subject=message.subject,
        sequence=metadata.sequence.stream,
        delivered=metadata.num_delivered,
        headers={str(name): value for name, value in headers.items()},
        body=body,
        isBase64Encoded=encoded,
    )


def as_json(content: Mapping[str, Any]) -> bytes:
    """Write a record; a header that is not UTF-8 gets replacements."""
    with contextlib.suppress(ImportError, TypeError):
        import orjson

        return orjson.dumps(content)
    return json.dumps(content, ensure_ascii=False).encode(errors="replace")


def event(messages: Sequence[Delivery]) -> bytes:
    """Return the event that has these records."""
    return BEFORE + BETWEEN.join(each.record for each in messages) + AFTER


def split(messages: Iterable[Delivery], most: int) -> Iterator[list[Delivery]]:
    """Return messages in their order, in as many lists as it takes for each to make an event.

    An event has no more records than it may, no more bytes than Lambda accepts, and no id twice: an answer names
    failures by their ids.
    """
    chosen, size = dict[str, Delivery](), 0
    for each in messages:
        grown = size + len(each.record) + len(BETWEEN)
        is_full = len(chosen) == most or len(BEFORE) + grown + len(AFTER) > protocol.EVENT_LIMIT
        if chosen and (is_full or each.id in chosen):
            yield [*chosen.values()]
            chosen, grown = {}, len(each.record) + len(BETWEEN)
        chosen[each.id], size = each, grown
    if chosen:
        yield [*chosen.values()]
