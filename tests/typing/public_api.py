"""The public API as a user would use it, for the type checker alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import dispatch
from dispatch import http
from dispatch.function import Function
from dispatch.hookspecs import hookimpl
from dispatch.load import load
from dispatch.locate import Target
from dispatch.types import Convention, Conventions, Handler


def handler(event: str, headers: Mapping[str, str]) -> str:
    """A standard handler that looks at its invocation."""
    invocation = dispatch.current()
    dispatch.after_response(print, invocation.request_id, flush=True)
    left: float = invocation.remaining_time
    return f"{event} {headers['Content-Type']} {left:.3f} {invocation.trace_id or ''}"


async def ticks() -> AsyncIterator[bytes]:
    """A streamed body."""
    yield b"tick"


async def page(event: str, headers: Mapping[str, str]) -> dispatch.HTTPResponse:
    """An HTTP answer."""
    return dispatch.HTTPResponse(200, {"Content-Type": "text/plain"}, ["a=b"], ticks())


def web(event: Any) -> dict[str, Any]:
    """An HTTP event, and its answer."""
    request = http.Request.from_event(event, base_path="/prod")
    environ: dict[str, Any] = request.environ()
    streamed: dispatch.HTTPResponse = http.streamed_reply(request, 200, {"a": "b"}, ticks(), ["c=d"])
    seen = f"{request.path} {dict(request.query)} {request.cookies['a']} {environ['PATH_INFO']} {streamed.status}"
    again: dict[str, Any] = http.event(request, http.ALB)
    return http.reply(request, 200, [("a", "b"), ("a", "c")], seen) if http.kind(event) else again


def upper(function: Any) -> Handler:
    """A convention."""

    def handle(invocation: dispatch.Invocation) -> dispatch.Response:
        return dispatch.respond(function(invocation.text), str.encode, "text/plain")

    return handle


def dispatch_conventions() -> Conventions:
    """A plugin's conventions."""
    convention: Convention = upper
    return {"upper": convention}


@hookimpl(tryfirst=True)
def dispatch_locate(spec: str, root: str) -> Target | None:
    """A plugin's targets."""
    return Target("upper", f"the text {spec}", lambda: str) if root and spec.endswith(".txt") else None


def embedded() -> Iterator[bytes]:
    """A function in another program."""
    function: Function = load("app.handler", ".", convention="json")
    response = function(dispatch.Invocation(b"{}", {"Content-Type": "application/json"}, encoding="utf-8"))
    yield response.read()
