"""One kept-alive HTTP/1.1 connection of a runtime: requests in, with their trailers, and answers out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from http import HTTPStatus
from typing import Final, TypeAlias, cast

import h11

#: Bytes of headers or trailers that are accepted; more is status 431. AWS's emulator accepts 1 MiB (Go's default).
HEADER_LIMIT: Final = 1024 * 1024
#: Seconds that a peer may go on sending after it was refused.
LINGER: Final = 1.0
#: Bytes that may have arrived unread before the peer has to wait: what asyncio reads at once.
UNREAD_LIMIT: Final = 256 * 1024

HeaderPairs: TypeAlias = Iterable[tuple[str, str | bytes]]


class ConnectionBroken(Exception):
    """The peer closed the connection, or broke off in the middle of a request; `status` is the answer, if any."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Connection(asyncio.Protocol):
    """The server's side of one connection; `accept` is called with it as soon as it is open."""

    def __init__(self, accept: Callable[[Connection], None]) -> None:
        self._accept = accept
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEADER_LIMIT)
        self._more: asyncio.Future[None] | None = None
        self._unread = 0
        self._is_head = False
        self.trailers: dict[str, str] = {}
        #: Resolves when the peer closes the connection.
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    # -- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start to serve an open connection."""
        self._transport = cast(asyncio.Transport, transport)
        self._accept(self)

    def data_received(self, data: bytes) -> None:
        """Keep the bytes that arrived, also those of a request that comes early."""
        if self._http.their_state is not h11.ERROR:
            self._http.receive_data(data)
            self._unread += len(data)
            if self._unread > UNREAD_LIMIT:
                self._transport.pause_reading()
            self._wake()

    def eof_received(self) -> bool:
        """Note that the peer sends no more; it may still be reading."""
        self._close_reading()
        return True

    def connection_lost(self, _error: Exception | None) -> None:
        """Note that the connection is gone."""
        self._close_reading()

    def _close_reading(self) -> None:
        if not self.closed.done():
            self._http.receive_data(b"")
            self.closed.set_result(None)
            self._wake()

    def _wake(self) -> None:
        if self._more is not None and not self._more.done():
            self._more.set_result(None)

    # -- the server's side

    @property
    def peer(self) -> tuple[str, int]:
        """The other end's address."""
        host, port, *_ = self._transport.get_extra_info("peername")
        return host, port

    async def request(self) -> h11.Request | None:
        """Return the head of the next request; None if there will be none."""
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
        if self._http.our_state is not h11.IDLE:
            return None
        event = await self._event()
        if not isinstance(event, h11.Request):
            return None
        self._is_head = event.method == b"HEAD"
        return event

    async def body(self) -> AsyncIterator[bytes]:
        """Iterate over the request's body as it arrives; afterwards `trailers` holds what followed it."""
        self.trailers = {}
        while True:
            event = await self._event()
            if isinstance(event, h11.EndOfMessage):
                self.trailers = {name.decode(): value.decode("latin-1") for name, value in event.headers}
                self._resume()
                return
            if not isinstance(event, h11.Data):
                raise ConnectionBroken("the connection was closed before the request was complete")
            yield bytes(event.data)

    async def _event(self) -> type[h11.NEED_DATA | h11.PAUSED] | h11.Event:
        while True:
            try:
                event = self._http.next_event()
            except h11.RemoteProtocolError as error:
                raise ConnectionBroken(str(error), error.error_status_hint) from error
            if event is not h11.NEED_DATA:
                return event
            if self._http.they_are_waiting_for_100_continue:
                self._write(self._http.send(h11.InformationalResponse(status_code=100, headers=[])))
            self._resume()
            self._more = asyncio.get_running_loop().create_future()
            await self._more

    def _resume(self) -> None:
        self._unread = 0
        self._transport.resume_reading()

    def send(self, status: int, headers: HeaderPairs, body: bytes) -> None:
        """Answer the request with these headers and this body."""
        pairs = [(name.encode(), value if isinstance(value, bytes) else value.encode()) for name, value in headers]
        pairs.append((b"Content-Length", b"%d" % len(body)))
        head = h11.Response(status_code=status, headers=pairs, reason=HTTPStatus(status).phrase.encode())
        events = [head, h11.EndOfMessage()] if self._is_head else [head, h11.Data(data=body), h11.EndOfMessage()]
        self._write(b"".join(self._http.send(event) or b"" for event in events))

    @property
    def can_send(self) -> bool:
        """Whether an answer may still be sent."""
        return self._http.our_state in {h11.IDLE, h11.SEND_RESPONSE} and not self._transport.is_closing()

    def _write(self, data: bytes | None) -> None:
        if self._transport.is_closing():
            raise ConnectionBroken("the connection is closed")
        self._transport.write(data or b"")

    async def refuse(self, status: int, headers: HeaderPairs, body: bytes) -> None:
        """Answer a request that is incomplete, then wait: closing while the peer is sending would lose the answer."""
        if self.can_send:
            self.send(status, headers, body)
            await asyncio.wait({self.closed}, timeout=LINGER)

    def close(self) -> None:
        """Close the connection once everything is written."""
        self._transport.close()
