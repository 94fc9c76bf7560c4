"""Serves the routes of a template's APIs as API Gateway does.

A route is at its own path, as under a custom domain, so what is written for `/orders` is called at `/orders`. The
server's own paths (the page at `/`, the Lambda API) come first. Where they hide a route, or two APIs have the same
one, the API's own address leads there, which has the stage in its path as on AWS.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import quote, unquote

from starlette.datastructures import URLPath
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, NoMatchFound
from starlette.types import Receive, Scope, Send

from dispatch import http, protocol
from runtime.local import addresses
from runtime.local.config.description import ANY, ApiRoute
from runtime.local.environments.platform import Platform, UnknownFunction
from runtime.local.environments.pool import Throttled
from runtime.local.invocation import Event
from runtime.local.web import cors
from runtime.local.web.api_event import make_event, read_reply
from runtime.local.web.api_paths import Place, find
from runtime.local.web.errors import ApiError
from runtime.local.web.function_url import as_response
from runtime.local.web.json_response import JSONResponse
from runtime.local.web.prelude import BadPrelude
from runtime.local.web.request import read_body
from runtime.local.web.url_event import BadAnswer, HttpAnswer

#: The key of a request's place in its ASGI scope.
PLACE: Final = "runtime.local.web.api_gateway"
#: The paths of the Lambda API, which no route takes: `/2015-03-31/…`.
LAMBDA_API: Final = re.compile(r"/20\d\d-\d\d-\d\d(/|$)")
#: The headers of a browser's question before a request to another origin.
PREFLIGHT: Final = [(b"access-control-request-method", b"GET")]
#: What API Gateway answers for a function that failed, or whose answer is not valid: of REST APIs and of HTTP APIs.
FAILED_REST: Final = ({"message": "Internal server error"}, 502)
FAILED_HTTP: Final = ({"message": "Internal Server Error"}, 500)
#: The same for a path or a method without a route.
UNKNOWN_REST: Final = ({"message": "Missing Authentication Token"}, 403)
UNKNOWN_HTTP: Final = ({"message": "Not Found"}, 404)


class ApiGateway(BaseRoute):
    """All routes of all APIs, as one route of the application."""

    def __init__(
        self, platform: Platform, routes: Callable[[], Sequence[ApiRoute]], notify: Callable[[str], None]
    ) -> None:
        self._platform = platform
        self._routes = routes
        self._notify = notify

    # -- which route a request takes

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match a request that takes a route, and every request for the address of an API."""
        place = self._place(scope) if scope["type"] == "http" else None
        return (Match.NONE, {}) if place is None else (Match.FULL, {PLACE: place})

    def url_path_for(self, name: str, /, **path_params: Any) -> URLPath:
        """Raise: routes of a template have no names."""
        raise NoMatchFound(name, path_params)

    def _place(self, scope: Scope) -> Place | None:
        """Return where a request leads; None if it is not for an API."""
        raw: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
        path = raw.decode("latin-1").partition("?")[0]
        place = find(self._routes(), scope["method"], path)
        is_ours = path.startswith(f"{addresses.API}/") or (place.candidates and not LAMBDA_API.match(path))
        return place if is_ours else None

    def allows(self, path: str, origin: str) -> bool:
        """Return whether a path is one of an API that pages of this origin may call."""
        scope = {"type": "http", "method": "OPTIONS", "path": path, "headers": PREFLIGHT}
        place = self._place(scope)
        return place is not None and any(cors.allows(route.cors, origin) for route in place.candidates)

    # -- serving it

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive, send)
        await (await self._answer(request, scope[PLACE]))(scope, receive, send)

    async def _answer(self, request: Request, place: Place) -> Response:
        origin = request.headers.get("origin", "")
        route = place.route
        if _is_preflight(request.scope) and (route is None or route.method == ANY):
            rules = next((one.cors for one in place.candidates if one.cors), None)
            if rules is not None:
                return as_response(HttpAnswer(204, cors.preflight(rules, origin)))
        if route is None:
            return JSONResponse(*(UNKNOWN_REST if place.rest else UNKNOWN_HTTP))
        try:
            head = await self._invoke(request, place, route)
        except ApiError:
            return JSONResponse({"message": "Request Entity Too Large"}, 413)
        except (BadAnswer, BadPrelude, Throttled, UnknownFunction) as error:
            self._notify(f"{route.function}: {error}")
            return JSONResponse(*(FAILED_REST if route.rest else FAILED_HTTP))
        if not route.rest:
            head.headers += cors.headers(route.cors, origin)
        return as_response(head)

    async def _invoke(self, request: Request, place: Place, route: ApiRoute) -> HttpAnswer:
        request_id = str(uuid.uuid4())
        message = http.Request(
            request.method,
            place.path,
            request.scope["query_string"].decode("latin-1"),
            request.headers.items(),
            await read_body(request, protocol.EVENT_LIMIT),
            client=request.client.host if request.client else None,
            scheme=request.url.scheme,
            http_version=request.scope["http_version"],
        )
        values = place.values if route.rest else {name: unquote(value) for name, value in place.values.items()}
        made = make_event(message, route, values, request_id, has_stage=place.has_stage)
        invocation = await self._platform.invoke(route.function, Event(json.dumps(made).encode(), request_id), "api")
        body = await invocation.answer.read()
        error = invocation.answer.error or invocation.answer.too_large
        if error:
            raise BadAnswer(f"{route.method} {route.path} failed: {error.type}")
        return read_reply(body, invocation.answer.content_type, route)


def _is_preflight(scope: Scope) -> bool:
    return scope["method"] == "OPTIONS" and any(name == PREFLIGHT[0][0] for name, _ in scope["headers"])
