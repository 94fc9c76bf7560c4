"""The web application: the Invoke API, function URLs and the page, behind one guard."""

from __future__ import annotations

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from runtime.local import cors
from runtime.local.control_api import ControlApi
from runtime.local.function_url import PREFIX, ByHostName, FunctionUrls
from runtime.local.guard import Guard
from runtime.local.hub import Hub
from runtime.local.invoke_api import InvokeApi
from runtime.local.page_api import PageApi
from runtime.local.platform import Platform
from runtime.local.queue import Queue
from runtime.local.refusals import Refusal, refuse


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
