"""Serves functions to boto3, in the caller's own process: the local platform with its HTTP server."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

from runtime.local.asynchronous.queue import Queue
from runtime.local.environments.log_lines import LogLine
from runtime.local.environments.variables import CREDENTIAL_SOURCES, PLACEHOLDERS
from runtime.local.function import FunctionConfig, default_region
from runtime.local.source import BadMapping
from runtime.local.sources.event_sources import EventSources
from runtime.local.sources.mapping import EventSourceMapping
from runtime.local.web.app import make_app
from runtime.local.web.history import History
from runtime.local.web.server import WebServer, listen
from runtime.testing.platform import LocalPlatform, serving
from runtime.testing.process_state import environ

#: The name of the service that boto3 is asked for.
SERVICE: Final = "lambda"
#: Tries of an event that failed come after 0.6 and 1.2 seconds instead of 1 and 2 minutes.
TIME_SCALE: Final = 0.01
#: Seconds that the server has to end.
GRACE: Final = 1.0


class LambdaService:
    """Functions that boto3 and other clients of the Lambda API can invoke.

    Attributes:
        url: the endpoint; while the service runs, `AWS_ENDPOINT_URL_LAMBDA` is set to it.
        log: what the functions and the platform have written, line by line.
    """

    def __init__(self, local: LocalPlatform, url: str, log: list[str]) -> None:
        self.url = url
        self.log = log
        self._local = local

    def add(self, function: FunctionConfig) -> None:
        """Serve one more function.

        Raises:
            ValueError: another function has this name.
        """
        pool = self._local.platform.pools.get(function.name)
        if pool is not None and pool.function != function:
            raise ValueError(f"another function is named {function.name!r}; pass each one a name of its own: name=...")
        self._local.run(self._local.platform.replace(function))

    def client(self, service: str = SERVICE, **options: Any) -> Any:
        """A client of boto3; one of Lambda tries once, and waits as long as a function may take."""
        import boto3
        from botocore.config import Config

        if service == SERVICE:
            config = Config(retries={"total_max_attempts": 1}, read_timeout=900)
            options = {"endpoint_url": self.url, "config": config, **options}
        return boto3.client(service, **options)


@contextmanager
def lambda_service() -> Iterator[LambdaService]:
    """Serve functions until the block is left, with queued events and event sources; at first there is none."""
    log: list[str] = []

    def keep(line: LogLine) -> None:
        log.append(line.text)

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lambda-service-")))
        local = stack.enter_context(serving(write_log=keep))
        sock = stack.enter_context(listen("127.0.0.1", 0))
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        stack.enter_context(environ(_variables(url)))
        server = _Server(local, folder / "queue", log.append)
        stack.callback(lambda: local.run(server.end()))
        local.run(server.start(sock))
        yield LambdaService(local, url, log)


def check_endpoint(mapping: EventSourceMapping) -> None:
    """Refuse a mapping whose source would be polled at AWS itself, where a test may take what is real."""
    variables = ("AWS_ENDPOINT_URL", f"AWS_ENDPOINT_URL_{mapping.source.kind.upper()}")
    if not any(map(os.environ.get, variables)) and "moto" not in sys.modules:
        raise BadMapping(
            f"no endpoint for {mapping.source.arn!r}, so it would be polled at AWS; set {variables[1]}, for example to "
            "moto's server, or start moto's mock"
        )


class _Server:
    """The web server, the queue and the sources, on the platform's loop."""

    def __init__(self, local: LocalPlatform, queue_file: Path, notify: Callable[[str], None]) -> None:
        self._local = local
        self._queue_file = queue_file
        self._notify = notify
        self._tasks: list[asyncio.Future[None]] = []

    async def start(self, sock: Any) -> None:
        """Serve, and return once the server can be reached."""
        platform, history = self._local.platform, History()
        self._queue = Queue.open(self._queue_file, platform, TIME_SCALE, self._notify)
        self._sources = EventSources(platform, self._notify, check_endpoint, self._queue.put)
        app = make_app(platform, history, self._queue, self._sources, notify=self._notify)
        self._server = WebServer(app, GRACE)
        self._tasks = [asyncio.ensure_future(work) for work in (self._server.serve(sockets=[sock]), self._queue.run())]
        await self._server.ready

    async def end(self) -> None:
        """Take no more requests, and end what is under way."""
        self._sources.stop()
        self._server.should_exit = True
        self._server.force_exit = True
        web, queue = self._tasks
        queue.cancel()
        await self._local.platform.close()
        await self._sources.close()
        self._server.cut_off()
        await asyncio.gather(web, queue, return_exceptions=True)
        self._queue.close()


def _variables(url: str) -> Mapping[str, str]:
    """What lets clients that are made meanwhile find the service; placeholders stand in for missing credentials."""
    has_credentials = any(os.environ.get(name) for name in CREDENTIAL_SOURCES)
    placeholders = {} if has_credentials else PLACEHOLDERS
    found = {"AWS_ENDPOINT_URL_LAMBDA": url, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false"}
    return {**found, "AWS_DEFAULT_REGION": default_region(), **placeholders}
