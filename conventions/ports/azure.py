"""The `azure` convention: an app of Azure Functions, programming model v2, from its `function_app.py` as it is.

`azure_function` calls a function as Azure's worker does, `azure_routes` and `azure_http` do what its host does for
HTTP, `azure_events` makes triggers' data from events of AWS; each names its sources. From azure-functions 2.3.0 itself:
an app lists its functions (`decorators/function_app.py`), and `AsgiFunctionApp` and `WsgiFunctionApp` are apps with one
function that takes every path. The host sorts functions by name (`FunctionMetadataManager.cs`): the first whose route
matches gets the request. Otherwise it answers 404, also if only the method is another one; if the function raises,
500 without a body (`ExceptionMiddleware.cs`).
"""

from __future__ import annotations

import os

from conventions import failures
from conventions.web import serving
from dispatch.errors import HandlerNotFound, SettingError
from dispatch.modules import described
from dispatch.protocol import JSON
from dispatch.response import Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from conventions.ports.azure_function import Function
    from conventions.ports.azure_routes import Route
    from conventions.web import Answer
    from dispatch.http import Request
    from dispatch.invocation import Invocation
    from dispatch.types import Conventions, Handler

#: The host's settings, the one of them that counts here, and the variable that overrides it.
HOST_FILE = "host.json"
ROUTE_PREFIX = ("extensions", "http", "routePrefix")
ROUTE_PREFIX_VARIABLE = "AzureFunctionsJobHost__extensions__http__routePrefix"
DEFAULT_PREFIX = "api"

#: A text in JSON, or a comment, which the host accepts.
_COMMENT = r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*(?s:.*?)\*/'

#: How long an ASGI application may take to shut down, in seconds.
_LONGEST_SHUTDOWN = 2.0


def azure(app: Any) -> Handler:
    """An app: a FunctionApp, an AsgiFunctionApp or a WsgiFunctionApp, with all functions that it has registered."""
    functions = _functions(app)
    from conventions.ports import azure_events
    from conventions.records import records
    from dispatch import settle

    def batch(function: Function | None) -> Handler:
        def deliver(record: Any, _headers: Any) -> Any:
            return function and function.call(*azure_events.message(function, record))

        return records(deliver)

    queues = {each: batch(each) for each in (None, *functions) if each is None or each.kind in azure_events.QUEUES}

    def otherwise(invocation: Invocation, event: Any) -> Response:
        function = _served(azure_events.choose(functions, event))
        if function in queues:
            return queues[function](invocation)
        settle(function.call(*azure_events.event(function, event)))
        return Response(b"null", JSON)

    handle: Any = serving(_responder(functions), otherwise=otherwise, failed=lambda _error: (500, [], b""))
    handle.shutdown = lambda: settle(_shut_down(app))
    return handle  # type: ignore[no-any-return]


azure.accepts_object = True  # type: ignore[attr-defined]


def _functions(app: Any) -> list[Function]:
    """The functions, in the host's order; those that cannot be served are logged. Raises HandlerNotFound."""
    import sys

    sdk = sys.modules.get("azure.functions")
    if sdk is None or not isinstance(app, sdk.FunctionRegister):
        raise HandlerNotFound(
            f"not an app of Azure Functions: {described(app)}; name the FunctionApp (or the Asgi- or WsgiFunctionApp) "
            "itself, such as function_app.app; a Blueprint is served by the app that registers it"
        )
    from conventions.ports.azure_function import TRIGGERS, Function

    app.functions_bindings = None  # or else the SDK refuses to list the functions a second time
    try:
        listed = app.get_functions()
    except ValueError as error:
        raise HandlerNotFound(f"the app's functions cannot be listed: {error}") from error
    functions = sorted(map(Function, listed), key=lambda each: each.name.upper())
    problems = [f"the function {each.name} cannot be served here: {each.problem}" for each in functions if each.problem]
    known = f"known triggers: {', '.join(TRIGGERS)}; known binding: the HTTP output"
    if len(problems) == len(functions):
        raise HandlerNotFound(f"{'; '.join(problems) or 'the app has no functions'}; {known}")
    for problem in problems:
        failures.log("dispatch.azure", f"{problem}; {known}")
    return functions


def _served(function: Any) -> Any:
    if function is not None and function.problem:
        raise HandlerNotFound(f"the function {function.name} cannot be served here: {function.problem}")
    return function


def _responder(functions: list[Function]) -> Callable[[Request], Answer]:
    from conventions.ports.azure_function import HTTP
    from conventions.ports.azure_http import answer_of, datum_of, path_of
    from dispatch import settle

    prefix = _route_prefix()
    routes = [(_route(each, prefix), _methods(each), each) for each in functions if each.kind == HTTP]

    def respond_to(request: Request) -> Answer:
        path = path_of(request)
        for route, methods, function in routes:
            if methods is None or request.method.upper() in methods:
                parameters = route.match(path)
                if parameters is not None:
                    data = datum_of(request, path, parameters, _served(function).data)
                    return answer_of(settle(function.call(data, {})))
        return 404, [], b""

    return respond_to


def _route(function: Function, prefix: str) -> Route:
    from conventions.ports.azure_routes import Route

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
    """The setting of the host, which is in the task root. Raises SettingError."""
    if ROUTE_PREFIX_VARIABLE in os.environ:
        return os.environ[ROUTE_PREFIX_VARIABLE]
    import json
    import re

    try:
        with open(HOST_FILE, encoding="utf-8-sig") as file:
            found = json.loads(re.sub(_COMMENT, lambda match: match[1] or " ", file.read()))
    except FileNotFoundError:
        return DEFAULT_PREFIX
    except (OSError, ValueError) as error:
        raise SettingError(f"{HOST_FILE} cannot be read: {error}; it must be JSON, with or without comments") from None
    for key in ROUTE_PREFIX:
        found = found.get(key) if isinstance(found, dict) else None
    return DEFAULT_PREFIX if found is None else str(found)


async def _shut_down(app: Any) -> None:
    """End the lifespan of an ASGI application, which the SDK would do too late, when there is no event loop."""
    if getattr(app, "startup_task_done", False):
        import asyncio

        app.startup_task_done = False
        await asyncio.wait_for(app.middleware.notify_shutdown(), _LONGEST_SHUTDOWN)


def dispatch_conventions() -> Conventions:
    """The convention for an app of Azure Functions."""
    return {"azure": azure}
