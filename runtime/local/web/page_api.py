"""The page at `/`, and what it asks for: functions, environments, invocations, sample events, a feed."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from runtime.local import samples
from runtime.local.asynchronous.queue import Queue
from runtime.local.environments.platform import Invocation, Platform, Pool, Throttled, UnknownFunction
from runtime.local.function import Function
from runtime.local.invocation import Event
from runtime.local.web.errors import Refusal
from runtime.local.web.history import Hub
from runtime.local.web.invoke_api import EVENT_LIMIT, read

FOLDER: Final = Path(__file__).parent / "page"
#: Nothing but the page's own files may run in it.
POLICY: Final = "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
HEADERS: Final = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}


class PageApi:
    """What stands behind the page."""

    def __init__(self, platform: Platform, hub: Hub, queue: Queue) -> None:
        self._platform = platform
        self._hub = hub
        self._queue = queue

    def routes(self) -> list[Route | Mount]:
        """The page's addresses."""
        return [
            Route("/", self.page, methods=["GET"]),
            Route("/_dispatch/state", self.state, methods=["GET"]),
            Route("/_dispatch/feed", self.feed, methods=["GET"]),
            Route("/_dispatch/invocations/{id}", self.invocation, methods=["GET"]),
            Route("/_dispatch/invoke/{name}", self.invoke, methods=["POST"]),
            Mount("/_dispatch/page", StaticFiles(directory=FOLDER)),
        ]

    async def page(self, _request: Request) -> Response:
        """The page itself."""
        return FileResponse(FOLDER / "index.html", headers=HEADERS)

    async def state(self, _request: Request) -> Response:
        """All that the page shows at its start."""
        return JSONResponse(
            {
                "functions": [describe(pool) for pool in self._platform.pools.values()],
                "invocations": [record.summary() for record in self._hub.records],
                "samples": samples.load_all(),
                "queued": len(self._queue),
            }
        )

    async def feed(self, _request: Request) -> Response:
        """What happens from now on."""
        return StreamingResponse(
            self._hub.listen(), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
        )

    async def invocation(self, request: Request) -> Response:
        """One invocation with all that is kept of it."""
        record = self._hub.find(request.path_params["id"])
        return JSONResponse(record.details()) if record else Response(status_code=404)

    async def invoke(self, request: Request) -> Response:
        """Invoke a function; what comes back is a line of JSON for each thing that happens."""
        event = Event(await read(request, EVENT_LIMIT), str(uuid.uuid4()))
        try:
            invocation = self._platform.invoke(request.path_params["name"], event, "page")
        except UnknownFunction as error:
            raise Refusal("ResourceNotFoundException", str(error)) from error
        except Throttled as error:
            raise Refusal.throttled() from error
        return StreamingResponse(self._follow(invocation), media_type="application/x-ndjson")

    async def _follow(self, invocation: Invocation) -> AsyncIterator[str]:
        yield _line("start", id=invocation.event.request_id)
        async for chunk in invocation.answer:
            yield _line("chunk", text=chunk.decode(errors="replace"))
        report = await invocation.report
        record = self._hub.find(invocation.event.request_id)
        if record is not None:
            # The hub's own callback may come after this.
            record.report = report
            yield _line("end", **record.details())


def _line(kind: str, **data: Any) -> str:
    return json.dumps({"kind": kind, **data}) + "\n"


def describe(pool: Pool) -> dict[str, Any]:
    """A function and its environments as the page shows them."""
    function = pool.function
    return {
        "name": function.name,
        "handler": function.handler,
        "convention": convention_of(function),
        "root": str(function.root),
        "timeout": function.timeout,
        "memory": function.memory,
        "concurrency": function.concurrency,
        "url": f"/lambda-url/{function.name}/" if function.url else None,
        "environments": [
            {
                "id": one.id,
                "phase": one.phase.value,
                "created": one.created * 1000,
                "invocations": one.invocations,
                "memory": round(one.memory / 1024 / 1024),
            }
            for one in pool.environments
            if one.alive
        ],
    }


def convention_of(function: Function) -> str:
    """The convention that takes the function, as far as it shows without running any plugin or user code."""
    from dispatch.locate import locate

    if function.command:
        return "bootstrap"
    named = function.environment.get("HANDLER_CONVENTION") or function.convention
    if named and named != "auto":
        return named
    handler = function.environment.get("HANDLER") or function.handler
    return locate(handler, str(function.root)).convention or "unknown"
