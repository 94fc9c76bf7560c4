"""The `knative` convention: a Knative function, `new()` or `handle(scope, receive, send)`, as func-python serves it.

The rules are those of func-python 0.8.0: `http.py` for ordinary requests, `cloudevent.py` for CloudEvents, which
`events` has. In both, `serve` looks at the function's name, `on_start` passes a copy of the environment, and
`handle_liveness` and `handle_readiness` answer the probes before the function sees them. `http.py` sends the text of an
exception as str, which hypercorn 0.17.3 refuses (protocol/http_stream.py), so that the connection breaks off within a
500; here the caller gets the whole answer. Unlike func-python, this awaits the methods that are `async def`.
"""

from __future__ import annotations

import os
from types import SimpleNamespace

from conventions.asgi import served
from conventions.ports.knative import events
from dispatch import settle
from dispatch.errors import HandlerNotFound, MarshalError
from dispatch.exceptions import message
from dispatch.modules import described

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from conventions.web import Answer
    from dispatch.types import Conventions, Handler

#: The probes' paths, and the methods that answer them.
_PROBES = {"/health/liveness": "alive", "/health/readiness": "ready"}

_PLAIN = "text/plain"


def knative(function: Any) -> Handler:
    """`new()`, which returns an object with `handle(scope, receive, send)`, or such a `handle` itself."""
    name = getattr(function, "__name__", None)
    if name == "new" and callable(function):
        instance = settle(function())
        if not callable(getattr(instance, "handle", None)):
            raise HandlerNotFound(f"the object that new() returned has no method 'handle': {described(instance)}")
    elif name == "handle" and callable(function):
        instance = SimpleNamespace(handle=function)
    else:
        raise HandlerNotFound(
            f"not a Knative function, whose name is 'new' or 'handle': {described(function)}; write the handler like "
            "func.new or func.handle"
        )
    return served(_Application(instance), failed=_failed)


knative.accepts_object = True  # type: ignore[attr-defined]


class _Application:
    """The ASGI application that a function's object is."""

    def __init__(self, instance: Any) -> None:
        self._instance = instance
        self._events = events.Variant(instance.handle)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["path"] in _PROBES:
            await self._probe(_PROBES[scope["path"]], send)
        elif events.is_event(scope):
            await self._events.deliver(scope, receive, send)
        else:
            await self._instance.handle(scope, receive, send)

    async def _live(self, receive: Any, send: Any) -> None:
        await receive()
        try:
            await self._call("start", os.environ.copy())
        except BaseException:
            # Of an exception alone, a few could come from an application that does not expect a lifespan.
            await send({"type": "lifespan.startup.failed"})
            raise
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._call("stop")
        await send({"type": "lifespan.shutdown.complete"})

    async def _probe(self, method: str, send: Any) -> None:
        result = await self._call(method)
        healthy, text = result if isinstance(result, tuple) else (result, "OK")
        headers = [(b"content-type", _PLAIN.encode())]
        await send({"type": "http.response.start", "status": 200 if healthy else 500, "headers": headers})
        await send({"type": "http.response.body", "body": f"{text}".encode()})

    async def _call(self, method: str, *arguments: Any) -> Any:
        """What a method of the function's object returns; True if it has no such method."""
        if not hasattr(self._instance, method):
            return True
        result = getattr(self._instance, method)(*arguments)
        return await result if hasattr(type(result), "__await__") else result


def _failed(error: Exception | SystemExit) -> Answer:
    if isinstance(error, MarshalError):  # no response, or none that can be sent: hypercorn's own answer
        return 500, [], b""
    return 500, [("content-type", _PLAIN)], f"Error: {message(error)}".encode(errors="replace")


def dispatch_conventions() -> Conventions:
    """The convention for a Knative function."""
    return {"knative": knative}
