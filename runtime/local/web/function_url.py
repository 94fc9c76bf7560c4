"""Function URLs: `/lambda-url/NAME/…` and `NAME.lambda-url.localhost`."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import AsyncIterator, Callable
from functools import lru_cache
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from dispatch import http, protocol
from runtime.local import addresses
from runtime.local.answer import Answer
from runtime.local.environments.platform import Platform
from runtime.local.environments.pool import Throttled
from runtime.local.function import FunctionConfig, UrlSettings
from runtime.local.gates import passed
from runtime.local.invocation import Event, RunningInvocation
from runtime.local.values import one_line
from runtime.local.web import cors
from runtime.local.web.errors import ApiError
from runtime.local.web.prelude import BadPrelude, PreludeSplitter
from runtime.local.web.request import read_body
from runtime.local.web.streaming import AnswerStream
from runtime.local.web.url_event import BadAnswer, HttpAnswer, make_event, read_answer, read_head, relocate

PREFIX: Final = f"{addresses.FUNCTION_URL}/"
#: The beginnings of paths that the domains of host names stand for.
PREFIXES: Final = {
    addresses.FUNCTION_URL_DOMAIN: addresses.FUNCTION_URL,
    addresses.API_DOMAIN: addresses.API,
}
METHODS: Final = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
#: The body and the status with which Lambda answers for a function that failed, or whose answer is not valid.
FAILED: Final = (b"Internal Server Error", 502)
#: The lengths that the response to a HEAD request may name: those of the largest files there are.
LENGTH: Final = re.compile("[0-9]{1,19}")
#: The statuses of responses that have no body (RFC 9110).
WITHOUT_BODY: Final = frozenset({204, 304})


class BrokenAnswer(Exception):
    """A streamed answer failed after its head was sent."""


class ByHostName:
    """Turns requests for `NAME.lambda-url.localhost/…` into requests for `/lambda-url/NAME/…`; those of APIs too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await self._app(by_host_name(scope) if scope["type"] == "http" else scope, receive, send)


def by_host_name(scope: Scope) -> Scope:
    """Return the scope of a request, with its path as by the host's name if that has one."""
    prefix = _prefix(dict(scope["headers"]).get(b"host", b""))
    if not prefix:
        return scope
    raw = scope.get("raw_path") or scope["path"].encode()
    return {**scope, "path": prefix + scope["path"], "raw_path": prefix.encode() + raw}


@lru_cache(maxsize=64)
def _prefix(host: bytes) -> str:
    """Return the beginning of a path that a host's name stands for, or an empty string."""
    name, _, domain = host.decode("latin-1").partition(":")[0].lower().partition(".")
    return f"{PREFIXES[f'.{domain}']}/{name}" if f".{domain}" in PREFIXES else ""


