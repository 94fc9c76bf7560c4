"""What the host of Azure Functions does for HTTP: it finds the function that a request is for, and answers for it.

From azure-functions-host: functions are sorted by name (`FunctionMetadataManager.cs`), and the first whose route and
methods match gets the request (`WebScriptHostHttpRoutesManager.cs`); without one the answer is 404, if it raises 500,
both without a body (`ExceptionMiddleware.cs`). The routes' prefix is a setting of `host.json` (`HttpOptions.cs`).

If the app imports a web extension such as azurefunctions-extensions-http-fastapi, all of its functions for HTTP get the
extension's requests and return the extension's responses, which may stream. They are then served by the extension's own
application, as by the worker (azure-functions-runtime 1.3.0, `http_v2.py`).
"""

from __future__ import annotations

import json
import os
import re
import sys
from importlib import import_module

from conventions import web
from conventions.ports.azure.function import HTTP
from conventions.ports.azure.http import answer_of, datum_of, path_of
from conventions.ports.azure.routes import Route
from dispatch import settle
from dispatch.errors import HandlerNotFound, SettingError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from conventions.ports.azure.function import Function
    from conventions.web import Answer
    from dispatch.http import Request
    from dispatch.types import Handler

#: The host's settings, the one of them that counts here, and the variable that overrides it.
HOST_FILE = "host.json"
ROUTE_PREFIX = ("extensions", "http", "routePrefix")
ROUTE_PREFIX_VARIABLE = "AzureFunctionsJobHost__extensions__http__routePrefix"
DEFAULT_PREFIX = "api"

#: A text in JSON, or a comment, which the host accepts.
_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*(?s:.*?)\*/')

#: The package that every web extension registers with.
_EXTENSIONS = "azurefunctions.extensions.base"

#: Where the application of an extension finds the function of a request.
_FOUND = "dispatch.azure"


def serving(functions: list[Function], otherwise: Callable[..., Any]) -> Handler:
    """The handler of an app's functions; `otherwise` is that of `conventions.web.serving`."""
    routes = _Routes(functions)
    extension = sys.modules.get(_EXTENSIONS)
    if extension is not None and extension.HttpV2FeatureChecker.http_v2_enabled():
        from conventions import asgi

        error = 500, [("content-type", "text/plain; charset=utf-8")], b"Internal Server Error"
        return asgi.served(_extended(extension, routes), otherwise=otherwise, failed=lambda _error: error)

    def respond_to(request: Request) -> Answer:
        path = path_of(request.raw_path)
        function, parameters = routes.find(request.method, path)
        if function is None:
            return 404, [], b""
        return answer_of(settle(function.call(datum_of(request, path, parameters, function.data), {})))

    return web.serving(respond_to, otherwise=otherwise, failed=lambda _error: (500, [], b""))


def _extended(extension: Any, routes: _Routes) -> Any:
    """An ASGI application for functions that take the requests of a web extension."""
    application = import_module(extension.ModuleTrackerMeta.get_module()).WebApp()
    requests = extension.RequestTrackerMeta

    async def invoke(request: Any) -> Any:
        function, parameters = request.scope[_FOUND]
        requests.get_synchronizer().sync_route_params(request, parameters)
        return await function.call_in_thread(request)

    invoke.__annotations__ = {"request": requests.get_request_type()}
    application.route(invoke)
    inner = application.get_app()

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            found = routes.find(scope["method"], path_of(scope["raw_path"].decode()))
            if found[0] is None:
                await send({"type": "http.response.start", "status": 404, "headers": []})
                await send({"type": "http.response.body"})
                return
            scope[_FOUND] = found
        await inner(scope, receive, send)

    return app


class _Routes:
    """The routes of an app's functions, in the order in which the host tries them."""

    def __init__(self, functions: list[Function]) -> None:
        prefix = _route_prefix()
        self._routes = [(_route(each, prefix), _methods(each), each) for each in functions if each.kind == HTTP]

    def find(self, method: str, path: str) -> tuple[Function | None, dict[str, str]]:
        """The function for a request, and the parameters in the path; raises HandlerNotFound if it is not served."""
        for route, methods, function in self._routes:
            if methods is None or method.upper() in methods:
                parameters = route.match(path)
                if parameters is not None:
                    return function.served(), parameters
        return None, {}


def _route(function: Function, prefix: str) -> Route:
    template = function.settings.get("route") or function.name
    template = f"{prefix}/{template}" if prefix else template
    try:
        return Route(template)
    except ValueError as error:
        hint = f'; set {".".join(ROUTE_PREFIX)} to "" in {HOST_FILE}' if "//" in template else ""
        raise HandlerNotFound(
            f"the route of the function {function.name} is wrong: {template!r}: {error}{hint}"
        ) from None


def _methods(function: Function) -> set[str] | None:
    methods = function.settings.get("methods")
    return None if methods is None else {str(method).upper() for method in methods}


def _route_prefix() -> str:
    """The prefix of all routes. Raises SettingError if the file, which is in the task root, cannot be read."""
    if ROUTE_PREFIX_VARIABLE in os.environ:
        return os.environ[ROUTE_PREFIX_VARIABLE]
    try:
        with open(HOST_FILE, encoding="utf-8-sig") as file:
            found = json.loads(_COMMENT.sub(lambda match: match[1] or " ", file.read()))
    except FileNotFoundError:
        return DEFAULT_PREFIX
    except (OSError, ValueError) as error:
        raise SettingError(f"{HOST_FILE} cannot be read: {error}; it must be JSON, with or without comments") from None
    for key in ROUTE_PREFIX:
        found = found.get(key) if isinstance(found, dict) else None
    return DEFAULT_PREFIX if found is None else str(found)
