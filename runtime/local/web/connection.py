"""The server's side of a connection of the web application: uvicorn's own, with limits.

A client has `PATIENCE` seconds to go on with a request that it has begun, or to begin one, and to read on from an
answer. The head of a request, and whatever comes in one piece later on, has `HEAD_LIMIT` bytes at most. A client that
has sent all and closed its side of the connection gets its answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from termios import TIOCOUTQ
from typing import Any, Final, NoReturn, TypeAlias

from starlette.responses import Response
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from runtime.local.plain_parser import PlainParser

#: Seconds without a byte of a request that is not complete, or of an answer.
PATIENCE: Final = 20.0
#: Seconds that a client may go on sending after it was refused.
LINGER: Final = 1.0
#: Bytes of a request's line and headers, and of its trailers: more is status 431. As a load balancer of AWS has it.
HEAD_LIMIT: Final = 64 * 1024
TOO_LARGE: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


#: Bytes of a body that may come before anyone asks for it, as uvicorn has it.
SMALL: Final = HIGH_WATER_LIMIT

#: The status, the headers and the body of a response.
PlainResponse: TypeAlias = tuple[int, Mapping[str, str], bytes]
#: Is called with what makes the response, as soon as it can.
Respond: TypeAlias = Callable[[Callable[[], PlainResponse]], None]
#: Answers a request, with its scope, headers and body, in the turn of the event loop in which it has come whole, or
#: returns False; the response may come later.
AnswerAtOnce: TypeAlias = Callable[[Any, Mapping[str, str], bytes, Respond], bool]


class HeadTooLarge(Exception):
    """The head of a request is larger than it may be."""


class LimitedConnection(HttpToolsProtocol):
    """One connection; `answer_at_once` gets the small requests first."""

    parser: PlainParser

    def __init__(self, *arguments: Any, answer_at_once: AnswerAtOnce, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._answer_at_once = answer_at_once
        self._held: tuple[RequestResponseCycle, Any, Mapping[str, str]] | None = None
        self.parser = PlainParser(self)
        self._patience: asyncio.TimerHandle | None = None
        self._unsent: asyncio.TimerHandle | None = None
        self._head = 0
        self._pending = 0
        self._incomplete = True
        self._too_large = False
        self._ended = False

    # -- what asyncio calls

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(0)  # reports the first byte that the client has not read
        self._check_files()
        self._wait()

    def _check_files(self) -> None:
        """Report that no more files can be opened; uvloop closes the connections that come then, and says nothing."""
        try:
            os.close(os.dup(self.transport.get_extra_info("socket").fileno()))
        except OSError as error:
            if error.errno in {errno.EMFILE, errno.ENFILE}:
                self.loop.call_exception_handler({"message": "the last file is open", "exception": error})

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._stop_waiting()
        self._stop_sending()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Wait for the client to read."""
        super().pause_writing()
        self._watch_sending()

    def resume_writing(self) -> None:
        """Note that the client has read all."""
        self._stop_sending()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Read on."""
        if self._too_large:
            return
        self._stop_waiting()
        self._pending += len(data)
        super().data_received(data)
        if self._pending > HEAD_LIMIT and not (self._too_large or self.transport.is_closing()):
            self._too_large = True
            self.send_400_response("")
        if (self._incomplete or self._is_idle) and not (self._too_large or self.transport.is_closing()):
            self._wait()

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer what has come whole, then close."""
        self._ended = True
        self._stop_waiting()
        return self._owes_answer and not self._too_large

    # -- what the parser calls

    def on_message_begin(self) -> None:
        """Begin to count."""
        self._head = 0
        self._incomplete = True
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Read a part of the request's line."""
        self._pending = 0
        self._head += len(url)
        if self._head > HEAD_LIMIT:
            self._refuse_head()
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Read a header, or a trailer."""
        self._pending = 0
        self._head += len(name) + len(value)
        if self._head > HEAD_LIMIT:
            self._refuse_head()
        super().on_header(name, value)

    def _refuse_head(self) -> NoReturn:
        self._too_large = True
        raise HeadTooLarge

    def on_headers_complete(self) -> None:
        """Start to answer."""
        self._pending = 0
        if not self.parser.offers:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Read a part of the body."""
        self._pending = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the request has come whole."""
        self._pending = 0
        if not self.parser.offers:
            self._incomplete = False
            super().on_message_complete()
            held, self._held = self._held, None
            if held is not None:
                self._answer(*held)

    def head_without_offer(self) -> bytes:
        """Return the head of the request that was parsed last, as one that offers no other protocol."""
        return self.parser.head(self.url, self.headers)

    # -- answers

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Answer a request at once, if that can be done; otherwise as uvicorn does, in a task."""
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in reversed([*cycle.scope["headers"]])
        }
        length = headers.get("content-length", "")
        if not length.isdecimal() or int(length) > SMALL or cycle.waiting_for_100_continue:
            super()._start_asgi_task(cycle, app)
        elif cycle.more_body:
            self._held = cycle, app, headers
        else:
            self._answer(cycle, app, headers)

    def _answer(self, cycle: RequestResponseCycle, app: Any, headers: Mapping[str, str]) -> None:
        try:
            answered = self._answer_at_once(cycle.scope, headers, bytes(cycle.body), partial(self._send, cycle))
        except Exception as error:  # noqa: BLE001 - status 500, as for every request that fails
            app, answered = _failing(error), False
        if not answered:
            super()._start_asgi_task(cycle, app)

    def _send(self, cycle: RequestResponseCycle, make_response: Callable[[], PlainResponse]) -> None:
        """Send a response in one write; to a client that has not read the one before it, in a task."""
        if cycle.disconnected:
            return
        try:
            status, headers, body = make_response()
            data = self._written(status, headers, body, keep_alive=cycle.keep_alive)
        except Exception as error:  # noqa: BLE001 - the runtime, whose answer this is, is not to blame
            super()._start_asgi_task(cycle, _failing(error))
            return
        if self.flow.write_paused:
            response: Any = Response(body, status, headers)
            super()._start_asgi_task(cycle, response)
            return
        cycle.response_started = cycle.response_complete = True
        self.transport.write(data)
        if not cycle.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def _written(self, status: int, headers: Mapping[str, str], body: bytes, *, keep_alive: bool) -> bytes:
        own = "".join([f"{name.lower()}: {value}\r\n" for name, value in headers.items()])
        close = "" if keep_alive else "connection: close\r\n"
        common = b"".join([b"%b: %b\r\n" % pair for pair in self.server_state.default_headers])
        head = f"{own}{close}content-length: {len(body)}\r\n\r\n".encode("latin-1")
        return b"".join((STATUS_LINE[status], common, head, body))

    # -- the rest

    @property
    def _is_idle(self) -> bool:
        return self.cycle is None or (self.cycle.response_complete and not self.pipeline)

    @property
    def _owes_answer(self) -> bool:
        """Whether a request that has come whole is not answered yet."""
        return bool(self.pipeline) or not (self._is_idle or self.cycle.more_body)

    def on_response_complete(self) -> None:
        """Go on with the next request, if one may come."""
        super().on_response_complete()
        if self._ended and not self._owes_answer:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP, or has too large a head."""
        if not self._too_large:
            super().send_400_response(msg)
            return
        if self._is_idle or not (self._owes_answer or self.cycle.response_started):
            self.transport.write(TOO_LARGE)
        # Closing while the client is sending would lose the answer.
        self._patience = self.loop.call_later(LINGER, self.transport.close)

    def _wait(self) -> None:
        self._patience = self.loop.call_later(PATIENCE, self._give_up)

    def _give_up(self) -> None:
        if self._owes_answer:
            self._wait()
        else:
            self.transport.close()

    def _watch_sending(self) -> None:
        self._unsent = self.loop.call_later(PATIENCE, self._check_sending, self._unread())

    def _unread(self) -> int:
        """Return how many bytes wait for the client, here and in the system, which may keep megabytes."""
        size = self.transport.get_write_buffer_size()
        with contextlib.suppress(OSError):  # only Linux knows
            size += int.from_bytes(
                fcntl.ioctl(self.transport.get_extra_info("socket"), TIOCOUTQ, bytes(4)), sys.byteorder
            )
        return size

    def _check_sending(self, before: int) -> None:
        """Give up a client that has read nothing in the meantime."""
        if self._unread() < before:
            self._watch_sending()
        else:
            self.transport.abort()

    def _stop_sending(self) -> None:
        if self._unsent is not None:
            self._unsent.cancel()
            self._unsent = None

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None


def _failing(error: Exception) -> Any:
    """Return an application that raises this error."""

    async def app(*_: object) -> None:
        raise error

    return app