class FunctionUrls:
    """Hands HTTP requests to functions; `notify` is called with what the developer should know."""

    def __init__(self, platform: Platform, notify: Callable[[str], None]) -> None:
        self._platform = platform
        self._notify = notify

    def routes(self) -> list[Route]:
        """Return the routes: every method and path below a function's address."""
        return [
            Route(f"{PREFIX}{{name}}", self.serve, methods=METHODS),
            Route(f"{PREFIX}{{name}}/{{rest:path}}", self.serve, methods=METHODS),
        ]

    def find(self, name: str) -> tuple[FunctionConfig, UrlSettings] | None:
        """Return the function with this URL and its settings; host names are in lower case."""
        for pool in self._platform.pools.values():
            names = {pool.function.name, pool.function.logical_id or pool.function.name}
            if pool.function.url is not None and name in {*names, *map(str.lower, names)}:
                return pool.function, pool.function.url
        return None

    def allows(self, path: str, origin: str) -> bool:
        """Return whether a path is a function URL that pages of this origin may call."""
        found = self.find(path.removeprefix(PREFIX).partition("/")[0]) if path.startswith(PREFIX) else None
        return found is not None and cors.allows(found[1].cors, origin)

    async def serve(self, request: Request) -> Response:
        """Answer one request."""
        found = self.find(request.path_params["name"])
        if found is None:
            return Response(b'{"Message":"Not Found"}', 404, media_type=protocol.JSON)
        function, url = found
        origin = request.headers.get("origin", "")
        if request.method == "OPTIONS" and origin and "access-control-request-method" in request.headers and url.cors:
            return as_response(HttpAnswer(204, cors.preflight(url.cors, origin)))
        try:
            invocation = await self._invoke(request, function)
        except Throttled:
            return Response(b'{"Message":"Rate Exceeded."}', 429, media_type=protocol.JSON)
        except ApiError as error:
            return Response(b'{"Message":"Request Entity Too Large"}', error.status)
        extra = cors.headers(url.cors, origin)
        is_head = request.method == "HEAD"
        try:
            response = await self._answer(invocation.answer, extra, is_head=is_head, buffered=url.streaming is False)
        except (BadAnswer, BadPrelude, BrokenAnswer) as error:
            self._notify(one_line(f"{function.name}: {error}"))
            # The function may still be streaming, and the caller's next event would find it busy.
            invocation.answer.leave()
            await passed(invocation.answer.over)
            response = as_response(HttpAnswer(FAILED[1], extra, FAILED[0]))
        _fit(response, request)
        return response

    async def _invoke(self, request: Request, function: FunctionConfig) -> RunningInvocation:
        request_id = str(uuid.uuid4())
        raw: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
        path = raw.decode("latin-1").partition("?")[0].removeprefix(PREFIX).partition("/")[2]
        message = http.Request(
            request.method,
            f"/{path}",
            request.scope["query_string"].decode("latin-1"),
            request.headers.items(),
            await read_body(request, protocol.EVENT_LIMIT),
            client=request.client.host if request.client else None,
            scheme=request.scope["scheme"],
            http_version=request.scope["http_version"],
        )
        body = json.dumps(make_event(message, function.name, request_id)).encode()
        return await self._platform.invoke(function.name, Event(body, request_id), "url")

    async def _answer(self, answer: Answer, extra: list[tuple[str, str]], *, is_head: bool, buffered: bool) -> Response:
        await passed(answer.opened)
        if not answer.streaming:
            body = await answer.read()
            head = HttpAnswer(FAILED[1], [], FAILED[0]) if answer.error else read_answer(body)
            head.headers += extra
            return as_response(head)
        chunks = aiter(answer)
        splitter = PreludeSplitter(answer.content_type)
        first = await _read_prelude(splitter, chunks)
        head = read_head(splitter.head or {})
        if not splitter.expected:
            head.headers.append(("content-type", answer.content_type))
        head.headers += extra
        rest = _body(first, chunks, answer)
        if is_head or head.status in WITHOUT_BODY:
            # The client has all with the head, and its next event has to find the environment free.
            async for _ in rest:
                pass
        elif buffered:
            head.body = await _read_body(rest)
            return as_response(head)
        return as_response(head, AnswerStream(rest, answer, head.status))


async def _read_prelude(splitter: PreludeSplitter, chunks: AsyncIterator[bytes]) -> bytes:
    """Read until the head is known; return the part of the body that came with it."""
    first = b""
    while splitter.head is None:
        chunk = await anext(chunks, None)
        if chunk is None:
            splitter.finish()
            break
        first = splitter.feed(chunk)
    return first


async def _body(first: bytes, chunks: AsyncIterator[bytes], answer: Answer) -> AsyncIterator[bytes]:
    if first:
        yield first
    async for chunk in chunks:
        yield chunk
    error = answer.error
    if error is not None:
        # The head has been sent: only by breaking off can the client learn that the body is incomplete.
        raise BrokenAnswer(f"{error.type}: {error.message}")


async def _read_body(chunks: AsyncIterator[bytes]) -> bytes:
    """Read a body to its end.

    Raises:
        BadAnswer: it does not fit into one response.
    """
    parts, size = [], 0
    async for chunk in chunks:
        size += len(chunk)
        if size <= protocol.RESPONSE_LIMIT:
            parts.append(chunk)
    if size > protocol.RESPONSE_LIMIT:
        raise BadAnswer(f"the answer has {size} bytes, and one that is not streamed {protocol.RESPONSE_LIMIT} at most")
    return b"".join(parts)


def _fit(response: Response, request: Request) -> None:
    """Fit the function's headers to this server: its redirects to its address here, the length to a HEAD request."""
    headers, host = response.headers, request.headers.get("host", "")
    if "location" in headers and not host.partition(":")[0].lower().endswith(addresses.FUNCTION_URL_DOMAIN):
        headers["location"] = relocate(headers["location"], host, PREFIX + request.path_params["name"])
    length = headers.get(protocol.AMZN_REMAPPED_LENGTH, "")
    if request.method == "HEAD" and LENGTH.fullmatch(length):
        headers["content-length"] = length
        del headers[protocol.AMZN_REMAPPED_LENGTH]


def as_response(head: HttpAnswer, stream: AnswerStream | None = None) -> Response:
    """Return the HTTP response for an answer, whose body is `stream` if it is streamed."""
    response = stream or Response(b"" if head.status in WITHOUT_BODY else head.body, head.status)
    for name, value in head.headers:
        if name.lower() == "content-type":
            response.headers["content-type"] = value
        else:
            response.headers.append(name, value)
    return response
