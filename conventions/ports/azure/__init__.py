"""The `azure` convention: an app of Azure Functions, programming model v2, from its `function_app.py` as it is.

`function` calls a function as Azure's worker does, `host` and `routes` do what its host does for HTTP, `events` makes
triggers' data from events of AWS. `AsgiFunctionApp` and `WsgiFunctionApp` are apps with one function that takes every
path (azure-functions 2.3.0, `decorators/function_app.py`).
"""

from __future__ import annotations

import sys

from conventions import failures
from dispatch.errors import HandlerNotFound
from dispatch.modules import described
from dispatch.protocol import JSON
from dispatch.response import Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from conventions.ports.azure.function import Function
    from dispatch.invocation import Invocation
    from dispatch.types import Conventions, Handler

_LOGGER = "dispatch.azure"

#: How long an ASGI application may take to shut down, in seconds.
_LONGEST_SHUTDOWN = 2.0


def azure(app: Any) -> Handler:
    """An app: a FunctionApp, an AsgiFunctionApp or a WsgiFunctionApp, with all functions that it has registered."""
    functions = _functions(app)
    from conventions.ports.azure import events, host
    from conventions.records import records
    from dispatch import settle

    def batch(function: Function) -> Handler:
        return records(lambda record, _headers: function.call(*events.message(function, record)))

    batches = {each: batch(each) for each in functions if each.kind in events.QUEUES}

    def otherwise(invocation: Invocation, event: Any) -> Response:
        function = events.choose(functions, event).served()
        if function in batches:
            return batches[function](invocation)
        settle(function.call(events.datum_of(function, event), {}))
        return Response(b"null", JSON)

    handle: Any = host.serving(functions, otherwise)
    if hasattr(app, "middleware"):
        handle.shutdown = lambda: settle(_shut_down(app))
    return handle  # type: ignore[no-any-return]


azure.accepts_object = True  # type: ignore[attr-defined]


def _functions(app: Any) -> list[Function]:
    """The functions, in the host's order; those that cannot be served are logged. Raises HandlerNotFound."""
    sdk = sys.modules.get("azure.functions")
    if sdk is None or not isinstance(app, sdk.FunctionRegister):
        raise HandlerNotFound(
            f"not an app of Azure Functions: {described(app)}; name the FunctionApp (or the Asgi- or WsgiFunctionApp) "
            "itself, such as function_app.app; a Blueprint is served by the app that registers it"
        )
    from conventions.ports.azure.function import TRIGGERS, Function

    app.functions_bindings = None  # or else the SDK refuses to list the functions a second time
    try:
        listed = app.get_functions()
    except ValueError as error:
        raise HandlerNotFound(f"the app's functions cannot be listed: {error}") from error
    functions = sorted(map(Function, listed), key=lambda each: each.name.upper())
    problems = [each.problem for each in functions if each.problem]
    known = f"known triggers: {', '.join(TRIGGERS)}; known binding: the HTTP output"
    if len(problems) == len(functions):
        raise HandlerNotFound(f"{'; '.join(problems) or 'the app has no functions'}; {known}")
    for problem in problems:
        failures.log(_LOGGER, f"{problem}; {known}")
    return functions


async def _shut_down(app: Any) -> None:
    """End the lifespan of an ASGI application, which the SDK would do too late, when there is no event loop."""
    if getattr(app, "startup_task_done", False):
        import asyncio

        app.startup_task_done = False
        await asyncio.wait_for(app.middleware.notify_shutdown(), _LONGEST_SHUTDOWN)


def dispatch_conventions() -> Conventions:
    """The convention for an app of Azure Functions."""
    return {"azure": azure}
