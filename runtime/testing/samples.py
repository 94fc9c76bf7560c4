"""Sample events of the main AWS sources, with fields to change."""

from __future__ import annotations

import base64
import copy
import gzip
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from dispatch import http
from runtime.local import samples

#: The samples that are HTTP requests, and the kinds of their events.
HTTP_KINDS: Final[Mapping[str, str]] = {
    "alb": http.ALB,
    "api-gateway": http.REST_API,
    "function-url": http.FUNCTION_URL,
    "http-api": http.HTTP_API,
}

REQUEST_FIELDS: Final = ("method", "path", "query", "headers", "cookies", "body")

#: The keys that tell the records of an event apart.
IDS: Final = frozenset({"messageId", "MessageId", "eventID", "sequenceNumber", "recordId", "messageID", "offset"})

#: The keys whose text is base64, by the sample's name.
ENCODED: Final[Mapping[str, frozenset[str]]] = {
    "kinesis": frozenset({"data"}),
    "firehose": frozenset({"data"}),
    "kafka": frozenset({"key", "value"}),
    "self-managed-kafka": frozenset({"key", "value"}),
    "activemq": frozenset({"data"}),
    "rabbitmq": frozenset({"data"}),
}


def sample(name: str, *, records: Sequence[Mapping[str, Any]] | None = None, **fields: Any) -> dict[str, Any]:
    """A sample event.

    Args:
        name: the sample's name, such as `sqs`; `dispatch invoke --help` lists them.
        records: for events with records, the changes of each; each record gets an id of its own.
        fields: what to change, named as in the event (`messageId` or `message_id`), wherever it is. A dictionary or a
            list becomes JSON where the event has text, and base64 where it has that. For HTTP: `method`, `path`,
            `query`, `headers`, `cookies` and `body`.

    Raises:
        KeyError: there is no such sample.
        TypeError: the event has no such field.
    """
    event: dict[str, Any] = json.loads(samples.load(name))
    if name in HTTP_KINDS:
        return _request(name, event, fields)
    if name == "cloudwatch-logs":
        return _logs(event, fields)
    encoded = ENCODED.get(name, frozenset())
    if records is not None:
        _multiply(name, event, records, encoded)
    for field, value in fields.items():
        _change(name, event, field, value, encoded)
    return event


def _request(name: str, event: dict[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """The event of a request like the sample's, with other fields."""
    unknown = sorted(fields.keys() - set(REQUEST_FIELDS))
    if unknown:
        raise TypeError(f"the sample {name} has no field {', '.join(unknown)}; its fields: {', '.join(REQUEST_FIELDS)}")
    if not fields:
        return event
    was = http.Request.from_event(event)
    query, cookies, replaced = fields.get("query"), fields.get("cookies"), fields.get("headers", {})
    names = {header.lower() for header in replaced} | ({"cookie"} if cookies is not None else set())
    headers = [pair for pair in was.header_pairs if pair[0].lower() not in names] + [*replaced.items()]
    if cookies:
        headers.append(("cookie", "; ".join(f"{key}={value}" for key, value in cookies.items())))
    request = http.Request(
        fields.get("method", was.method),
        fields.get("path", was.raw_path),
        was.raw_query if query is None else query if isinstance(query, str) else urlencode(query, doseq=True),
        headers,
        _bytes(fields["body"]) if "body" in fields else was.body,
        client=was.client,
        scheme=was.scheme,
        http_version=was.http_version,
    )
    made = http.event(request, HTTP_KINDS[name])
    return {**made, "requestContext": {**event["requestContext"], **made["requestContext"]}}


def _logs(event: dict[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """The sample of CloudWatch Logs, whose fields are compressed."""
    held = json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))
    for field, value in fields.items():
        _change("cloudwatch-logs", held, field, value, frozenset())
    data = gzip.compress(json.dumps(held).encode(), mtime=0)
    return {"awslogs": {"data": base64.b64encode(data).decode()}}


def _multiply(name: str, event: dict[str, Any], records: Sequence[Mapping[str, Any]], encoded: Collection[str]) -> None:
    """Replace an event's records by as many copies of the first one as there are changes."""
    found = next((value for _, _, value in _members(event) if isinstance(value, list) and _are_records(value)), None)
    if found is None:
        raise TypeError(f"the sample {name} has no records")
    first = found[0]
    found[:] = [copy.deepcopy(first) for _ in records]
    for number, (record, changes) in enumerate(zip(found, records, strict=True)):
        for holder, key, value in [*_members(record)]:
            if number and key in IDS:
                holder[key] = value + number if isinstance(value, int) else f"{value}-{number}"
        for field, value in changes.items():
            _change(name, record, field, value, encoded)


def _are_records(value: list[Any]) -> bool:
    return bool(value) and isinstance(value[0], dict)


def _change(name: str, event: dict[str, Any], field: str, value: Any, encoded: Collection[str]) -> None:
    """Change a field at its shallowest place."""
    members = [*_members(event)]
    found = next(((holder, key) for holder, key, _ in members if _plain(key) == _plain(field)), None)
    if found is None:
        known = sorted({key for _, key, _ in members})
        raise TypeError(f"the sample {name} has no field {field!r}; its fields: {', '.join(known)}")
    holder, key = found
    was = holder[key]
    if isinstance(was, dict) and isinstance(value, str) and "name" in was:
        was["name"] = value  # a bucket, which has an ARN, too
    elif key in encoded:
        holder[key] = base64.b64encode(_bytes(value)).decode()
    elif isinstance(was, str) and value is not None:
        holder[key] = _bytes(value).decode()
    else:
        holder[key] = value


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


def _bytes(value: Any) -> bytes:
    """Text and bytes as they are, anything else as JSON."""
    if isinstance(value, bytes):
        return value
    return (value if isinstance(value, str) else json.dumps(value)).encode()
