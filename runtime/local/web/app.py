"""The web application: the Invoke API, function URLs and the page, behind one guard."""

from __future__ import annotations

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from runtime.local.asynchronous.queue import Queue
from runtime.local.environments.platform import Platform
from runtime.local.web import cors
from runtime.local.web.control_api import ControlApi
from runtime.local.web.errors import Refusal, refuse
from runtime.local.web.function_url import PREFIX, ByHostName, FunctionUrls
from runtime.local.web.guard import Guard
from runtime.local.web.history import Hub
from runtime.local.web.invoke_api import InvokeApi
from runtime.local.web.page_api import PageApi


def make_app(platform: Platform, hub: Hub, queue: Queue, say: Callable[[str], None], token: str = "") -> Starlette:
    """Put it together; `say` is told what the developer should know."""
    urls = FunctionUrls(platform, say)

    def allows(path: str, origin: str) -> bool:
        found = urls.find(path.removeprefix(PREFIX).partition("/")[0]) if path.startswith(PREFIX) else None
        return found is not None and cors.allows(found[1].cors, origin)

    return Starlette(
        routes=[
            Route("/health", health, methods=["GET"]),
            *InvokeApi(platform, queue).routes(),
            *urls.routes(),
            *PageApi(platform, hub, queue).routes(),
            *ControlApi(platform).routes(),
        ],
        middleware=[Middleware(ByHostName), Middleware(Guard, token=token, allows=allows)],
        exception_handlers={Refusal: refuse},
    )


async def health(_request: Request) -> Response:
    """Whether it serves."""
    return Response(b"ok\n", media_type="text/plain")
