"""The web application: the Invoke API, function URLs, routes of APIs and the page, behind one guard."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Scope

from runtime.local import addresses
from runtime.local.asynchronous.queue import Queue
from runtime.local.asynchronous.queue_file import QueueError
from runtime.local.config.description import ApiRoute
from runtime.local.environments.platform import Platform
from runtime.local.sources.event_sources import EventSources
from runtime.local.web.api_gateway import ApiGateway
from runtime.local.web.connection import AnswerAtOnce, Respond
from runtime.local.web.control_api import REFUSALS, ControlApi
from runtime.local.web.errors import ApiError, answer_error, answer_nobody, answer_queue_error
from runtime.local.web.event_sources_api import EventSourcesApi
from runtime.local.web.function_url import ByHostName, FunctionUrls, by_host_name
from runtime.local.web.guard import Guard, Rules
from runtime.local.web.history import History
from runtime.local.web.invoke_api import InvokeApi
from runtime.local.web.page_api import PageApi


class WebApp(NamedTuple):
    """The application, and what answers some of its requests without it."""

    asgi: Starlette
    answer_at_once: AnswerAtOnce


def make_app(
    platform: Platform,
    history: History,
    queue: Queue,
    sources: EventSources,
    *,
    notify: Callable[[str], None],
    token: str = "",
    api_routes: Callable[[], Sequence[ApiRoute]] = tuple,
) -> WebApp:
    """Make the application.

    Args:
        platform: has the functions.
        history: has the invocations that the page shows.
        queue: gets asynchronous events.
        sources: the event sources.
        notify: is called with what the developer should know.
        token: what every request must carry; empty if none is needed.
        api_routes: returns the routes of APIs at the moment.
    """
    urls, apis = FunctionUrls(platform, notify), ApiGateway(platform, api_routes, notify)

    def allows(path: str, origin: str) -> bool:
        return urls.allows(path, origin) or apis.allows(path, origin)

    rules, invoke_api = Rules(token, allows), InvokeApi(platform, queue)

    def answer_at_once(scope: Scope, headers: Mapping[str, str], body: bytes, respond: Respond) -> bool:
        if (
            not InvokeApi.matches(scope)
            or by_host_name(scope) is not scope
            or rules.refusal(scope, headers) is not None
        ):
            return False
        return invoke_api.answer_at_once(scope, headers, body, respond)

    asgi = Starlette(
        routes=[
            Route(addresses.HEALTH, health, methods=["GET"]),
            *invoke_api.routes(),
            *urls.routes(),
            *PageApi(platform, history, queue, sources).routes(),
            *EventSourcesApi(platform, sources).routes(),
            *ControlApi(platform).routes(),
            apis,
            *REFUSALS,
        ],
        middleware=[Middleware(ByHostName), Middleware(Guard, rules=rules)],
        exception_handlers={ApiError: answer_error, ClientDisconnect: answer_nobody, QueueError: answer_queue_error},
    )
    return WebApp(asgi, answer_at_once)


async def health(_request: Request) -> Response:
    """Answer that the server is up."""
    return Response(b"ok\n", media_type="text/plain")
