"""`dispatch serve` at work: platform, queue, web application and reload, from start to end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvicorn

from runtime.local.app import make_app
from runtime.local.environment import first_of
from runtime.local.function_url import BrokenAnswer
from runtime.local.functions import Function
from runtime.local.guard import is_loopback
from runtime.local.hub import Hub
from runtime.local.platform import Platform, ignore
from runtime.local.queue import Queue
from runtime.local.report import LogLine
from runtime.local.variables import reserved

#: How long callers have, in seconds, to take the answers that the end of the platform itself gave them.
LAST_ANSWERS: Final = 1.0


@dataclass(slots=True)
class Settings:
    """How to serve.

    `read_again` gives the functions anew when `config`, the file that describes them, changed. Without a `token` a
    server that other machines reach asks for a random one, and one that only this machine reaches for none. `grace`
    is how many seconds the events under way have to finish.
    """

    functions: list[Function]
    queue: Path
    host: str = "127.0.0.1"
    port: int = 9000
    reload: bool = True
    only_api: bool = False
    time_scale: float = 1.0
    config: Path | None = None
    read_again: Callable[[], list[Function]] | None = None
    say: Callable[[str], None] = print
    write_log: Callable[[LogLine], None] = ignore
    token: str = ""
    grace: float = 10.0


class Server(uvicorn.Server):
    """Tells when it is ready, and leaves signals to us."""

    def __init__(self, config: uvicorn.Config, ready: asyncio.Event) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start; then it can be reached."""
        await super().startup(sockets)
        self._ready.set()

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]  # noqa: ANN201 - as uvicorn has it
        """Signals end the whole platform, not only the web server."""
        yield

    def cut_off(self) -> None:
        """Drop the connections that are left."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()


class Signals:
    """SIGTERM asks to end once the events under way are through; Ctrl-C, or another signal after it, to end now."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.end: asyncio.Future[None] = loop.create_future()
        self.now: asyncio.Future[None] = loop.create_future()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._take, number)

    def _take(self, number: signal.Signals) -> None:
        patient = number == signal.SIGTERM and not self.end.done()
        for asked in (self.end,) if patient else (self.end, self.now):
            if not asked.done():
                asked.set_result(None)


def hide_broken_answers(record: logging.LogRecord) -> bool:
    """A streamed answer that broke off is the function's failure, and in its log; the server has nothing to add."""
    return not (record.exc_info and isinstance(record.exc_info[1], BrokenAnswer))


async def serve(settings: Settings, banner: Callable[[str, str], None]) -> None:
    """Serve until SIGINT or SIGTERM; `banner` gets the address, and the token or an empty string."""
    signals = Signals()
    async with running(settings, signals) as (address, token):
        banner(address, token)
        await signals.end


@contextlib.asynccontextmanager
async def running(settings: Settings, signals: Signals) -> AsyncIterator[tuple[str, str]]:
    """A running server: its address and its token. Leaving it lets the events under way finish."""
    hub = Hub()

    def write_log(line: LogLine) -> None:
        settings.write_log(line)
        hub.log(line)

    token = settings.token or ("" if is_loopback(settings.host) else secrets.token_urlsafe(16))
    sock = listen(settings.host, settings.port)
    port = sock.getsockname()[1]
    async with Platform(settings.functions, write_log, hub.watch) as platform:
        queue = Queue(platform, settings.queue, settings.time_scale, settings.say)

        def say(text: str) -> None:
            settings.say(text)
            hub.publish("note", {"text": text})

        if settings.only_api:
            await _attach(platform, settings, port)
        ready = asyncio.Event()
        app = make_app(platform, hub, queue, settings.say, token)
        # The end has bounds of its own; this one is for a request that notices neither.
        limit = math.ceil(settings.grace + 2 * LAST_ANSWERS)
        config = uvicorn.Config(
            app, log_config=None, lifespan="off", proxy_headers=False, timeout_graceful_shutdown=limit
        )
        server = Server(config, ready)
        logging.getLogger("uvicorn.error").addFilter(hide_broken_answers)
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        work = [asyncio.ensure_future(server.serve(sockets=[sock])), asyncio.ensure_future(queue.run())]
        if settings.reload and not settings.only_api:
            work.append(asyncio.ensure_future(_reload(platform, settings, say)))
        await ready.wait()
        shown = settings.host if settings.host != "0.0.0.0" else socket.gethostname()  # noqa: S104
        try:
            yield f"http://{f'[{shown}]' if ':' in shown else shown}:{port}", token
        finally:
            for task in work[1:]:
                task.cancel()
            server.should_exit = True
            hub.close()
            await _finish(platform, work[0], settings, signals)
            await platform.close()
            await asyncio.wait({work[0]}, timeout=LAST_ANSWERS)
            server.cut_off()
            await asyncio.gather(*work, return_exceptions=True)
            queue.close()


async def _finish(platform: Platform, web: asyncio.Future[None], settings: Settings, signals: Signals) -> None:
    """Wait for the answers and events under way, as long as the grace period and the signals allow."""

    async def through() -> None:
        await asyncio.wait({web})
        await platform.quiet()

    if platform.busy and not signals.now.done():
        settings.say(f"ending once the events under way are through, in {settings.grace:g} seconds at most")
    finishing = asyncio.ensure_future(through())
    if not await first_of(settings.grace, finishing, signals.now) and platform.busy:
        settings.say(f"what is under way after {settings.grace:g} seconds is broken off")
    finishing.cancel()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; raise `OSError` if the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.create_server((host, port), family=family, backlog=1024)
    # asyncio does this only for sockets that it made itself; without it each answer waits 40 ms for an acknowledgement.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


async def _attach(platform: Platform, settings: Settings, port: int) -> None:
    for number, function in enumerate(settings.functions, start=1):
        address = await platform.attach(function.name, port + number)
        settings.say(f"start the runtime of {function.name} yourself, with:")
        for name, value in reserved(function, address, "local").items():
            settings.say(f"  {name}={value}")


async def _reload(platform: Platform, settings: Settings, say: Callable[[str], None]) -> None:
    from runtime.local.reload import Reloader

    async def read_again() -> None:
        if settings.read_again is None:
            return
        functions = {one.name: one for one in settings.read_again()}
        for name in set(platform.pools) - set(functions):
            await platform.remove(name)
        for function in functions.values():
            await platform.replace(function)

    await Reloader(platform, say, settings.config).run(read_again)
