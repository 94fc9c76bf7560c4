"""What the host of Azure Functions does for HTTP: it finds the function that a request is for, and answers for it.

From azure-functions-host: functions are sorted by name (`FunctionMetadataManager.cs`), and the first whose route and
methods match gets the request (`WebScriptHostHttpRoutesManager.cs`); without one the answer is 404, if it raises 500,
both without a body (`ExceptionMiddleware.cs`). The routes' prefix is a setting of `host.json` (`HttpOptions.cs`).

Query parameters without a value are left out, repeated ones and repeated headers are joined with a comma
(`GrpcMessageConversionExtensions.cs`). A response is read by the rules of the worker (`datumdef.py` of
azure-functions-runtime 1.3.0), then of `HttpBinding.cs` and `RawScriptResult.cs`; cookies are written as by ASP.NET
Core (`ResponseCookies.cs`).

If the app imports a web extension such as azurefunctions-extensions-http-fastapi, its functions for HTTP get the
extension's requests and return its responses, which may stream. They are then served by the extension's own
application, as by the worker (`http_v2.py`).
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import re
import sys
from importlib import import_module

from conventions import web
from conventions.ports.azure.function import HTTP
from conventions.ports.azure.routes import Route
from dispatch import settle
from dispatch.errors import HandlerNotFound, SettingError
from dispatch.http import percent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
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

#: A line of that file that is a comment, which the host accepts.
_COMMENT = re.compile(r"^\s*//.*$", re.MULTILINE)

#: The package that every web extension registers with.
_EXTENSIONS = "azurefunctions.extensions.base"

_CHARSET = "; charset=utf-8"

#: Where the application of an extension finds the function of a request.
_FOUND = "dispatch.azure"


def serving(functions: list[Function], otherwise: Callable[..., Any]) -> Handler:
    """The handler of an app's functions; `otherwise` is that of `conventions.web.serving`."""
    prefix = _route_prefix()
    routes = [(_route(each, prefix), each) for each in functions if each.kind == HTTP]

    def find(method: str, raw_path: str) -> tuple[Function, dict[str, str]] | None:
        path = percent.decode_text(raw_path.replace("%2F", "%252F").replace("%2f", "%252f"))  # Kestrel keeps slashes
        for route, function in routes:
            parameters = route.match(path) if function.takes(method) else None
            if parameters is not None:
                return function.served(), parameters
        return None

    extension = sys.modules.get(_EXTENSIONS)
    if extension is not None and extension.HttpV2FeatureChecker.http_v2_enabled():
        from conventions import asgi

        error = 500, [("content-type", f"text/plain{_CHARSET}")], b"Internal Server Error"
        return asgi.served(_extended(extension, find), otherwise=otherwise, failed=lambda _error: error)

    def respond_to(request: Request) -> Answer:
        found = find(request.method, request.raw_path)
        if found is None:
            return 404, [], b""
        function, parameters = found
        return _answer_of(settle(function.call(_datum_of(request, parameters, function.data), {})))

    return web.serving(respond_to, otherwise=otherwise, failed=lambda _error: (500, [], b""))


def _extended(extension: Any, find: Callable[[str, str], Any]) -> Any:
    """An ASGI application for functions that take the requests of a web extension."""
    application = import_module(extension.ModuleTrackerMeta.get_module()).WebApp()
    requests = extension.RequestTrackerMeta

    async def invoke(request: Any) -> Any:
        function, parameters = request.scope[_FOUND]
        requests.get_synchronizer().sync_route_params(request, parameters)
        result = await asyncio.to_thread(function.call_with, request)
        return await result if inspect.isawaitable(result) else result

    invoke.__annotations__ = {"request": requests.get_request_type()}
    application.route(invoke)
    inner = application.get_app()

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scope[_FOUND] = find(scope["method"], scope["raw_path"].decode())
            if scope[_FOUND] is None:
                await send({"type": "http.response.start", "status": 404, "headers": []})
                await send({"type": "http.response.body"})
                return
        await inner(scope, receive, send)

    return app


def _route(function: Function, prefix: str) -> Route:
    template = function.settings.get("route") or function.name
    template = f"{prefix}/{template}" if prefix else template
    try:
        return Route(template)
    except ValueError as error:
        why = (
            f'no name between slashes; set {".".join(ROUTE_PREFIX)} to "" in {HOST_FILE}' if "//" in template else error
        )
        raise HandlerNotFound(f"the route of the function {function.name} is wrong: {template!r}: {why}") from None


