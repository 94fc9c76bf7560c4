"""The page at `/`, and what it asks for: functions, environments, invocations, sample events, sources, a feed."""

from __future__ import annotations

import codecs
import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from dispatch import protocol
from dispatch.discovery import AUTO
from dispatch.locate import locate
from runtime.local import addresses, samples
from runtime.local.asynchronous.queue import Queue
from runtime.local.environments.platform import Platform, UnknownFunction
from runtime.local.environments.pool import EnvironmentPool, Throttled
from runtime.local.function import FunctionConfig
from runtime.local.invocation import Event, RunningInvocation
from runtime.local.sources.event_sources import EventSources
from runtime.local.web.errors import ApiError
from runtime.local.web.history import History
from runtime.local.web.json_response import JSONResponse
from runtime.local.web.request import read_payload
from runtime.local.web.source_watch import SourceWatch
from runtime.local.web.streaming import AnswerStream
from runtime.settings import handler_string

FOLDER: Final = Path(__file__).parent / "page"
#: Nothing but the page's own files may run in it.
POLICY: Final = "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
HEADERS: Final = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"}
UNCACHED: Final = {"Cache-Control": "no-store"}


class PageApi:
    """Serves the page and its requests."""

    def __init__(self, platform: Platform, history: History, queue: Queue, sources: EventSources) -> None:
        self._platform = platform
        self._history = history
        self._queue = queue
        self._sources = SourceWatch(sources, history.publish)

    def routes(self) -> list[Route | Mount]:
        """Return the routes."""
        return [
            Route("/", self.page, methods=["GET"]),
            Route(f"{addresses.PAGE}/state", self.state, methods=["GET"]),
            Route(addresses.SOURCES, self.sources, methods=["GET"]),
            Route(f"{addresses.PAGE}/feed", self.feed, methods=["GET"]),
            Route(f"{addresses.PAGE}/invocations/{{id}}", self.invocation, methods=["GET"]),
            Route(f"{addresses.PAGE}/invoke/{{name}}", self.invoke, methods=["POST"]),
            Mount(f"{addresses.PAGE}/page", StaticFiles(directory=FOLDER)),
        ]

    async def page(self, _request: Request) -> Response:
        """Return the page itself."""
        return FileResponse(FOLDER / "index.html", headers=HEADERS)

    async def state(self, _request: Request) -> Response:
        """Return what the page shows at its start."""
        return JSONResponse(
            {
                "functions": [
                    {**describe(pool), "failure": self._failure(pool.function)}
                    for pool in self._platform.pools.values()
                ],
                "invocations": [entry.summary() for entry in self._history.entries],
                "samples": samples.load_all(),
                "queued": len(self._queue),
            }
        )

    def _failure(self, function: FunctionConfig) -> str:
        """Why the function did not load for its last event; empty if it did."""
        last = next(
            (one for one in reversed(self._history.entries) if one.function == function.name and one.report), None
        )
        if last is None or last.report is None or last.report.error is None or last.report.duration:
            return ""
        return f"{last.report.error.type}: {last.report.error.message}"

    async def sources(self, _request: Request) -> Response:
        """Return how the event sources are doing."""
        return JSONResponse({"sources": await self._sources.measured()}, headers=UNCACHED)

    async def feed(self, _request: Request) -> Response:
        """Send what happens from now on, and how the event sources are doing."""
        messages = self._sources.beside(self._history.feed())
        return StreamingResponse(messages, media_type="text/event-stream", headers=UNCACHED)

    async def invocation(self, request: Request) -> Response:
        """Return one invocation with everything that is kept of it."""
        entry = self._history.find(request.path_params["id"])
        return JSONResponse(entry.details()) if entry else Response(status_code=404)

    async def invoke(self, request: Request) -> Response:
        """Invoke a function; the response has a line of JSON for each thing that happens."""
        event = Event(await read_payload(request, protocol.EVENT_LIMIT), str(uuid.uuid4()))
        try:
            invocation = await self._platform.invoke(request.path_params["name"], event, "page")
        except UnknownFunction as error:
            raise ApiError("ResourceNotFoundException", str(error)) from error
        except Throttled as error:
            raise ApiError.throttled() from error
        return AnswerStream(self._follow(invocation), invocation.answer, media_type="application/x-ndjson")

    async def _follow(self, invocation: RunningInvocation) -> AsyncIterator[str]:
        yield _line("start", id=invocation.event.request_id)
        decoder = codecs.getincrementaldecoder("utf-8")("replace")  # a chunk may end within a character
        async for chunk in invocation.answer:
            yield _line("chunk", text=decoder.decode(chunk))
        await invocation.report
        entry = self._history.find(invocation.event.request_id)
        if entry is not None:
            yield _line("end", **entry.details())


def _line(kind: str, **data: Any) -> str:
    return json.dumps({"kind": kind, **data}) + "\n"


def describe(pool: EnvironmentPool) -> dict[str, Any]:
    """Return a function and its environments as the page shows them."""
    function = pool.function
    return {
        "name": function.name,
        "handler": function.handler,
        "convention": convention_of(function),
        "root": str(function.folder),
        "timeout": function.timeout,
        "memory": function.memory,
        "concurrency": function.concurrency,
        "url": f"{addresses.FUNCTION_URL}/{function.name}/" if function.url else None,
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


def convention_of(function: FunctionConfig) -> str:
    """Return the function's convention, as far as it is known without running any plugin or user code."""
    if function.command:
        return "bootstrap"
    named = function.environment.get("HANDLER_CONVENTION") or function.convention
    if named and named != AUTO:
        return named
    handler = handler_string({**function.environment, "_HANDLER": function.handler})
    return locate(handler, str(function.folder)).convention or "unknown"
