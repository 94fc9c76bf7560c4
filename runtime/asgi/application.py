"""The ASGI application: loads the function when the server starts, and hands it every request."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time

from dispatch import error_reports
from dispatch.cold_start import when_imported
from dispatch.load import choose
from dispatch.protocol import JSON
from runtime.asgi.bridge import Bridge
from runtime.asgi.responder import Responder
from runtime.asgi.service import Service
from runtime.environment import init_report
from runtime.logs import Log
from runtime.settings import Settings, log_settings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dispatch.error_reports import ErrorReport
    from dispatch.load import Choice

#: The paths at which engines ask whether the function is ready; `/ping` is that of SageMaker and AgentCore.
PROBES = frozenset({"/health", "/ping"})
_NOT_FOUND = 404

#: What the loggers of servers begin with; some have handlers of their own, and propagate to the root logger as well.
_SERVERS = ("uvicorn", "granian", "_granian", "hypercorn", "gunicorn")


class InitError(Exception):
    """The function cannot be loaded."""

    def __init__(self, report: ErrorReport) -> None:
        super().__init__(f"{report['errorType']}: {report['errorMessage']}")
        self.report = report


class Application:
    """The function that the environment variables name, as an ASGI application.

    It is loaded at the server's startup, or for the first request if the server has no lifespan.
    """

    def __init__(self) -> None:
        self._loading: asyncio.Future[Service] | None = None
        self._service: Service | None = None

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Serve the server's lifespan, a request or a WebSocket."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        try:
            service = self._service or await self._loaded()
        except InitError as error:
            await self._fail(error, scope, receive, send)
            return
        if scope["type"] == "http" and scope["path"] in PROBES and scope["method"] in {"GET", "HEAD"}:
            if not service.is_web:
                await _report_health(scope, receive, send)
                return
            send = _or_healthy(scope, receive, send)
        await service.answer(scope, receive, send)

    async def _live(self, receive: Any, send: Any) -> None:
        await receive()
        failure = ""
        try:
            service = await self._loaded()
        except InitError as error:
            failure = str(error)
        if failure:  # here, so that what the server raises has no other context
            await send({"type": "lifespan.startup.failed", "message": failure})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await service.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _loaded(self) -> Service:
        if self._loading is None:
            self._loading = asyncio.ensure_future(_load())
        self._service = await asyncio.shield(self._loading)
        return self._service

    async def _fail(self, error: InitError, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close"})
            return
        responder = Responder(scope, receive, send)
        responder.keep_report(error.report)
        await responder.finish()


async def _load() -> Service:
    """Load the function that the environment variables name. Raises InitError."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # what is printed is a log, line by line
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)
    log = Log(*log_settings(os.environ), line_end="\n")
    error_reports.log_warning = log.warning
    when_imported("logging", lambda logging: _set_up(logging, log))
    choice: Choice | None = None
    try:
        settings = Settings.from_environ(os.environ)
        os.chdir(settings.root)
        choice = choose(settings.handler, settings.root, settings.convention, settings.plugins)
        bridge = Bridge()
        function = await bridge.apart(choice.load)
        await bridge.on_loop(function.start)
        service = Service(function, settings, log, bridge)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and (task is None or task.cancelling()):
            raise  # the server ends; any exception of the user's module is an init error
        raise InitError(init_report(error, choice, log)) from None
    await bridge.on_loop(lambda: function.notify("startup", function=function))
    return service


def _set_up(logging: Any, log: Log) -> None:
    """Format what the function logs, unless the server's configuration says how."""
    if not hasattr(logging, "getLogger") or logging.getLogger().handlers:
        return
    log.set_up(logging)
    logging.root.handlers[-1].addFilter(
        lambda record: not (record.name.startswith(_SERVERS) and logging.getLogger(record.name).handlers)
    )


async def _report_health(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer a probe, in the words that AgentCore expects."""
    health = {"status": "Healthy", "time_of_last_update": int(time.time())}
    responder = Responder(scope, receive, send)
    responder.keep(200, [("content-type", JSON)], json.dumps(health).encode())
    await responder.finish()


def _or_healthy(scope: dict[str, Any], receive: Any, send: Any) -> Any:
    """A `send` for a web application that answers a probe for it if it does not know the path."""
    answered = False

    async def send_or_answer(message: dict[str, Any]) -> None:
        nonlocal answered
        if message["type"] == "http.response.start" and message["status"] == _NOT_FOUND:
            answered = True
            await _report_health(scope, receive, send)
        elif not answered:
            await send(message)

    return send_or_answer
