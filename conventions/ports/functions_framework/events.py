"""What a Google Cloud function receives of an event of Lambda that is not HTTP, as its platform would deliver it.

A message of SQS becomes one of Pub/Sub, a record of S3 one of Cloud Storage: CloudEvents of the types
google.cloud.pubsub.topic.v1.messagePublished and google.cloud.storage.object.v1, with the fields that Google's
schemas MessagePublishedData and StorageObjectData have (github.com/googleapis/google-cloudevents, proto/) as far as AWS
knows them. Background functions, `function(data, context)`, receive what functions-framework converts these to
(3.10.2, `event_conversion.py`).
"""

from __future__ import annotations

import binascii
from datetime import UTC, datetime
from types import SimpleNamespace

from conventions import cloudevent_wire as wire
from conventions.cloudevent import cloudevent, sdk
from conventions.codec import parsed, shortened
from conventions.json import json
from conventions.ports.functions_framework.source import EVENT, TYPED
from conventions.records import records
from dispatch.errors import UnmarshalError
from dispatch.http import percent
from dispatch.protocol import JSON
from dispatch.response import Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from dispatch.invocation import Invocation

    Deliver = Callable[[dict[str, Any], Any], Any]

#: The event names of S3, whole or up to the colon, and the event type of Cloud Storage for each.
_OF_OBJECTS = {
    "ObjectCreated": "finalized",
    "ObjectRemoved:Delete": "deleted",
    "ObjectRemoved:DeleteMarkerCreated": "archived",
    "LifecycleExpiration:Delete": "deleted",
    "LifecycleExpiration:DeleteMarkerCreated": "archived",
    "ObjectTagging": "metadataUpdated",
    "ObjectAcl": "metadataUpdated",
}


def receiver(function: Any, signature: str) -> Callable[[Invocation, Any], Response]:
    """What answers an event that is not HTTP, for a function of a signature other than `http`."""
    if signature == TYPED:
        handle = json(_taking_input(function))
        return lambda invocation, _event: handle(invocation)
    if signature == EVENT:
        background = _Background(function)
        return _receiver(background.deliver, background.receive)
    make, rest = sdk("functions-framework"), cloudevent(function)
    return _receiver(
        lambda attributes, data: function(make(attributes, data)), lambda invocation, _event: rest(invocation)
    )


def _taking_input(function: Any) -> Callable[[Any, Any], Any]:
    from functions_framework import _function_registry

    input_type: Any = _function_registry.get_func_input_type(function.__name__)

    def call(event: Any, _headers: Any) -> Any:
        answer = function(input_type.from_dict(event))
        return answer.to_dict() if hasattr(type(answer), "to_dict") else answer

    return call


def _receiver(deliver: Deliver, rest: Callable[[Invocation, Any], Response]) -> Callable[[Invocation, Any], Response]:
    queue = records(lambda record, _headers: deliver(*from_sqs(record)))

    def receive(invocation: Invocation, event: Any) -> Response:
        found = event.get("Records") if isinstance(event, dict) else None
        if not isinstance(found, list):
            return rest(invocation, event)
        sources = {f"{each.get('eventSource', each.get('EventSource'))}" for each in found if isinstance(each, dict)}
        if sources == {"aws:sqs"}:
            return queue(invocation)
        if sources != {"aws:s3"}:
            names = shortened(", ".join(sorted(sources))) or "none"
            raise UnmarshalError(
                f"unsupported records in the event: {names}; supported: records of aws:sqs or aws:s3, events of "
                "EventBridge, CloudEvents"
            )
        for each in [*map(from_s3, found)]:
            deliver(*each)
        return Response(b"null", JSON)

    return receive


def from_sqs(record: Any) -> wire.Event:
    """A message of SQS as a CloudEvent of Pub/Sub. Raises UnmarshalError."""
    try:
        identifier, text = record["messageId"], record["body"].encode("utf-8", "surrogatepass")
        account, queue = record.get("eventSourceARN", "_:_").split(":")[-2:]
        system = record.get("attributes", {})
        time = _time(system["SentTimestamp"]) if "SentTimestamp" in system else None
        given = {
            name: each.get("stringValue", each.get("binaryValue", ""))
            for name, each in record.get("messageAttributes", {}).items()
        }
    except _MALFORMED as error:
        raise UnmarshalError(f"not an SQS message: {type(error).__name__} {error}") from error
    message = _without_none(
        data=binascii.b2a_base64(text, newline=False).decode(),
        attributes=given,
        messageId=identifier,
        publishTime=time,
        orderingKey=system.get("MessageGroupId"),
    )
    attributes = _attributes(
        "pubsub.topic.v1.messagePublished",
        identifier,
        f"//pubsub.googleapis.com/projects/{account}/topics/{queue}",
        time,
    )
    return attributes, {"message": message, "subscription": f"projects/{account}/subscriptions/{queue}"}


