"""How a Knative function gets and sends CloudEvents: `scope["event"]`, and a `send` that takes CloudEvents.

The rules are those of func-python 0.8.0, `cloudevent.py`: a request that cannot be read is a 400, or a 500 if the SDK
itself fails at it; an exception of the function is a 500 that is a CloudEvent; `send(event, status)` and
`send.structured` answer in structured mode, `send.binary` in binary mode, `send.http` takes a message of ASGI. With
`cloudevents` 1.x the functions are those that func-python 0.7.0 calls.

Two things are added, so that a function of ordinary requests can also be sent a CloudEvent: `send` takes messages of
ASGI as well, and `receive` still returns the body.
"""

from __future__ import annotations

from importlib import import_module

from conventions import cloudevent, failures
from conventions import cloudevent_wire as wire
from dispatch.exceptions import message
from dispatch.http import kind
from dispatch.protocol import CLOUDEVENTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


_REFUSED = b"Bad Request: This endpoint expects CloudEvent requests. "
_FAILURE = {"type": "dev.functions.error", "source": "/cloudevent/error"}


def is_event(scope: dict[str, Any]) -> bool:
    """Whether this is a CloudEvent, or an event of EventBridge, which can be made one."""
    event = scope.get("aws.event")
    if _is_posted(event):
        return isinstance(event, dict) and ("specversion" in event or {"detail", "detail-type"} <= event.keys())
    headers = _headers(scope)
    return wire.is_binary(headers) or headers.get("content-type", "").lower().startswith(CLOUDEVENTS)


def _is_posted(event: Any) -> bool:
    """Whether an event is not HTTP, and only posted to the function."""
    return event is not None and kind(event) is None


def _headers(scope: dict[str, Any]) -> dict[str, str]:
    return {name.decode().lower(): value.decode(errors="replace") for name, value in scope["headers"]}


class Variant:
    """The CloudEvents variant of a function's `handle`."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._sdk: _Sdk | None = None

    async def deliver(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Call the function with the event that a request carries."""
        self._sdk = sdk = self._sdk or _Sdk()
        event = scope.get("aws.event")
        posted = _is_posted(event)
        request = await _whole(receive)
        sender = _Sender(send, sdk, only_structured=posted)
        try:
            scope["event"] = sdk.make(*wire.from_json(event)) if posted else sdk.read(_headers(scope), request["body"])
        except Exception as error:
            if posted:
                raise
            await _refuse(error, scope, sender, sdk)
            return
        requests = iter([request])

        async def again() -> Any:
            return next(requests, None) or await receive()

        try:
            await self._handle(scope, again, sender)
        except Exception as error:
            if posted or sender.has_begun:
                raise
            _log(scope, "failed", error)
            failure = sdk.make(dict(_FAILURE), {"message": f"Error: {message(error)}"})
            await sender.structured(failure, 500)


async def _whole(receive: Any) -> Any:
    """A request whose body is in one message; servers may send it in several."""
    request = await receive()
    parts, more = [request.get("body", b"")], request
    while more.get("more_body"):
        more = await receive()
        parts.append(more.get("body", b""))
    return {**request, "body": b"".join(parts), "more_body": False}


async def _refuse(error: Exception, scope: dict[str, Any], sender: _Sender, sdk: _Sdk) -> None:
    """Answer a request that the SDK could not read."""
    _log(scope, "cannot be read as a CloudEvent", error)
    failure = 500, f"Internal Server Error: {message(error)}".encode(errors="replace")
    status, body = (400, _REFUSED) if isinstance(error, sdk.refusals) else failure
    await sender.response(status, {"content-type": "text/plain"}, body)


def _log(scope: dict[str, Any], what: str, error: Exception) -> None:
    failures.log("dispatch.http", f"{scope['method']} {scope['path']} {what}", error)


class _Sender:
    """What a function sends CloudEvents with.

    Attributes:
        has_begun: whether a response has been started.
    """

    def __init__(self, send: Any, sdk: _Sdk, *, only_structured: bool = False) -> None:
        self._send = send
        self._sdk = sdk
        self._only_structured = only_structured
        self.has_begun = False

    async def __call__(self, event: Any, status: int = 200) -> None:
        await (self.http(event) if isinstance(event, dict) else self.structured(event, status))

    async def structured(self, event: Any, status: int = 200) -> None:
        """Send an event as JSON."""
        await self.response(status, *self._sdk.structured(event))

    async def binary(self, event: Any, status: int = 200) -> None:
        """Send an event's attributes as headers and its data as the body, if there are headers to be sent."""
        write = self._sdk.structured if self._only_structured else self._sdk.binary
        await self.response(status, *write(event))

    async def http(self, message: Any) -> None:
        """Send a message of ASGI."""
        await self._send(message)
        self.has_begun = True

    async def response(self, status: int, headers: dict[str, str], body: bytes) -> None:
        """Send a whole response."""
        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self.http({"type": "http.response.start", "status": status, "headers": pairs})
        await self.http({"type": "http.response.body", "body": body})


class _Sdk:
    """The functions of the CloudEvents SDK, whichever version is installed; imported with the first event.

    Attributes:
        read: makes an event of headers and a body; raises `refusals` for a request that is none.
        structured, binary: return an event's headers and its body.
        make: makes an event of attributes and data.
    """

    read: Callable[[dict[str, str], bytes], Any]
    structured: Callable[[Any], tuple[dict[str, str], bytes]]
    binary: Callable[[Any], tuple[dict[str, str], bytes]]

    def __init__(self) -> None:
        self.make = cloudevent.sdk("knative")
        try:
            http = import_module("cloudevents.core.bindings.http")
        except ImportError:
            self._use_1()
            return
        refusal = import_module("cloudevents.core.exceptions").CloudEventValidationError
        self.refusals: tuple[type[Exception], ...] = (refusal, ValueError)
        self.read = lambda headers, body: http.from_http_event(http.HTTPMessage(headers, body))
        self.structured = lambda event: _parts(http.to_structured_event(event))
        self.binary = lambda event: _parts(http.to_binary_event(event))

    def _use_1(self) -> None:
        conversion = import_module("cloudevents.conversion")
        self.refusals = (import_module("cloudevents.exceptions").GenericException, ValueError)
        self.read = import_module("cloudevents.http").from_http
        self.structured, self.binary = conversion.to_structured, conversion.to_binary


def _parts(message: Any) -> tuple[dict[str, str], bytes]:
    return message.headers, message.body
