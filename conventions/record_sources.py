"""Reads the records of an event that an event source mapping sends, and knows how each source has failures reported.

The rules are those of AWS's guide for Lambda: "Implementing partial batch responses" for SQS, "Configuring partial
batch response" for Kinesis and DynamoDB, "Configuring error handling controls for Kafka event sources".
"""

from __future__ import annotations

from conventions.codec import shortened
from dispatch.errors import UnmarshalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

#: Each source of an event's `Records`, and the path of the identifier in a record.
_SOURCES = {
    "aws:sqs": ("messageId",),
    "aws:kinesis": ("kinesis", "sequenceNumber"),
    "aws:dynamodb": ("dynamodb", "SequenceNumber"),
}
_QUEUE = "aws:sqs"

#: Amazon MSK, and any other Kafka.
_KAFKA = ("aws:kafka", "SelfManagedKafka")


class Record:
    """One record.

    Attributes:
        value: the record as it is in the event.
        identifier: what the report of its failure names it by.
        lane: the sequence in which its order matters: a FIFO queue's message group, a stream, a partition of a topic;
            None if its order does not matter.
    """

    __slots__ = ("identifier", "lane", "value")

    def __init__(self, value: Any, identifier: Any, lane: str | None) -> None:
        self.value = value
        self.identifier = identifier
        self.lane = lane


class Batch:
    """The records of one event, in the event's order.

    Attributes:
        records: a list of Record.
        ordered: whether the order of any of them matters.
        from_checkpoint: whether a failed record brings back all that come after it in its lane, as in streams, so that
            the report needs only the first; a queue brings back only those that the report names.
    """

    __slots__ = ("from_checkpoint", "ordered", "records")

    def __init__(self, records: list[Record], *, from_checkpoint: bool) -> None:
        self.records = records
        self.ordered = any(record.lane is not None for record in records)
        self.from_checkpoint = from_checkpoint


def read(event: Any) -> Batch:
    """The records of an event. Raises UnmarshalError, which names the unknown source or the path of the wrong value."""
    if isinstance(event, dict):
        if event.get("eventSource") in _KAFKA:
            return Batch([*_of_topics(event.get("records"))], from_checkpoint=True)
        if isinstance(event.get("Records"), list):
            return _of_list(event["Records"])
    if isinstance(event, dict):
        raise _unsupported(f"its keys are {shortened(', '.join(map(repr, event)))}" if event else "it has no keys")
    raise _unsupported(_kind(event))


def _of_list(records: list[Any]) -> Batch:
    source = ""
    found = []
    for number, value in enumerate(records):
        path = f"Records[{number}]"
        current = _at(value, path, ("eventSource",)) if "eventSource" in _object(value, path) else None
        if current not in _SOURCES:
            raise _unsupported(f"{path} comes from {shortened(repr(current or value.get('EventSource')))}")
        if current != (source := source or current):
            raise UnmarshalError(f"{path} comes from {current!r}, but the records before it come from {source!r}")
        found.append(Record(value, _at(value, path, _SOURCES[current]), _lane(value, path, current)))
    return Batch(found, from_checkpoint=source != _QUEUE)


def _lane(record: dict[str, Any], path: str, source: str) -> str | None:
    """A stream's records are all from one shard. Standard queues, too, may have message groups, for fairness."""
    if source != _QUEUE:
        return source
    if str(record.get("eventSourceARN")).endswith(".fifo"):
        return _at(record, path, ("attributes", "MessageGroupId"))
    return None


def _of_topics(partitions: Any) -> Iterator[Record]:
    for partition, records in _object(partitions, "records").items():
        path = f"records[{partition!r}]"
        if not isinstance(records, list):
            raise UnmarshalError(f"{path} must be a list of records, not {_kind(records)}")
        for number, value in enumerate(records):
            offset = _object(value, f"{path}[{number}]").get("offset")
            if not isinstance(offset, int) or isinstance(offset, bool):
                raise UnmarshalError(f"{path}[{number}].offset must be a whole number, not {shortened(repr(offset))}")
            yield Record(value, {"partition": partition, "offset": offset}, partition)


def _at(value: Any, path: str, names: tuple[str, ...]) -> str:
    """The text at a path of keys."""
    found = value
    for name in names:
        found = found.get(name) if isinstance(found, dict) else None
    if isinstance(found, str) and found:
        return found
    for name in names:
        value = _object(value, path).get(name)
        path = f"{path}.{name}"
    raise UnmarshalError(f"{path} must be a text that is not empty, not {shortened(repr(value))}")


def _object(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UnmarshalError(f"{path} must be an object, not {_kind(value)}")
    return value


def _kind(value: Any) -> str:
    return "null" if value is None else f"{str(value)[:40]!r}"


def _unsupported(what: str) -> UnmarshalError:
    return UnmarshalError(
        f"not an event with records that can fail one by one: {what}; supported sources: SQS, Kinesis, DynamoDB "
        "streams, Amazon MSK and self-managed Kafka"
    )
