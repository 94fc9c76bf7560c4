"""The `cloudevent` convention: `func(event)` with the CloudEvent class of the CNCF's SDK, `cloudevents` 1.x or 2.x.

The event comes from a request, from headers, as JSON, or from EventBridge; see `cloudevent_wire`. The SDK is imported
when the convention is applied.
"""

from __future__ import annotations

from importlib import import_module

from conventions import cloudevent_wire as wire
from conventions.codec import parsed
from conventions.json import encoded
from dispatch.errors import ImportModuleError, MarshalError, UnmarshalError
from dispatch.http import Request, kind, reply
from dispatch.protocol import JSON
from dispatch.response import HTTPResponse, Response, is_iterator, respond

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from dispatch.invocation import Invocation
    from dispatch.types import Conventions, Handler, UserFunction

#: The module of the SDK's class in each major version, the newer one first, and whether its times are datetimes.
_MODULES = {"cloudevents.core.v1.event": True, "cloudevents.http": False}


def cloudevent(function: UserFunction) -> Handler:
    """func(event: CloudEvent) -> None, a CloudEvent, or any value that JSON can express."""
    make = sdk("cloudevent")

    def handle(invocation: Invocation) -> Response:
        request, (attributes, data) = _received(invocation)
        answer = function(make(attributes, data))
        if is_iterator(answer) or isinstance(answer, HTTPResponse):
            return respond(answer, _written, JSON, lambda item: _written(item) + b"\n")
        if request is not None:
            return Response(encoded(_replied(request, answer)), JSON)
        return Response(_written(answer), wire.STRUCTURED if _is_event(answer) else JSON)

    return handle


def sdk(convention: str) -> Callable[[dict[str, Any], Any], Any]:
    """A function that makes the SDK's object of attributes and data. Raises ImportModuleError."""
    for module, has_datetimes in _MODULES.items():
        try:
            return _maker(import_module(module).CloudEvent, has_datetimes)
        except (ImportError, AttributeError) as error:
            failure = error
    raise ImportModuleError(
        f"the {convention} convention needs the CloudEvents SDK, which cannot be imported: {failure}; "
        "install it with handler-dispatch[cloudevents]",
        module="cloudevents",
    )


def _maker(sdk_class: Callable[..., Any], has_datetimes: bool) -> Callable[[dict[str, Any], Any], Any]:
    def make(attributes: dict[str, Any], data: Any) -> Any:
        if has_datetimes and "time" in attributes:
            attributes["time"] = wire.moment(attributes["time"])
        try:
            return sdk_class(attributes, data)
        except Exception as error:
            raise UnmarshalError(f"the CloudEvents SDK does not accept the event: {error}") from error

    return make


def _received(invocation: Invocation) -> tuple[Request | None, wire.Event]:
    """The request that the event is, if it is one, and the CloudEvent in it."""
    headers = invocation.headers.lowered
    if wire.is_binary(headers):
        return None, wire.from_binary(headers, invocation.body)
    event = parsed(invocation)
    if kind(event) is None:
        return None, wire.from_json(event)
    request = Request.from_event(event)
    return request, wire.from_http(request)


def _is_event(value: Any) -> bool:
    """Whether a value is an object of the SDK: these methods are common to the classes of all its versions."""
    return hasattr(type(value), "get_attributes") and hasattr(type(value), "get_data")


def _written(value: Any) -> bytes:
    return wire.to_json(value.get_attributes(), value.get_data()) if _is_event(value) else encoded(value)


def _replied(request: Request, answer: Any) -> dict[str, Any]:
    """The answer in the event's own format; None is a 204, as in "HTTP 1.1 Web Hooks for Event Delivery"."""
    if answer is None:
        return reply(request, 204)
    if not _is_event(answer):
        return reply(request, 200, {"content-type": JSON}, encoded(answer))
    headers, body = wire.to_binary(answer.get_attributes(), answer.get_data())
    try:
        return reply(request, 200, headers, body)
    except (TypeError, ValueError) as error:
        raise MarshalError(f"the CloudEvent cannot be sent in HTTP headers: {error}") from error


def dispatch_conventions() -> Conventions:
    """The convention for a function of CloudEvents."""
    return {"cloudevent": cloudevent}
