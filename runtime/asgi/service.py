"""A loaded function behind HTTP requests: an environment for each request, all of which share the function."""

from __future__ import annotations

import math
import os
import time
from functools import lru_cache
from typing import Any

from dispatch import settle, variables
from dispatch.errors import MarshalError, UnmarshalError
from dispatch.http import Request
from dispatch.invocation import Headers, Invocation
from dispatch.protocol import AMZN_TRACE_ID, DEADLINE_MS, OWN_HEADERS, REQUEST_ID, TRACE_ID
from dispatch.response import Response
from runtime.asgi.bridge import work
from runtime.asgi.passing import Passed
from runtime.asgi.responder import Responder
from runtime.concurrent import is_async
from runtime.environment import Environment
from runtime.lifecycle import Signals
from runtime.local.values import new_id
from runtime.local.web.prelude import BadPrelude
from runtime.local.web.url_event import BadAnswer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dispatch.error_reports import ErrorReport
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
        self._base_path = variables.base_path()
        handler: Any = function.handler
        self._passed = Passed(handler, self._base_path, bridge) if hasattr(handler, "app") else None
        self.is_web = hasattr(handler, "respond_to")
        if self.is_web:
            function.handler = self._of_requests(handler)
        self._on_loop = is_async(function.user_object) and not hasattr(handler, "one_at_a_time")
        if not self._on_loop and self._passed is None:
            bridge.limit(self._threads(settings))

    def _threads(self, settings: Settings) -> int:
        if settings.workers == 1 or not getattr(self._function.handler, "one_at_a_time", False):
            return settings.workers
        self._log.warning(
            f"HANDLER_WORKERS is {settings.workers}, but the {self._function.convention} convention handles one event "
            "at a time in a process; let the server run several processes"
        )
        return 1

    def _of_requests(self, handler: Any) -> Handler:
        """The handler of a web application or a port, which gets the request itself."""
        streams = os.environ.get("HANDLER_INVOKE_MODE") != variables.BUFFERED

        def handle(invocation: Invocation) -> Response:
            responder: Any = work.get()
            request = Request.from_scope(responder.scope, invocation.body, self._base_path, streams=streams)
            status, headers, body = handler.respond_to(request)
            responder.head(status, headers)
            return Response(body)

        vars(handle).update(vars(handler))
        return handle

    async def answer(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer one request."""
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
        work.set(responder)
        if self._on_loop:
            environment.bridge = self._bridge
            await self._bridge.on_loop(environment.handle, invocation)
        else:
            await self._bridge.in_thread(environment.handle, invocation)
        await responder.finish()

    async def stop(self) -> None:
        """Stop what the function has started, and notify the plugins."""
        await self._bridge.on_loop(self._function.stop)
        self._function.notify("shutdown", reason="SIGTERM")


class RequestEnvironment(Environment):
    """The environment of one request.

    Attributes:
        responder: sends the answer.
        bridge: if the handler runs on the server's loop, where to run what it defers, which may block.
    """

    response_limit = math.inf
    bridge: Bridge | None = None

    def __init__(self, responder: Responder, *others: Any) -> None:
        client: Any = responder  # it has the operations that `handle` calls
        super().__init__(client, *others)
        self.responder = responder

    def handle(self, invocation: Invocation) -> None:
        """Handle the request."""
        try:
            super().handle(invocation)
        except (BadPrelude, BadAnswer) as error:
            self.responder.fail(invocation, self.report(MarshalError(str(error)), invocation.request_id))

    def report(self, error: BaseException, request_id: str = "") -> ErrorReport:
        """Log an exception; an event that cannot be decoded is the client's mistake."""
        if isinstance(error, UnmarshalError):
            self.responder.failure_status = 400
        return super().report(error, request_id)

    def run_afterwards(self, invocation: Invocation) -> None:
        """Run the calls that were deferred until after the answer."""
        run = super().run_afterwards
        if self.bridge is None:
            run(invocation)
        else:
            settle(self.bridge.in_thread(run, invocation))


def _headers(pairs: list[tuple[bytes, bytes]]) -> Headers:
    """The request's headers, and those that the Runtime API would send."""
    headers = Headers()
    for raw_name, raw_value in pairs:
        name, key = _names(raw_name)
        if key:
            headers.add(key, name, raw_value.decode("utf-8", "replace"))
    sent = headers.lowered.get
    named = sent("x-request-id", "")
    is_usable = named.isascii() and named.isprintable() and len(named) <= _ID_LIMIT
    request_id = named if named and is_usable else new_id()
    headers.add(REQUEST_ID.lower(), REQUEST_ID, request_id)
    headers.add(DEADLINE_MS.lower(), DEADLINE_MS, str(int((time.time() + LONGEST) * 1000)))
    if trace := sent(AMZN_TRACE_ID.lower()):
        headers.add(TRACE_ID.lower(), TRACE_ID, trace)
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
