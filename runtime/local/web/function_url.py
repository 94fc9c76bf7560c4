"""Function URLs: `/lambda-url/NAME/…` and `NAME.lambda-url.localhost`."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from runtime.local.environments.platform import Invocation, Platform, Throttled
from runtime.local.function import Function, UrlSettings
from runtime.local.invocation import Event
from runtime.local.web import cors
from runtime.local.web.errors import Refusal
from runtime.local.web.invoke_api import EVENT_LIMIT, read
from runtime.local.web.prelude import BadPrelude, Splitter
from runtime.local.web.url_event import BadAnswer, HttpAnswer, HttpRequest, make_event, read_answer, read_head

PREFIX: Final = "/lambda-url/"
DOMAIN: Final = ".lambda-url.localhost"
METHODS: Final = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
#: What Lambda says when a function failed or answered nonsense.
FAILED: Final = (b"Internal Server Error", 502)


class ByHostName:
    """Turns requests for `NAME.lambda-url.localhost/…` into requests for `/lambda-url/NAME/…`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            host = dict(scope["headers"]).get(b"host", b"").decode("latin-1").partition(":")[0].lower()
            if host.endswith(DOMAIN):
                prefix = PREFIX + host.removesuffix(DOMAIN)
                raw = scope.get("raw_path") or scope["path"].encode()
                scope = {**scope, "path": prefix + scope["path"], "raw_path": prefix.encode() + raw}
        await self._app(scope, receive, send)


class FunctionUrls:
    """Hands HTTP requests to functions."""

    def __init__(self, platform: Platform, say: Callable[[str], None]) -> None:
        self._platform = platform
        self._say = say

    def routes(self) -> list[Route]:
        """Every method and path below a function's address."""
        return [
            Route("/lambda-url/{name}", self.serve, methods=METHODS),
            Route("/lambda-url/{name}/{rest:path}", self.serve, methods=METHODS),
        ]

    def find(self, name: str) -> tuple[Function, UrlSettings] | None:
        """The function that has this URL; a host name has no upper case."""
        for pool in self._platform.pools.values():
            if pool.function.url is not None and name in {pool.function.name, pool.function.name.lower()}:
                return pool.function, pool.function.url
        return None

    async def serve(self, request: Request) -> Response:
        """One request."""
        found = self.find(request.path_params["name"])
        if found is None:
            return Response(b'{"Message":"Not Found"}', 404, media_type="application/json")
        function, url = found
        origin = request.headers.get("origin", "")
        if request.method == "OPTIONS" and origin and "access-control-request-method" in request.headers and url.cors:
            return _response(HttpAnswer(204, cors.preflight(url.cors, origin)))
        try:
            invocation = await self._invoke(request, function)
        except Throttled:
            return Response(b'{"Message":"Rate Exceeded."}', 429, media_type="application/json")
        except Refusal as refusal:
            return Response(b'{"Message":"Request Entity Too Large"}', int(refusal.response().status_code))
        extra = cors.headers(url.cors, origin)
        try:
            return await self._answer(invocation, extra, buffered=url.streaming is False)
        except (BadAnswer, BadPrelude, BrokenAnswer) as error:
            self._say(f"{function.name}: {error}")
            return _response(HttpAnswer(FAILED[1], extra, FAILED[0]))

    async def _invoke(self, request: Request, function: Function) -> Invocation:
        request_id = str(uuid.uuid4())
        raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
        path = raw.decode("latin-1").partition("?")[0].removeprefix(PREFIX).partition("/")[2]
        message = HttpRequest(
            request.method,
            f"/{path}",
            request.scope["query_string"].decode("latin-1"),
            request.headers.items(),
            await read(request, EVENT_LIMIT),
            request.client.host if request.client else "",
            f"HTTP/{request.scope['http_version']}",
        )
        body = json.dumps(make_event(message, function.name, request_id)).encode()
        return self._platform.invoke(function.name, Event(body, request_id), "url")

    async def _answer(self, invocation: Invocation, extra: list[tuple[str, str]], *, buffered: bool) -> Response:
        answer = invocation.answer
        await answer.opened()
        if not answer.streaming:
            body = await answer.read()
            head = HttpAnswer(FAILED[1], [], FAILED[0]) if answer.error else read_answer(body)
            head.headers += extra
            return _response(head)
        chunks = invocation.answer.__aiter__()
        splitter = Splitter(answer.content_type)
        first = await _through_prelude(splitter, chunks)
        head = (
            read_head(splitter.head) if splitter.head else HttpAnswer(headers=[("content-type", answer.content_type)])
        )
        head.headers += extra
        rest = _body(first, chunks, invocation)
        if not buffered:
            return _response(head, rest)
        head.body = b"".join([chunk async for chunk in rest])
        return _response(head)


async def _through_prelude(splitter: Splitter, chunks: AsyncIterator[bytes]) -> bytes:
    """Read until the head is known; return what of the body came along."""
    first = b""
    while splitter.head is None:
        chunk = await anext(chunks, None)
        if chunk is None:
            splitter.finish()
            break
        first = splitter.feed(chunk)
    return first


async def _body(first: bytes, chunks: AsyncIterator[bytes], invocation: Invocation) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for chunk in chunks:
        yield chunk
    error = invocation.answer.error
    if error is not None:
        # The head has gone out: breaking off is the only way left to say that the body is not whole.
        raise BrokenAnswer(f"{error.type}: {error.message}")


class BrokenAnswer(Exception):
    """A streamed answer failed after its head was sent."""


def _response(head: HttpAnswer, rest: AsyncIterator[bytes] | None = None) -> Response:
    response = Response(head.body, head.status) if rest is None else StreamingResponse(rest, head.status)
    for name, value in head.headers:
        if name.lower() == "content-type":
            response.headers["content-type"] = value
        else:
            response.headers.append(name, value)
    return response
