"""Events of AWS as the data of Azure's triggers: messages of SQS, events of EventBridge and its schedules.

The names of fields are those that the host sends and that azure-functions 2.3.0 reads: `queue.py`, `servicebus.py`,
`eventgrid.py` and `timer.py` there.
"""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime

from conventions import cloudevent_wire
from conventions.ports.azure.function import EVENT_GRID, QUEUE, SERVICE_BUS, TIMER
from dispatch.errors import UnmarshalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from conventions.ports.azure.function import Function

QUEUES = (QUEUE, SERVICE_BUS)

#: `%NAME%` in a setting is the value of an application setting, which is an environment variable.
_SETTING = re.compile("%([^%]+)%")

#: EventBridge's envelope without its resources, by the names of Event Grid's schema.
_EVENT_GRID = {"id": "id", "topic": "source", "eventType": "detail-type", "eventTime": "time", "dataVersion": "version"}

#: Any of these makes an event one for Event Grid: EventBridge's, a CloudEvent, one in Event Grid's own schema.
_EVENT_GRID_KEYS = frozenset({"detail-type", "specversion", "eventType"})


def choose(functions: list[Function], event: Any) -> Function:
    """The function that an event is for.

    Raises:
        UnmarshalError: there is none, or it cannot be said which one; the message names the functions there are.
    """
    fields = event if isinstance(event, dict) else {}
    if isinstance(fields.get("Records"), list):
        first = next((each for each in fields["Records"] if isinstance(each, dict)), {})
        source = first.get("eventSource") or first.get("EventSource")
        if source != "aws:sqs":
            hint = "send events of S3 through EventBridge, others through SQS"
            raise _unknown(functions, f"records of {source!r:.60}; {hint}")
        queues = {each: _queue(each) for each in functions if each.kind in QUEUES}
        name = str(first.get("eventSourceARN", "")).rpartition(":")[2]
        return _only(functions, queues, "message of the queue", name.removesuffix(".fifo"))
    timers = {each: each.name for each in functions if each.kind == TIMER}
    if timers and fields.get("detail-type") == "Scheduled Event":
        return _only(functions, timers, "schedule", _resource(fields).rpartition("/")[2])
    if not fields.keys().isdisjoint(_EVENT_GRID_KEYS):
        return _only(functions, {each: "" for each in functions if each.kind == EVENT_GRID}, "Event Grid event")
    raise _unknown(functions, f"the event: {event!r:.60}")


def _resource(event: dict[str, Any]) -> str:
    """The first of an event's resources."""
    resources = event.get("resources")
    return str(resources[0]) if isinstance(resources, list) and resources else ""


def _queue(function: Function) -> str:
    name = str(function.settings.get("queueName", ""))
    return _SETTING.sub(lambda found: os.environ.get(found[1], found[0]), name)


def _only(functions: list[Function], names: dict[Function, str], what: str, wanted: str = "") -> Function:
    """The function of these with the wanted name, or the only one."""
    found = [each for each, name in names.items() if wanted and name.lower() == wanted.lower()] or [*names]
    if len(found) == 1:
        return found[0]
    what = f"the {what} {wanted!r}" if wanted else f"the {what}"
    if not found:
        raise _unknown(functions, what)
    shown = ", ".join(f"{each.name} ({names[each]})" if names[each] else each.name for each in found)
    raise UnmarshalError(f"cannot tell which function {what} is for: {shown}")


def _unknown(functions: list[Function], what: str) -> UnmarshalError:
    shown = ", ".join(f"{each.name} ({each.kind})" for each in functions)
    return UnmarshalError(f"no function of the app is for {what}; it has: {shown}")


def message(function: Function, record: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The data and the metadata of a queue's trigger."""
    body, attributes = record.get("body"), record.get("attributes") or {}
    if not isinstance(body, str):
        raise UnmarshalError(f"the record's body must be text, not {body!r:.60}")
    binary = str(function.settings.get("dataType")).lower() == "binary"
    data = function.data(body.encode(), "bytes") if binary else function.data(body, "string")
    sent = attributes.get("SentTimestamp")
    time = datetime.fromtimestamp(int(sent) / 1000, UTC).isoformat() if sent else None
    fields = {
        **dict.fromkeys(("Id", "MessageId"), record.get("messageId")),
        **dict.fromkeys(("DequeueCount", "DeliveryCount"), attributes.get("ApproximateReceiveCount")),
        **dict.fromkeys(("InsertionTime", "EnqueuedTimeUtc"), time),
        **dict.fromkeys(("PopReceipt", "LockToken"), record.get("receiptHandle")),
        "SessionId": attributes.get("MessageGroupId"),
        "SequenceNumber": attributes.get("SequenceNumber"),
    }
    metadata = {name: function.data(str(value), "string") for name, value in fields.items() if value is not None}
    own = {name: each.get("stringValue") for name, each in (record.get("messageAttributes") or {}).items()}
    properties = function.data(json.dumps(own), "json")
    return data, {**metadata, "ApplicationProperties": properties, "UserProperties": properties}


def datum_of(function: Function, event: dict[str, Any]) -> Any:
    """The data of a timer's or an Event Grid trigger."""
    if function.kind == TIMER:
        event = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": None, "IsPastDue": False}
    elif "detail-type" in event and function.takes_cloud_events:
        attributes, data = cloudevent_wire.from_json(event)
        event = {**attributes, "data": data}
    elif "detail-type" in event:
        renamed = {name: event.get(field) for name, field in _EVENT_GRID.items()}
        event = {**renamed, "subject": _resource(event), "data": event.get("detail")}
    return function.data(json.dumps(event), "json")
