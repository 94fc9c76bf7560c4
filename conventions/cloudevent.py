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
from dispatch.http.cloudevents import wants_event
from dispatch.protocol import JSON
from dispatch.response import HTTPResponse, Response, chunks, is_iterator, respond

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from conventions.web import Answer, Headers
    from dispatch.invocation import Invocation
    from dispatch.types import Conventions, Handler, UserFunction

#: The module of the SDK's class in each major version, the newer one first, and whether its times are datetimes.
_MODULES = {"cloudevents.core.v1.event": True, "cloudevents.http": False}


def cloudevent(function: UserFunction) -> Handler:
    """func(event: CloudEvent) -> None, a CloudEvent, or any value that JSON can express; called for each of a batch."""
    make = sdk("cloudevent")

    def called(found: wire.Event | list[wire.Event]) -> Any:
        if isinstance(found, list):
            answers = [function(make(*each)) for each in found]
            return [answer for answer in answers if answer is not None] or None
        return function(make(*found))

    def handle(invocation: Invocation) -> Response:
        request, found = _received(invocation)
        answer = called(found)
        if is_iterator(answer) or isinstance(answer, HTTPResponse):
            return respond(answer, _written, JSON, _line)
        if request is not None:
            return Response(encoded(_in_its_format(request, answer)), JSON)
        return Response(_written(answer), _structured(answer) or JSON)

    def respond_to(request: Request) -> Answer:
        answer = called(wire.from_http(request))
        if is_iterator(answer):
            return 200, [], chunks(answer, _line)
        if isinstance(answer, HTTPResponse):
            return (
                answer.status,
                [*answer.headers.items(), *(("set-cookie", each) for each in answer.cookies)],
                _body(answer.body),
            )
        if answer is not None and not _structured(answer) and wants_event(request.headers.lowered):
            return 202, [], b""
        return _answer(answer)

    handle.respond_to = respond_to  # type: ignore[attr-defined]
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


def _received(invocation: Invocation) -> tuple[Request | None, wire.Event | list[wire.Event]]:
    """The request that the event is, if it is one, and the CloudEvents in it."""
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


def _structured(value: Any) -> str | None:
    """The media type of a CloudEvent, or of several, as JSON; None for any other value."""
    if _is_event(value):
        return wire.STRUCTURED
    return wire.BATCH if isinstance(value, list) and value and all(map(_is_event, value)) else None


def _written(value: Any) -> bytes:
    kind_ = _structured(value)
    if kind_ == wire.BATCH:
        return b"[" + b",".join(map(_written, value)) + b"]"
    return wire.to_json(value.get_attributes(), value.get_data()) if kind_ else encoded(value)


def _line(item: Any) -> bytes:
    return _written(item) + b"\n"


def _body(body: Any) -> bytes | Iterator[bytes]:
    """The body of an HTTPResponse, item by item as in a stream."""
    return chunks(body if is_iterator(body) else iter(() if body is None else (body,)), _line)


def _answer(value: Any) -> tuple[int, Headers, bytes]:
    """The HTTP response for a value; None is a 204, as in "HTTP 1.1 Web Hooks for Event Delivery"."""
    if value is None:
        return 204, [], b""
    if not _is_event(value):
        return 200, [("content-type", _structured(value) or JSON)], _written(value)
    headers, body = wire.to_binary(value.get_attributes(), value.get_data())
    return 200, list(headers.items()), body


def _in_its_format(request: Request, value: Any) -> dict[str, Any]:
    status, headers, body = _answer(value)
    try:
        return reply(request, status, headers, body)
    except (TypeError, ValueError) as error:
        raise MarshalError(f"the CloudEvent cannot be sent in HTTP headers: {error}") from error


def dispatch_conventions() -> Conventions:
    """The convention for a function of CloudEvents."""
    return {"cloudevent": cloudevent}
