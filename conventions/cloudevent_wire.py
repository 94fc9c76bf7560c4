"""CloudEvents as they travel: in headers, as JSON, and in the envelope of EventBridge.

The rules are those of CloudEvents 1.0: "HTTP Protocol Binding" for headers, "JSON Event Format" for JSON. An event is
a pair of its attributes, by name, and its data. The readers raise UnmarshalError, which names the attribute.
"""

from __future__ import annotations

import binascii
from datetime import datetime

from conventions import codec
from conventions.json import encoded
from dispatch.errors import MarshalError, UnmarshalError
from dispatch.http import bodies, percent
from dispatch.protocol import CLOUDEVENTS, JSON

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from dispatch.http import Request

    #: Attributes and data.
    Event = tuple[dict[str, Any], Any]

SPECVERSION = "1.0"
REQUIRED = ("specversion", "id", "source", "type")
_OPTIONAL_TEXTS = ("datacontenttype", "dataschema", "subject", "time")

#: The media types of an event as JSON, and of several.
STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"

#: The characters of an attribute that a header has unescaped ("HTTP Header Values").
_IN_HEADERS = frozenset(map(chr, range(0x21, 0x7F))) - frozenset('"%')

#: The form of a time in RFC 3339 (section 5.6), each of its digits written as 0.
_DIGITS = str.maketrans("123456789", "000000000")
_TIMES = ("0000-00-00T00:00:00", "0000-00-00 00:00:00")
_OFFSETS = ("Z", "+00:00", "-00:00")

#: The fields of EventBridge's envelope, and the attributes that AWS's own samples make of them.
_ENVELOPE = {
    "id": "id",
    "source": "source",
    "detail-type": "type",
    "time": "time",
    "account": "account",
    "region": "region",
    "replay-name": "replayname",
}


def is_binary(headers: Mapping[str, str]) -> bool:
    """Whether headers, with names in lower case, say that the body is the data of an event."""
    if headers.get("content-type", "").lower().startswith(CLOUDEVENTS):
        return False
    return any(f"ce-{name}" in headers for name in REQUIRED)


def from_binary(headers: Mapping[str, str], body: bytes) -> Event:
    """The event whose attributes are in headers, with names in lower case, and whose data is the body."""
    attributes = {name[3:]: percent.decode_text(value) for name, value in headers.items() if name.startswith("ce-")}
    content_type = headers.get("content-type")
    if content_type:
        attributes["datacontenttype"] = content_type
    return _checked(attributes), _data(body, content_type)


def from_http(request: Request) -> Event | list[Event]:
    """The event that a request carries in either mode, or the events of a batch."""
    headers = request.headers.lowered
    if is_binary(headers):
        return from_binary(headers, request.body)
    content_type = headers.get("content-type", "")
    if content_type.lower().startswith(CLOUDEVENTS) and not is_json(content_type):
        raise UnmarshalError(
            f"the request has a CloudEvent as {content_type}; the format that can be read: {STRUCTURED}"
        )
    is_batch = content_type.partition(";")[0].strip().lower() == BATCH
    try:
        found = codec.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise UnmarshalError(
            f"the request is not a CloudEvent: {request.method} {request.raw_path} has no ce- headers, and its body is "
            f"not JSON: {error}"
        ) from None
    if not is_batch:
        return from_json(found)
    if not isinstance(found, list):
        raise UnmarshalError(f"the batch of CloudEvents is JSON, but not a list: {str(found)[:40]!r}")
    return [from_json(each) for each in found]


def from_json(value: Any) -> Event:
    """The event that a JSON value is: a CloudEvent, or an event of EventBridge, which may hold a CloudEvent."""
    if isinstance(value, list):
        raise UnmarshalError(
            f"the event is a batch of {len(value)} CloudEvents, which only a request of the content type {BATCH} "
            "may be; send each as an event of its own"
        )
    if not isinstance(value, dict):
        raise UnmarshalError(f"the event is not a CloudEvent: it is JSON, but not an object: {str(value)[:40]!r}")
    if "detail-type" in value and "detail" in value and "specversion" not in value:
        return _from_event_bridge(value)
    attributes = {name: each for name, each in value.items() if each is not None}
    data, text = attributes.pop("data", None), attributes.pop("data_base64", None)
    if text is not None:
        if data is not None:
            raise UnmarshalError("the CloudEvent has data and data_base64; only one of them is allowed")
        data = _from_base64(text)
    return _checked(attributes), data


def _from_event_bridge(envelope: dict[str, Any]) -> Event:
    detail = envelope["detail"]
    if isinstance(detail, dict) and all(name in detail for name in REQUIRED):
        return from_json(detail)
    attributes = {name: envelope[field] for field, name in _ENVELOPE.items() if envelope.get(field) is not None}
    resources = envelope.get("resources") or []
    if not isinstance(resources, list) or not all(isinstance(each, str) and each for each in resources):
        raise UnmarshalError(f"the EventBridge event's resources must be a list of texts, not {_shown(resources)}")
    if resources:
        attributes["subject"] = resources[0]
    if len(resources) > 1:
        attributes["resources"] = " ".join(resources)
    return _checked({"specversion": SPECVERSION, "datacontenttype": JSON, **attributes}), detail


