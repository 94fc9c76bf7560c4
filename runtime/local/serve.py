"""`dispatch serve` at work: platform, queue, web application and reload, from start to end."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import socket
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runtime.local.asynchronous.queue import Queue
from runtime.local.asynchronous.queue_file import QueueError
from runtime.local.config.description import Description
from runtime.local.environments.local_runtime import first_of
from runtime.local.environments.log_lines import LogLine, WriteLog, discard_log
from runtime.local.environments.platform import Platform
from runtime.local.environments.variables import reserved
from runtime.local.function import FunctionConfig
from runtime.local.handler_check import handler_fault
from runtime.local.sources.event_sources import EventSources
from runtime.local.web.app import make_app
from runtime.local.web.guard import is_loopback
from runtime.local.web.history import History
from runtime.local.web.server import LAST_ANSWERS, LoopErrors, WebServer, listen


@dataclass(slots=True)
class ServeSettings:
    """What to serve, and how.

    Attributes:
        queue: the file that keeps the queue.
        only_api: whether the user starts the functions' runtimes.
        time_scale: multiplies the queue's waits and ages.
        config: the file that describes the functions; None if the command line does.
        described: what else the file describes; `read_again` keeps it up to date.
        volatile: whether the queue may be in memory if its file cannot be used.
        read_again: reads the functions again when `config` has changed.
        notify: is called with what the developer should know.
        token: what every request must carry; if it is empty, a server that other machines reach makes one.
        grace: seconds in which the events under way may finish at the end.
    """

    functions: list[FunctionConfig]
    queue: Path
    host: str = "127.0.0.1"
    port: int = 9000
    reload: bool = True
    only_api: bool = False
    time_scale: float = 1.0
    config: Path | None = None
    described: Description = field(default_factory=Description)
    volatile: bool = False
    read_again: Callable[[], list[FunctionConfig]] | None = None
    notify: Callable[[str], None] = print
    write_log: WriteLog = discard_log
    token: str = ""
    grace: float = 10.0


class EndSignals:
    """The signals that end the server.

    Attributes:
        end: resolves at SIGTERM, which lets the events under way finish, at SIGINT and when the terminal is closed.
        now: resolves at the latter two, and at any signal after the first.
        interrupted: whether SIGINT was the first signal.
    """

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.end: asyncio.Future[None] = loop.create_future()
        self.now: asyncio.Future[None] = loop.create_future()
        self.interrupted = False

    def install(self) -> None:
        """Handle the signals from now on."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._receive, number)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as nohup sets it
            loop.add_signal_handler(signal.SIGHUP, self._receive, signal.SIGHUP)

    def _receive(self, number: signal.Signals) -> None:
        self.interrupted |= number == signal.SIGINT and not self.end.done()
        patient = number == signal.SIGTERM and not self.end.done()
        for asked in (self.end,) if patient else (self.end, self.now):
            if not asked.done():
                asked.set_result(None)


async def serve(settings: ServeSettings, banner: Callable[[str, str], None]) -> bool:
    """Serve until SIGINT or SIGTERM; return whether it was SIGINT.

    Args:
        settings: what to serve, and how.
        banner: is called with the address and the token, or an empty string, once the server can be reached.

    Raises:
        CannotListen: the host or the port cannot be used.
        QueueError: the queue's file cannot be used, now or later.
    """
    signals, history = EndSignals(), History()
    signals.install()
    asyncio.get_running_loop().set_exception_handler(LoopErrors(settings.notify))

    def write_log(line: LogLine) -> None:
        settings.write_log(line)
        history.add_line(line)

    token = settings.token or ("" if is_loopback(settings.host) else secrets.token_urlsafe(16))
    async with Platform(settings.functions, write_log, history.add) as platform:
        with (
            listen(settings.host, settings.port) as sock,
            contextlib.closing(_open_queue(settings, platform)) as queue,
        ):
            port = sock.getsockname()[1]
            if settings.only_api:
                await _attach(platform, settings, port)
            sources = EventSources(platform, settings.notify, put=queue.put)
            app = make_app(
                platform,
                history,
                queue,
                sources,
                notify=settings.notify,
                token=token,
                api_routes=lambda: settings.described.routes,
            )
            server = WebServer(app, settings.grace)
            work = (server.serve(sockets=[sock]), queue.run(), _reload(platform, settings, history, sources))
            web, handing_out, _ = tasks = [asyncio.ensure_future(one) for one in work]
            try:
                await first_of(None, server.ready, web)
                if server.ready.done() and not signals.end.done():
                    banner(_address(settings.host, port), token)
                    _check_handlers(settings.functions, settings)
                    sources.configure(settings.functions)
                # Without one of these two it would accept events that are never handled.
                await first_of(None, signals.end, web, handing_out)
            finally:
                history.close()
                sources.stop()
                await _end(server, platform, tasks, settings, signals)
                await sources.close()
    return signals.interrupted