def _time(milliseconds: str) -> str:
    moment = datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_s3(record: Any) -> wire.Event:
    """A record of S3 as a CloudEvent of Cloud Storage. Raises UnmarshalError."""
    try:
        event, bucket, entry = record["eventName"], record["s3"]["bucket"]["name"], record["s3"]["object"]
        name = percent.decode_text(entry["key"].replace("+", " "))
        generation = int(entry.get("sequencer", "0"), 16)
        request, time = record.get("responseElements", {}).get("x-amz-request-id", ""), record.get("eventTime")
        kind = _OF_OBJECTS.get(event) or _OF_OBJECTS.get(event.partition(":")[0])
    except _MALFORMED as error:
        raise UnmarshalError(f"not a record of S3: {type(error).__name__} {error}") from error
    if kind is None:
        raise UnmarshalError(
            f"the record's event has no equivalent in Cloud Storage: {shortened(repr(event))}; supported: "
            f"{', '.join(_OF_OBJECTS)}"
        )
    data = _without_none(
        kind="storage#object",
        id=f"{bucket}/{name}/{generation}",
        bucket=bucket,
        name=name,
        generation=f"{generation}",
        metageneration="1",
        size=f"{entry['size']}" if "size" in entry else None,
        etag=entry.get("eTag"),
        updated=time,
        **{"timeDeleted" if kind == "deleted" else "timeCreated": time},
    )
    source = f"//storage.googleapis.com/projects/_/buckets/{bucket}"
    attributes = _attributes(f"storage.object.v1.{kind}", f"{request}-{generation}", source, time)
    return {**attributes, "subject": f"objects/{name}"}, data


def _attributes(kind: str, identifier: str, source: str, time: str | None) -> dict[str, Any]:
    fixed = {"specversion": wire.SPECVERSION, "type": f"google.cloud.{kind}", "datacontenttype": JSON}
    return _without_none(id=identifier, source=source, time=time, **fixed)


def _without_none(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


#: What a record that is not as AWS sends it makes its reader raise.
_MALFORMED = (KeyError, TypeError, AttributeError, ValueError, OverflowError)


class _Background:
    """A background function, `function(data, context)`."""

    def __init__(self, function: Any) -> None:
        from functions_framework import event_conversion

        self._function = function
        self._conversion = event_conversion

    def receive(self, invocation: Invocation, _event: Any) -> Response:
        """Pass a CloudEvent, or an event of EventBridge."""
        headers = invocation.headers.lowered
        if wire.is_binary(headers):
            self.deliver(*wire.from_binary(headers, invocation.body))
        else:
            self.deliver(*wire.from_json(parsed(invocation)))
        return Response(b"null", JSON)

    def deliver(self, attributes: dict[str, Any], data: Any) -> None:
        """Pass a CloudEvent: converted if it is one of Google's types, otherwise its data and attributes."""
        headers = {f"ce-{name}": f"{value}" for name, value in attributes.items()}
        if self._conversion.is_convertable_cloud_event(SimpleNamespace(headers=headers)):
            self._function(*self._from_google(attributes, data))
            return
        context = self._conversion.Context(
            eventId=attributes["id"],
            timestamp=attributes.get("time", ""),
            eventType=attributes["type"],
            resource=attributes.get("subject", attributes["source"]),
        )
        self._function(data, context)

    def _from_google(self, attributes: dict[str, Any], data: Any) -> Any:
        body = wire.to_json(attributes, data)
        request = SimpleNamespace(headers={"content-type": wire.STRUCTURED}, get_data=lambda: body)
        try:
            return self._conversion.cloud_event_to_background_event(request)
        except (*_MALFORMED, self._conversion.EventConversionException) as error:
            raise UnmarshalError(f"functions-framework cannot convert the event: {error}") from error