def _checked(attributes: dict[str, Any]) -> dict[str, Any]:
    for name in REQUIRED:
        if name not in attributes:
            names = codec.shortened(", ".join(attributes)) or "nothing"
            raise UnmarshalError(f"not a CloudEvent: it has no {name}; it has: {names}")
    for name in (*REQUIRED, *_OPTIONAL_TEXTS):
        value = attributes.get(name, "absent")
        if not isinstance(value, str) or not value:
            raise UnmarshalError(f"the CloudEvent's {name} must be a text that is not empty, not {_shown(value)}")
    if attributes["specversion"] != SPECVERSION:
        raise UnmarshalError(
            f"the CloudEvent's specversion is {_shown(attributes['specversion'])}; this convention reads {SPECVERSION}"
        )
    for name, value in attributes.items():
        if name == "data" or not (name.isascii() and name.isalnum() and name == name.lower()):
            raise UnmarshalError(
                f"the CloudEvent has an attribute {_shown(name)}; names have lower-case letters and digits only, "
                "and data is not an attribute"
            )
        if isinstance(value, dict | list):
            raise UnmarshalError(f"the CloudEvent's {name} must be text, a number, true or false, not {_shown(value)}")
    if "time" in attributes:
        moment(attributes["time"])
    return attributes


def _is_rfc_3339(text: str) -> bool:
    """Whether a time has this form; Python reads many others of ISO 8601, such as weeks."""
    shape = text.translate(_DIGITS)
    offset = next((offset for offset in _OFFSETS if shape.endswith(offset)), "")
    start, point, fraction = shape.removesuffix(offset).partition(".")
    return bool(offset) and start in _TIMES and bool(fraction) == bool(point) and not fraction.strip("0")


def moment(text: str) -> datetime:
    """The time that an attribute has. Raises UnmarshalError."""
    try:
        found = datetime.fromisoformat(text.upper())
    except ValueError:
        found = None
    if found is None or not _is_rfc_3339(text.upper()):
        raise UnmarshalError(f"the CloudEvent's time is not a time with its offset from UTC (RFC 3339): {_shown(text)}")
    return found


def _shown(value: Any) -> str:
    """A value of an event for an error message."""
    return codec.shortened(repr(value))


def is_json(content_type: str) -> bool:
    """Whether a media type is JSON or based on it."""
    return content_type.partition(";")[0].strip().lower().endswith(("/json", "+json"))


def _data(body: bytes, content_type: str | None) -> Any:
    """JSON as its value, text as text, anything else as bytes; without a content type, whichever of them it is."""
    if not body:
        return None
    if content_type is None or is_json(content_type):
        try:
            return codec.loads(body)
        except (ValueError, RecursionError) as error:
            if content_type is not None:
                raise UnmarshalError(f"the CloudEvent's data is {content_type}, but not JSON: {error}") from None
    if content_type is None or content_type.lower().startswith(bodies.TEXT_TYPES):
        try:
            return body.decode()
        except UnicodeDecodeError:
            pass
    return body


def _from_base64(text: Any) -> bytes:
    try:
        return bodies.decode(text, is_base64=True)
    except (TypeError, ValueError):
        raise UnmarshalError(f"the CloudEvent's data_base64 is not base64: {str(text)[:40]!r}") from None


def to_binary(attributes: Mapping[str, Any], data: Any) -> tuple[dict[str, str], bytes]:
    """The headers and the body of an event. Raises MarshalError."""
    texts = {name: _text(value) for name, value in _sendable(attributes).items()}
    content_type = texts.pop("datacontenttype", "")
    headers = {f"ce-{name}": percent.encode(text, _IN_HEADERS) for name, text in texts.items()}
    if data is None:
        body = b""
    elif isinstance(data, bytes | bytearray | memoryview):
        body = bytes(data)
    elif isinstance(data, str) and content_type and not is_json(content_type):
        body = data.encode("utf-8", "surrogatepass")
    else:
        body, content_type = encoded(data), content_type or JSON
    if content_type:
        headers["content-type"] = content_type
    return headers, body


def to_json(attributes: Mapping[str, Any], data: Any) -> bytes:
    """The event as JSON. Raises MarshalError."""
    fields = {
        name: value if isinstance(value, bool | int) else _text(value) for name, value in _sendable(attributes).items()
    }
    if isinstance(data, bytes | bytearray | memoryview):
        fields["data_base64"] = binascii.b2a_base64(data, newline=False).decode()
    elif data is not None:
        fields["data"] = data
    return encoded(fields)


def _sendable(attributes: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: value for name, value in attributes.items() if value is not None}
    if found.get("specversion") != SPECVERSION:
        raise MarshalError(
            f"the CloudEvent that the handler returned has the specversion {found.get('specversion')!r}; "
            f"this convention sends {SPECVERSION}"
        )
    return found


def _text(value: Any) -> str:
    """An attribute's canonical string ("CloudEvents", section "Type System")."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return binascii.b2a_base64(value, newline=False).decode()
    if isinstance(value, datetime):
        text = value.isoformat()
        return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text
    return str(value)
