"""The web application: the Invoke API, function URLs and the page, behind one guard."""

from __future__ import annotations

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from runtime.local import addresses
from runtime.local.asynchronous.queue import Queue
from runtime.local.asynchronous.queue_file import QueueError
from runtime.local.environments.platform import Platform
from runtime.local.sources.event_sources import EventSources
from runtime.local.web.control_api import ControlApi
from runtime.local.web.errors import ApiError, answer_error, answer_nobody, answer_queue_error
from runtime.local.web.event_sources_api import EventSourcesApi
from runtime.local.web.function_url import ByHostName, FunctionUrls
from runtime.local.web.guard import Guard
from runtime.local.web.history import History
from runtime.local.web.invoke_api import InvokeApi
from runtime.local.web.page_api import PageApi


def make_app(
    platform: Platform,
    history: History,
    queue: Queue,
    sources: EventSources,
    *,
    notify: Callable[[str], None],
    token: str = "",
) -> Starlette:
    """Make the application; `notify` is called with what the developer should know."""
    urls = FunctionUrls(platform, notify)
    return Starlette(
        routes=[
            Route(addresses.HEALTH, health, methods=["GET"]),
            *InvokeApi(platform, queue).routes(),
            *urls.routes(),
            *PageApi(platform, history, queue).routes(),
            *EventSourcesApi(platform, sources).routes(),
            *ControlApi(platform).routes(),
        ],
        middleware=[Middleware(ByHostName), Middleware(Guard, token=token, allows=urls.allows)],
        exception_handlers={ApiError: answer_error, ClientDisconnect: answer_nobody, QueueError: answer_queue_error},
    )


async def health(_request: Request) -> Response:
    """Answer that the server is up."""
    return Response(b"ok\n", media_type="text/plain")
