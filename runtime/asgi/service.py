"""A loaded function behind HTTP requests: an environment for each request, all of which share the function."""

from __future__ import annotations

import asyncio
import os
import time
from functools import lru_cache
from typing import Any
from uuid import uuid4

from dispatch import variables
from dispatch.errors import MarshalError
from dispatch.http import Request
from dispatch.http.cloudevents import wants_event
from dispatch.invocation import Headers, Invocation
from dispatch.protocol import AMZN_TRACE_ID, DEADLINE_MS, OWN_HEADERS, REQUEST_ID, TRACE_ID
from dispatch.response import Response
from runtime.asgi.bridge import work
from runtime.asgi.environment import RequestEnvironment
from runtime.asgi.passing import Passed
from runtime.asgi.responder import Responder
from runtime.concurrent import is_async
from runtime.lifecycle import Signals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dispatch.function import Function
    from dispatch.types import Handler
    from runtime.asgi.bridge import Bridge
    from runtime.logs import Log
    from runtime.settings import Settings

#: Seconds until the deadline of an invocation, because a server sets none: the longest on Lambda.
LONGEST = 900
#: Characters that a client's request id may have.
_ID_LIMIT = 128
_OWN = OWN_HEADERS.lower()
_REQUEST_ID, _DEADLINE_MS, _TRACE_ID = REQUEST_ID.lower(), DEADLINE_MS.lower(), TRACE_ID.lower()
_AMZN_TRACE_ID = AMZN_TRACE_ID.lower()


class Service:
    """A function that answers the requests of an ASGI server.

    Attributes:
        is_web: whether the function gets requests as they are, of every path.
    """

    def __init__(self, function: Function, settings: Settings, log: Log, bridge: Bridge) -> None:
        self._function = function
        self._log = log
        self._encoding = settings.encoding
        self._bridge = bridge
        self._signals = _signals()
        self._under_way = 0
        self._idle = asyncio.Event()
        self._base_path = variables.base_path()
        handler: Any = function.handler
        self._passed = Passed(handler, self._base_path, bridge) if hasattr(handler, "app") else None
        respond_to = getattr(handler, "respond_to", None)
        self.is_web = respond_to is not None
        if self.is_web:
            function.handler = self._of_requests(handler, respond_to)
        is_shared = is_async(function.user_object) and not hasattr(handler, "one_at_a_time")
        self._on_loop = is_shared and not getattr(handler, "blocks", False)
        if not is_shared and self._passed is None:
            bridge.limit(self._threads(settings))

    def _threads(self, settings: Settings) -> int:
        if settings.workers == 1 or not getattr(self._function.handler, "one_at_a_time", False):
            return settings.workers
        self._log.warning(
            f"HANDLER_WORKERS is {settings.workers}, but the {self._function.convention} convention handles one event "
            "at a time in a process; let the server run several processes"
        )
        return 1

    def _of_requests(self, handler: Any, respond_to: Any) -> Handler:
        """The handler of a web application or a port, which gets the request itself."""
        streams = os.environ.get("HANDLER_INVOKE_MODE") != variables.BUFFERED

        def handle(invocation: Invocation) -> Response:
            responder: Any = work.get()
            request = Request.from_scope(responder.scope, invocation.body, self._base_path, streams=streams)
            status, headers, body = respond_to(request)
            try:
                responder.head(status, headers)
            except (TypeError, ValueError) as error:
                raise MarshalError(f"the response cannot be sent: {error}") from error
            return Response(body)

        vars(handle).update(vars(handler))
        return handle

    async def answer(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer one request."""
        self._under_way += 1
        try:
            await self._answer(scope, receive, send)
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    async def _answer(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        responder = Responder(scope, receive, send)
        environment = RequestEnvironment(responder, self._function, self._log, self._signals)
        headers = _headers(scope["headers"])
        if self._passed is not None:
            await self._passed.answer(environment, Invocation(b"", headers, self._encoding), scope)
            return
        body = await _whole(receive)
        if body is None:  # the client has left
            return
        invocation = Invocation(body, headers, self._encoding)
        responder.only_events = not self.is_web and wants_event(headers.lowered)
        work.set(responder)
        if self._on_loop:
            environment.bridge = self._bridge
            await self._bridge.on_loop(environment.handle, invocation)
        else:
            await self._bridge.in_thread(environment.handle, invocation)
        await responder.finish()

    async def stop(self) -> None:
        """Stop what the function has started, and notify the plugins, once no request is under way."""
        while self._under_way:  # a server may not wait for what follows an answer
            self._idle.clear()
            await self._idle.wait()
        await self._bridge.on_loop(self._function.stop)
        await self._bridge.on_loop(lambda: self._function.notify("shutdown", reason="SIGTERM"))


def _headers(pairs: list[tuple[bytes, bytes]]) -> Headers:
    """The request's headers, and those that the Runtime API would send."""
    headers = Headers()
    add, sent = headers.add, headers.lowered.get
    for raw_name, raw_value in pairs:
        name, key = _names(raw_name)
        if key:
            add(key, name, raw_value.decode("utf-8", "replace"))
    named = sent("x-request-id", "")
    is_usable = named and named.isascii() and named.isprintable() and len(named) <= _ID_LIMIT
    add(_REQUEST_ID, REQUEST_ID, named if is_usable else str(uuid4()))
    add(_DEADLINE_MS, DEADLINE_MS, str(int((time.time() + LONGEST) * 1000)))
    if trace := sent(_AMZN_TRACE_ID):
        add(_TRACE_ID, TRACE_ID, trace)
    return headers


@lru_cache(256)
def _names(raw_name: bytes) -> tuple[str, str]:
    """A header's name as sent and in lower case; the latter is empty if no client may set the header."""
    name = raw_name.decode("latin-1")
    key = name.lower()
    return name, "" if key.startswith(_OWN) else key


async def _whole(receive: Any) -> bytes | None:
    """The request's body; None if the client left while it was sending."""
    parts = []
    while (message := await receive())["type"] == "http.request":
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)
    return None


def _signals() -> Signals:
    """What an Environment asks about signals, which are the server's here, and about forks."""
    signals = Signals()

    def forked() -> None:
        signals.guard.in_child = True

    os.register_at_fork(after_in_child=forked)
    return signals
