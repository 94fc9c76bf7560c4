"""`dispatch serve` at work: platform, queue, web application and reload, from start to end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import secrets
import signal
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvicorn
from starlette.applications import Starlette

from runtime.local.asynchronous.queue import Queue
from runtime.local.environments.environment import first_of
from runtime.local.environments.log_lines import LogLine
from runtime.local.environments.platform import Platform, ignore
from runtime.local.environments.variables import reserved
from runtime.local.function import Function
from runtime.local.web.app import make_app
from runtime.local.web.function_url import BrokenAnswer
from runtime.local.web.guard import is_loopback
from runtime.local.web.history import Hub

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


class CantListen(Exception):
    """The port is taken, or the host is none of this machine's; the message says which."""


class Server(uvicorn.Server):
    """Serves the application; `ready` resolves when it can be reached. It leaves signals to us."""

    def __init__(self, app: Starlette, grace: float) -> None:
        # The end has bounds of its own; this one is for a request that notices neither.
        limit = math.ceil(grace + 2 * LAST_ANSWERS)
        super().__init__(
            uvicorn.Config(app, log_config=None, lifespan="off", proxy_headers=False, timeout_graceful_shutdown=limit)
        )
        logging.getLogger("uvicorn.error").addFilter(hide_broken_answers)
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start; then it can be reached."""
        await super().startup(sockets)
        self.ready.set_result(None)

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
    """Serve until SIGINT or SIGTERM; `banner` gets the address, and the token or an empty string.

    Raises:
        CantListen: there is no listening at that host and port.
        QueueError: the queue's file can't be used, now or later.
    """
    signals, hub = Signals(), Hub()

    def write_log(line: LogLine) -> None:
        settings.write_log(line)
        hub.log(line)

    token = settings.token or ("" if is_loopback(settings.host) else secrets.token_urlsafe(16))
    async with Platform(settings.functions, write_log, hub.watch) as platform:
        with (
            listen(settings.host, settings.port) as sock,
            contextlib.closing(Queue(platform, settings.queue, settings.time_scale, settings.say)) as queue,
        ):
            port = sock.getsockname()[1]
            if settings.only_api:
                await _attach(platform, settings, port)
            server = Server(make_app(platform, hub, queue, settings.say, token), settings.grace)
            work = (server.serve(sockets=[sock]), queue.run(), _reload(platform, settings, hub))
            web, handing_out, _ = tasks = [asyncio.ensure_future(one) for one in work]
            try:
                await first_of(None, server.ready, web)
                if server.ready.done():
                    banner(_address(settings.host, port), token)
                # Without one of these two it would take events that nobody ever handles.
                await first_of(None, signals.end, web, handing_out)
            finally:
                hub.close()
                await _end(server, platform, tasks, settings, signals)


async def _end(
    server: Server, platform: Platform, tasks: Sequence[asyncio.Future[None]], settings: Settings, signals: Signals
) -> None:
    """Let the events under way finish, then end everything; raise what the first of the tasks failed with."""
    web, *others = tasks
    for task in others:
        task.cancel()
    server.should_exit = True
    await _finish(platform, web, settings, signals)
    await platform.close()
    await asyncio.wait({web}, timeout=LAST_ANSWERS)
    server.cut_off()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome


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
    """A listening socket; raise `CantListen`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        sock = socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise CantListen(f"can't listen on {host}:{port}: {error.strerror or error}") from error
    # asyncio does this only for sockets that it made itself; without it each answer waits 40 ms for an acknowledgement.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _address(host: str, port: int) -> str:
    shown = host if host != "0.0.0.0" else socket.gethostname()  # noqa: S104
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"


async def _attach(platform: Platform, settings: Settings, port: int) -> None:
    for number, function in enumerate(settings.functions, start=1):
        address = await platform.attach(function.name, port + number)
        settings.say(f"start the runtime of {function.name} yourself, with:")
        for name, value in reserved(function, address, "local").items():
            settings.say(f"  {name}={value}")


async def _reload(platform: Platform, settings: Settings, hub: Hub) -> None:
    """Serve what is saved, if that is wanted, for ever; the developer is told when that comes to an end by itself."""
    if not settings.reload or settings.only_api:
        return
    from runtime.local.reload import Reloader

    def say(text: str) -> None:
        settings.say(text)
        hub.publish("note", {"text": text})

    async def read_again() -> None:
        if settings.read_again is None:
            return
        functions = {one.name: one for one in settings.read_again()}
        for name in set(platform.pools) - set(functions):
            await platform.remove(name)
        for function in functions.values():
            await platform.replace(function)

    try:
        await Reloader(platform, say, settings.config).run(read_again)
    except Exception as error:  # noqa: BLE001 - the system's limits, a folder that is gone: all end it, none the server
        say(f"saved changes are served no more, until the next start: {type(error).__name__}: {error}")
