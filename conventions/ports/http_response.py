"""Reads an HTTP response that code has written byte by byte, as a client would (RFC 9112).

What no client could read is a MarshalError: bytes that do not begin with a status line, or an end that comes early.
"""

from __future__ import annotations

from dispatch.errors import MarshalError
from dispatch.response import stop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from conventions.web import Headers

#: Statuses whose response has no body, besides those of answers to HEAD (RFC 9112, section 6.3).
_BODILESS = frozenset({204, 304})

#: Headers of one connection (RFC 9110, section 7.6.1), which are not for the caller.
_OF_CONNECTION = frozenset({"connection", "keep-alive", "transfer-encoding"})

#: How much of a line an error message shows.
_SHOWN = 60


class Written:
    """A response that is being written.

    Attributes:
        status: a number.
        headers: without those of the connection.
    """

    def __init__(self, parts: Iterator[bytes], method: str) -> None:
        """Read the status line and the headers."""
        self._parts = parts
        self._ahead = b""
        try:
            self.status, pairs = self._head()
            while 100 <= self.status < 200:  # "100 Continue" comes before the response
                self.status, pairs = self._head()
        except BaseException:
            self.close()
            raise
        self.headers: Headers = [pair for pair in pairs if pair[0].lower() not in _OF_CONNECTION]
        self._chunked = _only(pairs, "transfer-encoding").lower() == "chunked"
        length = _only(pairs, "content-length")
        if length.strip("0123456789"):
            raise MarshalError(f"the response's Content-Length is not a number: {length[:_SHOWN]!r}")
        self._length = int(length) if length else None
        if method == "HEAD" or self.status in _BODILESS:
            self._chunked, self._length = False, 0

    def body(self) -> Iterator[bytes]:
        """The body, part by part."""
        if self._chunked:
            yield from self._chunks()
        elif self._length is None:
            while piece := self._some(None):
                yield piece
        else:
            yield from self._exactly(self._length)

    def skip_rest(self) -> None:
        """Read what is written after the body."""
        for _ in self._parts:
            pass

    def close(self) -> None:
        """Read no more."""
        stop(self._parts)

    def _head(self) -> tuple[int, Headers]:
        line = self._line()
        version, _, rest = line.partition(" ")
        if not version.startswith("HTTP/") or not rest[:3].isdecimal() or rest[3:4].strip():
            raise MarshalError(
                f"the response does not begin with a status line, but with {line[:_SHOWN]!r}; call send_response(), "
                "send_header() and end_headers() before you write the body"
            )
        pairs: Headers = []
        while line := self._line():
            name, colon, value = line.partition(":")
            if pairs and line[0] in " \t":  # an obsolete way to go on with a value (section 5.2)
                pairs[-1] = (pairs[-1][0], f"{pairs[-1][1]} {line.strip()}")
                continue
            if not colon:
                raise MarshalError(f"a header of the response has no colon: {line[:_SHOWN]!r}")
            pairs.append((name, value.strip()))
        return int(rest[:3]), pairs

    def _line(self) -> str:
        while b"\n" not in self._ahead:
            part = next(self._parts, None)
            if part is None:
                raise MarshalError(
                    f"the handler ended within the headers of its response: {self._ahead[:_SHOWN]!r}; call "
                    "send_response() and end_headers() before you write the body"
                )
            self._ahead += part
        line, _, self._ahead = self._ahead.partition(b"\n")
        return line.rstrip(b"\r").decode("latin-1")

    def _some(self, most: int | None) -> bytes:
        """At most so many of the next bytes; empty at the end."""
        while not self._ahead:
            part = next(self._parts, None)
            if part is None:
                return b""
            self._ahead = part
        piece, self._ahead = self._ahead[:most], b"" if most is None else self._ahead[most:]
        return piece

    def _exactly(self, count: int) -> Iterator[bytes]:
        while count:
            piece = self._some(count)
            if not piece:
                raise MarshalError(
                    f"the handler ended before the end of the body: {count} bytes are missing; write all that "
                    "Content-Length or a chunk's size promises"
                )
            count -= len(piece)
            yield piece

    def _chunks(self) -> Iterator[bytes]:
        while size := self._size():
            yield from self._exactly(size)
            self._line()
        while self._line():  # trailers
            pass

    def _size(self) -> int:
        line = self._line().partition(";")[0].strip()
        if not line or line.strip("0123456789ABCDEFabcdef"):
            raise MarshalError(f"a chunk of the response does not begin with its size: {line[:_SHOWN]!r}")
        return int(line, 16)


def _only(pairs: Headers, name: str) -> str:
    """The value of a header, empty if there is none; of several, all have to be the same."""
    values = {value for key, value in pairs if key.lower() == name}
    if len(values) > 1:
        raise MarshalError(f"the response has several values of {name}: {', '.join(sorted(values))[:_SHOWN]}")
    return values.pop() if values else ""