def _route_prefix() -> str:
    """The prefix of all routes. Raises SettingError if the file, which is in the task root, cannot be read."""
    if ROUTE_PREFIX_VARIABLE in os.environ:
        return os.environ[ROUTE_PREFIX_VARIABLE]
    try:
        with open(HOST_FILE, encoding="utf-8-sig") as file:
            found = json.loads(_COMMENT.sub("", file.read()))
    except FileNotFoundError:
        return DEFAULT_PREFIX
    except (OSError, ValueError) as error:
        raise SettingError(
            f"{HOST_FILE} cannot be read: {error}; it must be JSON with comments on lines of their own"
        ) from None
    for key in ROUTE_PREFIX:
        found = found.get(key) if isinstance(found, dict) else None
    return DEFAULT_PREFIX if found is None else str(found)


def _datum_of(request: Request, parameters: dict[str, str], datum: Any) -> Any:
    """The request as the data of a trigger; `datum` is azure.functions' class for data."""
    host = request.headers.get("host") or request.host or "localhost"
    query = f"?{request.raw_query}" if request.raw_query else ""
    value = {
        "method": datum(request.method, "string"),
        "url": datum(f"{request.scheme}://{host}{request.raw_path}{query}", "string"),
        "headers": _joined(((name.lower(), value) for name, value in request.header_pairs), datum),
        "query": _joined((pair for pair in request.query if pair[1]), datum),
        "params": _joined(parameters.items(), datum),
        "body": datum(request.body, "bytes"),
    }
    return datum(value, "http")


def _joined(pairs: Iterable[tuple[str, str]], datum: Any) -> dict[str, Any]:
    values: dict[str, str] = {}
    for name, value in pairs:
        values[name] = f"{values[name]},{value}" if name in values else value
    return {name: datum(value, "string") for name, value in values.items()}


def _answer_of(datum: Any) -> Answer:
    """The answer that a function's result is sent as; None is the result of a function that has set no response."""
    if datum is None:
        return 204, [], b""
    if datum.type != "http":
        return _of_text(datum.value)
    value = datum.value
    headers: dict[str, tuple[str, str]] = {}
    for name, each in value["headers"].items():
        headers.setdefault(name.lower(), (name, each.value))  # of repeated ones, the first is sent
    cookies = [("set-cookie", _cookie(each)) for found in value["cookies"] or () for each in found.values()]
    return _status(value["status_code"].value), [*headers.values(), *cookies], value["body"].value


def _status(value: Any) -> int:
    return int(value) if str(value).isdecimal() else 200


def _of_text(text: str) -> Answer:
    """The response for a text: JSON is parsed and written again, and an object with a body is a response."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = text
    fields = {name.lower(): each for name, each in value.items()} if isinstance(value, dict) else {}
    if "body" not in fields:
        return 200, [("content-type", f"text/plain{_CHARSET}")], _written(value, text)
    sent, value = fields.get("headers"), fields["body"]
    headers = {name.lower(): str(each) for name, each in sent.items()} if isinstance(sent, dict) else {}
    kind = headers.get("content-type", "text/plain")
    headers["content-type"] = kind if "charset=" in kind else kind + _CHARSET
    status = _status(fields.get("statuscode", fields.get("status")))
    if isinstance(value, dict):
        value = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return status, [*headers.items()], _written(value, "" if value is None else json.dumps(value))


def _written(value: Any, text: str) -> bytes:
    if isinstance(value, dict | list):
        text = json.dumps(value, ensure_ascii=False, indent=2)
    return (value if isinstance(value, str) else text).encode("utf-8", "replace")


def _cookie(morsel: Any) -> str:
    """One cookie, which the SDK has parsed."""
    parts = [f"{morsel.key}={percent.encode(morsel.value, percent.DECODED_QUERY)}"]
    parts += [f"{name}={morsel[name]}" for name in ("expires", "max-age") if morsel[name]]
    parts += [f"domain={morsel['domain']}", f"path={morsel['path']}"]
    parts += ["secure"] if morsel["secure"] else []
    parts += [f"samesite={morsel['samesite'].lower()}"] if morsel["samesite"] else []
    parts += ["httponly"] if morsel["httponly"] else []
    return "; ".join(parts)
