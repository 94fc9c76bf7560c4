"""A parser of HTTP requests that never leaves HTTP: httptools', and what an offer of another protocol needs."""

from __future__ import annotations

from typing import Protocol

import httptools


class Parsing(Protocol):
    """A connection whose requests are parsed."""

    parser: PlainParser

    def head_without_offer(self) -> bytes:
        """Return the head of the request that was parsed last, as one that offers no other protocol."""


class PlainParser(httptools.HttpRequestParser):
    """Parses requests; it reads one that offers another protocol again, without the offer.

    The parser itself takes what follows the head of such a request for the other protocol, its body too. Java's HTTP
    client, for example, offers HTTP/2 in every first request.
    """

    def __init__(self, connection: Parsing) -> None:
        super().__init__(connection)
        self._connection = connection
        self.set_dangerous_leniencies(lenient_data_after_close=True)  # as in uvicorn

    @property
    def offers(self) -> bool:
        """Whether the request offers another protocol."""
        return bool(self.should_upgrade()) and self.get_method() != b"CONNECT"

    def feed_data(self, data: bytes) -> None:  # type: ignore[override]
        """Parse bytes; after an offer with a new parser, because this one may be at its connection's end."""
        parser, connection = self, self._connection
        while data:
            try:
                super(PlainParser, parser).feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                # CONNECT is such an offer itself, and is answered already.
                head = connection.head_without_offer() if parser.offers else b""
                data = head + data[offer.args[0] :]
                parser = connection.parser = PlainParser(connection)
            else:
                return

    def head(self, url: bytes, headers: list[tuple[bytes, bytes]]) -> bytes:
        """Return the head of this request, with this target and without the header of the offer."""
        line = b"%b %b HTTP/%b" % (self.get_method(), url, self.get_http_version().encode())
        kept = [b"%b: %b" % pair for pair in headers if pair[0] != b"upgrade"]
        return b"\r\n".join([line, *kept, b"", b""])
