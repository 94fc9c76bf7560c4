"""The web server: uvicorn, which leaves the signals and the log to us, and the socket that it listens on."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import math
import socket
from collections.abc import Callable
from functools import partial
from typing import Any, Final

import uvicorn

from runtime.local.web.app import WebApp
from runtime.local.web.connection import LimitedConnection
from runtime.local.web.function_url import BrokenAnswer

#: Seconds in which callers may read the answers that the end of the platform itself causes.
LAST_ANSWERS: Final = 1.0
#: Connections that wait to be accepted.
BACKLOG: Final = 1024


class CannotListen(Exception):
    """The port is taken, or the host is not one of this machine's; the message says which."""


class WebServer(uvicorn.Server):
    """Serves the application and leaves signals to us; `ready` resolves when it can be reached."""

    def __init__(self, app: WebApp, grace: float) -> None:
        # The end has limits of its own; this one is for a request that ignores both.
        limit = math.ceil(grace + 2 * LAST_ANSWERS)
        super().__init__(
            uvicorn.Config(
                app.asgi,
                http=partial(LimitedConnection, answer_at_once=app.answer_at_once),  # type: ignore[arg-type]
                log_config=None,
                lifespan="off",
                ws="none",
                proxy_headers=False,
                # How many connections asyncio accepts at once, and fails to accept at once.
                backlog=1,
                timeout_graceful_shutdown=limit,
            )
        )
        logging.getLogger("uvicorn.error").addFilter(hide_broken_answers)
        # Errors only: a warning that some client has sent something other than HTTP does not help the developer.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and note that the server can be reached."""
        await super().startup(sockets)
        for sock in sockets or ():
            sock.listen(BACKLOG)
        self.ready.set_result(None)

    @contextlib.contextmanager
    def capture_signals(self):  # type: ignore[no-untyped-def]  # noqa: ANN201 - as in uvicorn
        """Leave signals alone: they end the whole platform, not only the web server."""
        yield

    def cut_off(self) -> None:
        """Drop the connections that are left."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()


class LoopErrors:
    """Reports exceptions that nobody awaits; too many open files, which asyncio reports each second, only once."""

    def __init__(self, notify: Callable[[str], None]) -> None:
        self._notify = notify
        self._reported = False

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Handle one, as asyncio calls its exception handler."""
        if getattr(context.get("exception"), "errno", None) not in {errno.EMFILE, errno.ENFILE}:
            loop.default_exception_handler(context)
        elif not self._reported:
            self._reported = True
            self._notify("cannot open more files or connections until others are closed; raise the limit: ulimit -n")


def hide_broken_answers(record: logging.LogRecord) -> bool:
    """Return False for a streamed answer that broke off: that is the function's failure, and in its log."""
    return not (record.exc_info and isinstance(record.exc_info[1], BrokenAnswer))


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        CannotListen: the host or the port cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        sock = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        # Python adds the address to the system's words: "Address already in use (while attempting to bind on …)".
        reason = (error.strerror or str(error)).partition(" (while ")[0]
        raise CannotListen(f"cannot listen on {host}:{port}: {reason}; pass another --port or --host") from error
    # asyncio sets this only on sockets of its own; without it each answer waits 40 ms for an acknowledgement.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock
