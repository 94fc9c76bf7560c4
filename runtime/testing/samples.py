"""Sample events of the AWS sources, with fields to change."""

from __future__ import annotations

import base64
import copy
import gzip
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from hashlib import md5
from typing import Any, Final

from runtime.local import samples
from runtime.testing.sample_requests import HTTP_KINDS, PARTS, requested, text_or_json

#: The keys of an event's records: a list, or lists by topic and partition or by queue.
RECORDS: Final = ("Records", "records", "messages", "events", "tasks", "logEvents", "rmqMessagesByQueue")

#: The keys that tell the records of an event apart.
IDS: Final = frozenset(
    {
        *("messageId", "MessageId", "messageID", "receiptHandle", "MessageDeduplicationId", "recordId", "taskId", "id"),
        *("eventID", "eventId", "sequenceNumber", "SequenceNumber", "offset", "_data", "$oid"),
    }
)

#: The end of an id that counts: decimal, hexadecimal, or none.
COUNTER: Final = re.compile(r"[0-9]+$|[0-9a-f]+$|$")

#: The keys whose text is base64, by the sample's name.
ENCODED: Final[Mapping[str, frozenset[str]]] = {
    "kinesis": frozenset({"data"}),
    "firehose": frozenset({"data"}),
    "kafka": frozenset({"key", "value"}),
    "self-managed-kafka": frozenset({"key", "value"}),
    "activemq": frozenset({"data"}),
    "rabbitmq": frozenset({"data"}),
}


def sample(name: str, /, *, records: Sequence[Mapping[str, Any]] | None = None, **fields: Any) -> dict[str, Any]:
    """A sample event.

    Args:
        name: the sample's name, such as `sqs`; `dispatch invoke --help` lists them.
        records: for events with records, the changes of each; each record gets an id of its own.
        fields: what to change, named as in the event (`messageId` or `message_id`), at its shallowest place. A
            dictionary or a list becomes JSON where the event has text, and base64 where it has that. For HTTP, the
            request's `method`, `path`, `query`, `headers`, `cookies` and `body`, too, and `path_parameters`,
            `stage_variables` and `authorizer`.

    Raises:
        KeyError: there is no such sample.
        TypeError: the event has no such field, or no records.
    """
    event: dict[str, Any] = json.loads(samples.load(name))
    if name == "cloudwatch-logs":
        held = json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))
        data = gzip.compress(json.dumps(_changed(name, held, records, fields)).encode(), mtime=0)
        return {"awslogs": {"data": base64.b64encode(data).decode()}}
    if name in HTTP_KINDS:
        event, fields = requested(name, event, fields)
    return _changed(name, event, records, fields)


def _changed(
    name: str, event: dict[str, Any], records: Sequence[Mapping[str, Any]] | None, fields: Mapping[str, Any]
) -> dict[str, Any]:
    """The event, with records and fields changed."""
    encoded = ENCODED.get(name, frozenset())
    if records is not None:
        _multiply(name, event, records, encoded)
    for field, value in fields.items():
        _change(name, event, field, value, encoded)
    if "bootstrapServers" in event:
        (key,) = event.keys() & set(RECORDS)
        event[key] = _by_partition(event[key])
    return event


def _multiply(name: str, event: dict[str, Any], records: Sequence[Mapping[str, Any]], encoded: Collection[str]) -> None:
    """Replace an event's records by as many copies of the first one as there are changes."""
    found = next((event[key] for key in RECORDS if key in event), None)
    if found is None:
        raise TypeError(f"the sample {name} has no records; pass its fields themselves")
    if not isinstance(records, list | tuple) or not all(isinstance(changes, Mapping) for changes in records):
        raise TypeError(f"records must be a list of dictionaries, one for each record: {records!r:.100}")
    if isinstance(found, dict):
        found = next(iter(found.values()))
    first = found[0]
    found[:] = [copy.deepcopy(first) for _ in records]
    for number, (record, changes) in enumerate(zip(found, records, strict=True)):
        for holder, key, value in [*_members(record)]:
            if number and key in IDS and isinstance(value, str | int):
                holder[key] = _another(value, number)
        for field, value in changes.items():
            _change(name, record, field, value, encoded)


def _another(value: str | int, number: int) -> str | int:
    """The id that comes so many after one, in its form."""
    if isinstance(value, int):
        return value + number
    counter = COUNTER.search(value)
    digits = counter[0] if counter else ""
    if not digits:
        return f"{value}-{number}"
    base, form = (10, "d") if digits.isdigit() else (16, "x")
    return value[: -len(digits)] + format(int(digits, base) + number, form).zfill(len(digits))


def _by_partition(records: dict[str, list[dict[str, Any]]]) -> dict[str, list[dict[str, Any]]]:
    """Records of Kafka by topic and partition, as these are now."""
    found: dict[str, list[dict[str, Any]]] = {}
    for record in (record for several in records.values() for record in several):
        found.setdefault(f"{record['topic']}-{record['partition']}", []).append(record)
    return found


def _change(name: str, event: dict[str, Any], field: str, value: Any, encoded: Collection[str]) -> None:
    """Change a field at its shallowest place, and what follows from it."""
    members = [*_members(event)]
    found = next(((holder, key) for holder, key, _ in members if _plain(key) == _plain(field)), None)
    if found is None:
        known = [*(PARTS if name in HTTP_KINDS else ()), *sorted({key for _, key, _ in members})]
        raise TypeError(f"the sample {name} has no field {field!r}; its fields: {', '.join(dict.fromkeys(known))}")
    holder, key = found
    was = holder[key]
    if isinstance(was, dict) and isinstance(value, str) and {"name", "arn"} <= was.keys():
        was.update(name=value, arn=was["arn"].replace(was["name"], value))  # a bucket
    elif key in encoded:
        holder[key] = base64.b64encode(text_or_json(value)).decode()
    elif isinstance(was, str) and value is not None:
        holder[key] = text_or_json(value).decode()
    else:
        holder[key] = value
    if key == "body" and "md5OfBody" in holder:
        holder["md5OfBody"] = md5(text_or_json(value), usedforsecurity=False).hexdigest()


def _members(value: Any) -> Iterator[tuple[dict[str, Any], str, Any]]:
    """The members of all objects in a JSON value, with the object that holds each; the shallowest first."""
    level: list[Any] = [value]
    while level:
        inner: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                yield from ((each, key, member) for key, member in each.items())
            inner += each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
        level = inner


def _plain(name: str) -> str:
    """A name as it is compared: `message_id`, `messageId` and `message-id` are one."""
    return name.replace("_", "").replace("-", "").lower()