async def _end(
    server: WebServer,
    platform: Platform,
    tasks: Sequence[asyncio.Future[None]],
    settings: ServeSettings,
    signals: EndSignals,
) -> None:
    """Let the events under way finish, then end everything; raise the first exception of the tasks."""
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


async def _finish(platform: Platform, web: asyncio.Future[None], settings: ServeSettings, signals: EndSignals) -> None:
    """Wait for the answers and events under way, as long as the grace period and the signals allow."""

    async def through() -> None:
        await asyncio.wait({web})
        await platform.quiet()

    if platform.busy and not signals.now.done():
        settings.notify(f"ending once the events under way are through, in {settings.grace:g} seconds at most")
    finishing = asyncio.ensure_future(through())
    if not await first_of(settings.grace, finishing, signals.now) and platform.busy:
        settings.notify(f"broke off the events still under way after {settings.grace:g} seconds")
    finishing.cancel()


def _open_queue(settings: ServeSettings, platform: Platform) -> Queue:
    """Open the queue's file; where nobody chose the file and it cannot be used, a queue in memory."""
    try:
        return Queue.open(settings.queue, platform, settings.time_scale, settings.notify)
    except QueueError as error:
        if not settings.volatile or not isinstance(error.__cause__, OSError | sqlite3.OperationalError):
            raise
        settings.notify(
            f"{error}; until then it is in memory, and asynchronous events that are left at the end are lost"
        )
        return Queue.open(Path(":memory:"), platform, settings.time_scale, settings.notify)


def _check_handlers(functions: Sequence[FunctionConfig], settings: ServeSettings) -> None:
    """Report the handlers that cannot be found."""
    for function in () if settings.only_api else functions:
        fault = handler_fault(function)
        if fault:
            settings.notify(f"{function.name}: the handler cannot be found: {fault}")


def _address(host: str, port: int) -> str:
    shown = host if host != "0.0.0.0" else socket.gethostname()  # noqa: S104
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"


async def _attach(platform: Platform, settings: ServeSettings, port: int) -> None:
    for number, function in enumerate(settings.functions, start=1):
        address = await platform.attach(function.name, port + number)
        settings.notify(f"start the runtime of {function.name} yourself, with:")
        for name, value in reserved(function, address, "local").items():
            settings.notify(f"  {name}={value}")


async def _reload(platform: Platform, settings: ServeSettings, history: History, sources: EventSources) -> None:
    """Serve what is saved, if that is wanted, without end; report an end that nothing else reports."""
    if not settings.reload or settings.only_api:
        return
    from runtime.local.reload import Reloader

    def notify(text: str) -> None:
        settings.notify(text)
        history.publish("note", {"text": text})

    async def read_again() -> None:
        if settings.read_again is None:
            return
        before = {name: pool.function for name, pool in platform.pools.items()}
        functions = {one.name: one for one in settings.read_again()}
        for name in set(platform.pools) - set(functions):
            await platform.remove(name)
        for function in functions.values():
            await platform.replace(function)
        sources.configure(functions.values())
        _check_handlers([one for one in functions.values() if before.get(one.name) != one], settings)

    try:
        await Reloader(platform, notify, settings.config, lambda: settings.described.files).run(read_again)
    except Exception as error:  # noqa: BLE001 - a limit of the system, a folder that is gone: serving goes on
        notify(f"reloading has stopped: {type(error).__name__}: {error}; restart to pick up further changes")
