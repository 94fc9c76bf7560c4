"""Reads an HTTP response that code has written byte by byte, with the standard library's client.

What no client could read is a MarshalError: bytes that do not begin with a status line, or an end that comes early.
"""

from __future__ import annotations

import io

from conventions import failures
from dispatch.errors import MarshalError, Terminated
from dispatch.response import stop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from conventions.web import Answer
    from dispatch.http import Request

#: Headers of the server and of one connection (RFC 9110, section 7.6.1), which are not for the caller.
_LEFT_OUT = frozenset({"server", "date", "connection", "keep-alive", "transfer-encoding"})


def read(parts: Iterator[bytes], request: Request) -> Answer:
    """The response to a request, read from its bytes up to the end of the headers; the rest is read with the body."""
    from http.client import HTTPException, HTTPResponse

    source: Any = _Source(parts)
    response = HTTPResponse(source, method=request.method)
    try:
        response.begin()
        while response.status < 200:  # "100 Continue" comes before the response
            response.headers = None  # type: ignore[assignment]
            response.begin()
        _check(response.headers, whole=not source.has_ended)
    except BaseException as error:
        response.close()
        stop(parts)
        if not isinstance(error, HTTPException):
            raise
        line = getattr(error, "line", error)
        raise MarshalError(
            f"the response does not begin with a status line and headers: {line!r:.60}; call send_response() and "
            "end_headers() before you write the body"
        ) from None
    headers = [
        (name, " ".join(map(str.strip, value.split("\n"))))
        for name, value in response.headers.items()
        if name.lower() not in _LEFT_OUT
    ]
    return response.status, headers, _body(response, parts, f"{request.method} {request.raw_path}")


def _check(headers: Any, *, whole: bool) -> None:
    lengths = {*headers.get_all("content-length", ())}
    if not whole or headers.defects or len(lengths) > 1 or not "".join(lengths or "0").isdecimal():
        raise MarshalError(
            f"the response's headers have no end, or a line or a length that cannot be read: {headers.items()!r:.200}; "
            "call send_header() and end_headers() before you write the body"
        )


def _body(response: Any, parts: Iterator[bytes], name: str) -> Iterator[bytes]:
    from http.client import HTTPException

    try:
        missing: Any = None
        try:
            while piece := response.read1():
                yield piece
        except HTTPException as error:
            missing = error
        if missing or response.length:
            raise MarshalError(
                f"the handler ended before the end of the body: {missing or f'{response.length} bytes are missing'}; "
                "write all that Content-Length or a chunk's size promises"
            )
        try:
            for _ in parts:
                pass
        except Terminated:
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - the client has the whole answer already
            failures.log("dispatch.http", f"{name} failed after its response was complete", error)
    finally:
        response.close()
        stop(parts)


class _Source(io.RawIOBase):
    """What the client has for a socket and a file.

    Attributes:
        has_ended: whether the client has tried to read more than was written.
    """

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = filter(None, parts)
        self._ahead = memoryview(b"")
        self.has_ended = False

    def makefile(self, _mode: str) -> Any:
        """A file to read from."""
        return io.BufferedReader(self, 65536)

    def readable(self) -> bool:
        """Whether it can be read from."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read some of the next part."""
        self._ahead = self._ahead or memoryview(next(self._parts, b""))
        size = min(len(buffer), len(self._ahead))
        buffer[:size], self._ahead = self._ahead[:size], self._ahead[size:]
        self.has_ended = not size
        return size
