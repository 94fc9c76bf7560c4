"""One kept-alive HTTP/1.1 connection of a runtime: requests in, with their trailers, and answers out."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar, cast

import httptools

from runtime.local.gates import Gate
from runtime.local.plain_parser import PlainParser

T = TypeVar("T")

#: Bytes of headers or trailers that are accepted; more is status 431. AWS's emulator accepts 1 MiB (Go's default).
HEADER_LIMIT: Final = 1024 * 1024
#: Seconds that a peer may go on sending after it was refused.
LINGER: Final = 1.0
#: Bytes that may have arrived unread before the peer has to wait: what asyncio reads at once.
UNREAD_LIMIT: Final = 256 * 1024

HeaderPairs: TypeAlias = Iterable[tuple[str, str]]

STATUS_LINES: Final = {one.value: f"HTTP/1.1 {one.value} {one.phrase}\r\n" for one in HTTPStatus}
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
INCOMPLETE: Final = "the connection was closed before the request was complete"
HEADERS_TOO_LARGE: Final = ("the headers are too large", 431)
CLOSED: Final = "the peer closed the connection before it was answered"


class ConnectionBroken(Exception):
    """The peer closed the connection, or broke off in the middle of a request; `status` is the answer, if any."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class RequestHead(NamedTuple):
    """The first part of a request; the names of the headers are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    keep_alive: bool


#: What arrives, in its order: of each request the head, the parts of the body, and the trailers.
Arrived: TypeAlias = RequestHead | bytes | Mapping[str, str]
NO_HEADERS: Final[Mapping[str, str]] = {}


class Connection(asyncio.Protocol):
    """The server's side of one connection; `accept` is called with it as soon as it is open."""

    def __init__(self, accept: Callable[[Connection], None]) -> None:
        self._accept = accept
        self.parser = PlainParser(self)
        self._arrived: deque[Arrived] = deque()
        self._broken: ConnectionBroken | None = None
        self._more: Gate[None] | None = None
        self._pausing: Gate[Any] | None = None
        self._unread = self._unparsed = self._head = 0
        self._paused = self._within = False
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        #: The request that is being answered.
        self._request: RequestHead | None = None
        self._expects = False
        self.trailers: Mapping[str, str] = NO_HEADERS
        #: Whether the peer has closed the connection.
        self.closed = False

    # -- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start to serve an open connection."""
        self._transport = cast("asyncio.Transport", transport)
        self._accept(self)

    def data_received(self, data: bytes) -> None:
        """Keep what arrived, also of a request that comes early."""
        if self._broken is not None:
            return
        self._unread += len(data)
        self._unparsed += len(data)
        try:
            self.parser.feed_data(data)
        except ConnectionBroken as broken:
            self._broken = broken
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._broken = cause if isinstance(cause, ConnectionBroken) else ConnectionBroken(str(error))
        if self._unparsed > HEADER_LIMIT:
            self._broken = ConnectionBroken(*HEADERS_TOO_LARGE)
        self._wake()
        if self._unread > UNREAD_LIMIT and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """Note that the peer sends no more; it may still be reading."""
        self._close_reading()
        return True

    def connection_lost(self, _error: Exception | None) -> None:
        """Note that the connection is gone."""
        self._close_reading()

    def _close_reading(self) -> None:
        if not self.closed:
            self.closed = True
            if self._pausing is not None:
                self._pausing.fail(ConnectionBroken(CLOSED))
            self._wake()

    def _wake(self) -> None:
        more, self._more = self._more, None
        if more is not None:
            more.open(None)

    # -- the parser's side

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._within = True
        self._head = 0
        self._url, self._headers = b"", []

    def on_url(self, url: bytes) -> None:
        """Read a part of the request's line."""
        self._head += len(url)
        if self._head > HEADER_LIMIT:
            raise ConnectionBroken(*HEADERS_TOO_LARGE)
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Read a header, or a trailer."""
        self._head += len(name) + len(value)
        if self._head > HEADER_LIMIT:
            raise ConnectionBroken(*HEADERS_TOO_LARGE)
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Pass the head on."""
        self._unparsed = self._head = 0
        parser = self.parser
        if parser.offers:
            return
        headers = self._taken_headers()
        is_current = parser.get_http_version() == "1.1"
        if is_current and "host" not in headers:
            raise ConnectionBroken("the request has no Host header")
        keep_alive = is_current and parser.should_keep_alive()
        self._arrived.append(
            RequestHead(parser.get_method().decode(), self._url.decode("latin-1"), headers, keep_alive)
        )

    def on_body(self, body: bytes) -> None:
        """Pass a part of the body on."""
        self._unparsed = 0
        self._arrived.append(body)

    def on_message_complete(self) -> None:
        """Pass the end on, with the trailers."""
        self._unparsed = 0
        if not self.parser.offers:
            self._within = False
            self._arrived.append(self._taken_headers())
            self._wake()  # the caller need not wait until the next poll is parsed, too

    def _taken_headers(self) -> Mapping[str, str]:
        found = self._headers
        if not found:
            return NO_HEADERS
        self._headers = []
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in found}

    def head_without_offer(self) -> bytes:
        """Return the head of the request that was parsed last, as one that offers no other protocol."""
        return self.parser.head(self._url, self._headers)

    # -- the server's side

    @property
    def peer(self) -> tuple[str, int]:
        """The other end's address."""
        host, port, *_ = self._transport.get_extra_info("peername")
        return host, port

    async def request(self) -> RequestHead | None:
        """Return the head of the next request; None if there will be none."""
        if self._request is not None and not self._request.keep_alive:
            return None
        self._request = None
        arrived = self._arrived.popleft() if self._arrived else await self._next()
        if not isinstance(arrived, RequestHead):
            return None
        self._request = arrived
        self._expects = arrived.headers.get("expect", "").lower() == "100-continue"
        self.trailers = NO_HEADERS
        return arrived

    async def part(self) -> bytes | None:
        """Return the next part of the request's body; None at its end, when `trailers` holds what followed it."""
        arrived = self._arrived.popleft() if self._arrived else await self._next()
        self._expects = False
        if isinstance(arrived, bytes):
            return arrived
        if arrived is None or isinstance(arrived, RequestHead):
            raise ConnectionBroken(INCOMPLETE)
        self.trailers = arrived
        return None

    async def _next(self) -> Arrived | None:
        """Return what arrives next; None at the end."""
        while not self._arrived:
            if self._broken is not None:
                raise self._broken
            if self.closed:
                if self._within:
                    raise ConnectionBroken(INCOMPLETE)
                return None
            if self._expects:
                self._expects = False
                self._write(CONTINUE)
            self._unread = 0
            if self._paused:
                self._paused = False
                self._transport.resume_reading()
            self._more = Gate()
            await self._more
        return self._arrived.popleft()

    async def until_closed(self, gate: Gate[T]) -> T:
        """Wait at a gate for as long as the peer waits for the answer.

        Raises:
            ConnectionBroken: the peer closed the connection.
        """
        self._pausing = gate
        try:
            if self.closed:
                gate.fail(ConnectionBroken(CLOSED))
            return await gate
        finally:
            self._pausing = None
            gate.forget()

    def send(self, status: int, headers: HeaderPairs, body: bytes) -> None:
        """Answer the request with these headers and this body, in one write.

        Raises:
            ConnectionBroken: the connection is closed.
        """
        request = self._request
        ends = "" if request is not None and request.keep_alive else "Connection: close\r\n"
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
        head = f"{STATUS_LINES[status]}{lines}{ends}Content-Length: {len(body)}\r\n\r\n".encode()
        self._expects = False
        self._write(head + body if request is None or request.method != "HEAD" else head)

    def _write(self, data: bytes) -> None:
        if self._transport.is_closing():
            raise ConnectionBroken("the connection is closed")
        self._transport.write(data)

    async def refuse(self, status: int, headers: HeaderPairs, body: bytes) -> None:
        """Answer a request that is incomplete, then wait: closing while the peer is sending would lose the answer."""
        if not self._transport.is_closing():
            self.send(status, headers, body)
            lingered: Gate[None] = Gate()
            timer = asyncio.get_running_loop().call_later(LINGER, lingered.open, None)
            with contextlib.suppress(ConnectionBroken):
                await self.until_closed(lingered)
            timer.cancel()

    def close(self) -> None:
        """Close the connection once everything is written."""
        self._transport.close()
