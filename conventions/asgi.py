"""The `asgi` convention: a web application for HTTP events, such as one of FastAPI, Starlette, Django or Quart."""

from __future__ import annotations

from conventions import applications
from conventions.context import LambdaContext, shared_attributes
from conventions.exchange import Exchange
from conventions.lifespan import Lifespan
from conventions.web import serving
from dispatch import current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from conventions.web import Answer
    from dispatch.http import Request
    from dispatch.types import Conventions, Handler


def asgi(app: Any) -> Handler:
    """An ASGI 3 application: app(scope, receive, send), called for each request; its lifespan runs once."""
    applications.check(app, "asgi")
    return served(app)


def served(app: Any, **options: Any) -> Handler:
    """The handler that an ASGI application is; the options are those of `conventions.web.serving`.

    Its `app` is the application, for a server that calls it directly, with a copy of `state` as `scope["state"]`.
    """
    lifespan = Lifespan(app)
    shared = shared_attributes()

    def respond_to(request: Request) -> Answer:
        lifespan.start()
        scope = request.scope()
        if request.body and "content-length" not in request.headers:
            scope["headers"].append((b"content-length", b"%d" % len(request.body)))
        scope["state"] = lifespan.state.copy()
        scope["aws.event"] = request.event
        scope["aws.context"] = LambdaContext(current(), shared)
        return Exchange(app, scope, request.body, streams=request.streams).answer()

    handle: Any = serving(respond_to, **options)
    handle.app, handle.state = app, lifespan.state
    handle.startup, handle.shutdown = lifespan.start, lifespan.stop
    #: Requests share the event loop, whether or not the application is an `async def` itself.
    handle.one_at_a_time = False
    return handle  # type: ignore[no-any-return]


asgi.accepts_object = True  # type: ignore[attr-defined]
asgi.locate = applications.module_and_attribute  # type: ignore[attr-defined]


def dispatch_conventions() -> Conventions:
    """The convention for an ASGI application."""
    return {"asgi": asgi}
