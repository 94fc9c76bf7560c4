"""The other transport: a requests session, for users who already know how to configure and trace requests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from http.client import HTTPConnection, HTTPException

import requests

from dispatch.invocation import Headers
from dispatch.protocol import TRAILERS
from runtime.transport import Address, Disconnected, Reply, Transport, as_text, chunk, last_chunk


class ByRequests(Transport):
    """HTTP through a requests session, without proxies, time limits or retries."""

    def __init__(self, address: Address, user_agent: str) -> None:
        self._address = address
        self._user_agent = user_agent
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers.clear()
        self._session.headers["User-Agent"] = user_agent
        self._served = False

    def get(self, path: str) -> Reply:
        return self._request("GET", path, {}, None)

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
        framing = {"Transfer-Encoding": "chunked", "Trailer": ", ".join(TRAILERS), "Connection": "close"}
        try:
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

    def _request(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        served, self._served = self._served, False
        try:
            reply = self._session.request(
                method,
                self._address.url + path,
                headers={name: value.encode() for name, value in headers.items()},
                data=body,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise Disconnected(
                f"the request to the Runtime API at {self._address.url} failed: {error}", served
            ) from error
        if _cut_off(reply):
            raise Disconnected(f"the connection to the Runtime API at {self._address.url} was lost", served)
        self._served = True
        return Reply(reply.status_code, _headers(reply.headers.items()), reply.content)


def _headers(fields: Iterable[tuple[str, str]]) -> Headers:
    """The headers, decoded again, because http.client reads them as Latin-1."""
    return Headers((name, as_text(value.encode("latin-1"))) for name, value in fields)


def _cut_off(reply: requests.Response) -> bool:
    """Whether the connection ended within the headers, which http.client treats as a reply without a body."""
    framed = {"content-length", "transfer-encoding"} & {name.lower() for name in reply.headers}
    announced = reply.headers.get("Connection", "").lower() == "close" or reply.raw.version == 10
    return not (framed or announced or reply.content or reply.status_code == 204)


TRANSPORT = ByRequests
