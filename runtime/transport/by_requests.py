"""The other transport: a requests session, for users who already know how to configure and trace requests."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, RemoteDisconnected
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection as PooledConnection
from urllib3.connectionpool import HTTPConnectionPool

from dispatch.invocation import Headers
from dispatch.protocol import TRAILERS
from runtime.standard_streams import hold_open
from runtime.transport import Address, Disconnected, Reply, Transport, as_text, chunk, last_chunk

#: How much of a body is sent at once, in bytes.
_BLOCK = 1024 * 1024

#: The longest line in the head of a reply, in bytes.
_LONGEST_LINE = 16 * 1024 * 1024

#: The headers with which http.client finds the end of a reply.
_FRAMING = {b"content-length", b"transfer-encoding", b"connection", b"keep-alive"}


class ByRequests(Transport):
    """HTTP through a requests session, without proxies, time limits or retries."""

    def __init__(self, address: Address, user_agent: str) -> None:
        self._address = address
        self._user_agent = user_agent
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.mount("http://", _Adapter())
        self._session.headers.clear()
        self._session.headers["User-Agent"] = user_agent
        self._served = False

    def get(self, path: str) -> Reply:
        return self._request("GET", path, {}, b"")

    def post(
        self,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        then: str | None = None,
        between: Callable[[], None] | None = None,
    ) -> Reply:
        return self._request("POST", path, headers, body)

    def stream(
        self, path: str, headers: Mapping[str, str], chunks: Iterable[bytes], trailers: Callable[[], Mapping[str, str]]
    ) -> Reply:
        # requests cannot send trailers, so a streamed answer goes through http.client.
        connection = HTTPConnection(self._address.host, self._address.port, timeout=None)
        connection.response_class = _Response
        framing = {"Transfer-Encoding": "chunked", "Trailer": ", ".join(TRAILERS), "Connection": "close"}
        try:
            hold_open()
            connection.putrequest("POST", self._address.prefix + path, skip_accept_encoding=True)
            for name, value in {"User-Agent": self._user_agent, **headers, **framing}.items():
                connection.putheader(name, value.encode())
            connection.endheaders()
            for data in chunks:
                connection.send(chunk(data))
            connection.send(last_chunk(trailers()))
            reply = connection.getresponse()
            return Reply(reply.status, _headers(reply.headers.items()), reply.read())
        except (OSError, HTTPException) as error:
            raise Disconnected(f"the connection to the Runtime API was lost: {error}") from error
        finally:
            connection.close()

    def close(self) -> None:
        self._session.close()

    def _request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        served, self._served = self._served, False
        sent = _Body(body)
        try:
            reply = self._session.request(
                method,
                self._address.url + path,
                headers={name: value.encode() for name, value in headers.items()},
                data=sent,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise Disconnected(
                f"the request to the Runtime API at {self._address.url} failed: {error}", served, not sent.is_whole
            ) from error
        self._served = True
        return Reply(reply.status_code, _headers(reply.headers.items()), reply.content)


class _Body:
    """The body of a request, read block by block: a block is read once the one before it has been handed over.

    Attributes:
        is_whole: whether all blocks have been handed over.
    """

    def __init__(self, data: bytes) -> None:
        self.is_whole = not data
        self._size = len(data)
        self._left = io.BytesIO(data)

    def __len__(self) -> int:
        return self._size

    def read(self, size: int = -1) -> bytes:
        block = self._left.read(size)
        self.is_whole = not block
        return block


class _Response(HTTPResponse):
    """A response whose headers are complete, as many and as long as they may be, and not those of an interim response.

    http.client accepts headers that end with the connection, takes 102 and 103 for the final response, reads until the
    end of the connection if it does not understand Content-Length, and refuses lines of more than 64 KiB and more than
    100 headers.
    """

    def begin(self) -> None:
        if self.headers is not None:
            return
        lines = self._head()
        while lines[0][:5] == b"HTTP/" and lines[0].split(b" ")[1:2] in _INTERIM:
            lines = self._head()
        framing = [line for line in lines[1:-1] if line.partition(b":")[0].lower() in _FRAMING]
        if not all(map(_is_well_formed, lines[1:-1])):
            raise HTTPException("a header of the reply is malformed")
        stream, self.fp = self.fp, io.BytesIO(b"".join([lines[0], *framing, lines[-1]]))
        try:
            super().begin()
        finally:
            self.fp = stream
        for line in lines[1:-1]:
            name, _, value = line.partition(b":")
            if name.lower() not in _FRAMING:
                self.headers[name.decode("latin-1")] = value.strip().decode("latin-1")

    def _head(self) -> list[bytes]:
        """The status line, the headers and the empty line."""
        lines = [self.fp.readline(_LONGEST_LINE)]
        while lines[-1] not in {b"\r\n", b"\n"} or len(lines) == 1:
            if not lines[-1].endswith(b"\n"):
                raise RemoteDisconnected("the connection ended within the headers of the reply")
            lines.append(self.fp.readline(_LONGEST_LINE))
        return lines


def _is_well_formed(line: bytes) -> bool:
    """Whether a line of the headers has a name, and a Content-Length a number (RFC 9112, sections 5 and 6.3)."""
    name, _, value = line.partition(b":")
    return name == name.strip() != b"" and (name.lower() != b"content-length" or value.strip().isdigit())


#: The statuses after which another response follows (RFC 9110, section 15.2), except 101, after which none does.
_INTERIM = [[str(status).encode()] for status in range(100, 200) if status != 101]


class _Connection(PooledConnection):
    response_class = _Response

    def connect(self) -> None:
        hold_open()
        super().connect()


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options, blocksize=_BLOCK)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool}

    def build_response(self, request: Any, response: Any) -> Any:
        response.CONTENT_DECODERS = []  # an event is the bytes that came, whatever its Content-Encoding says
        return super().build_response(request, response)


def _headers(fields: Iterable[tuple[str, str]]) -> Headers:
    """The headers, decoded again, because http.client reads them as Latin-1."""
    return Headers((name, as_text(value.encode("latin-1"))) for name, value in fields)


TRANSPORT = ByRequests
