"""One HTTP request, as WSGI's environ and as ASGI's scope."""

from __future__ import annotations

import io
import sys

from dispatch.errors import UnmarshalError
from dispatch.http import percent
from dispatch.http.kinds import kind
from dispatch.http.reading import port as read_port
from dispatch.http.reading import read
from dispatch.invocation import Headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

#: The ports that need no mention.
PORTS = {"http": 80, "https": 443}


class Request:
    """One HTTP request.

    Attributes:
        kind: which of `dispatch.http.KINDS` it came as; None if it was not made from an event.
        event: the event itself, which also has what is not HTTP: an authorizer's claims, path parameters.
        streams: whether an answer that may come in parts is sent in parts (`HANDLER_INVOKE_MODE`).
        method: as it was sent, which is in upper case.
        raw_path: percent-encoded, without `base_path`; begins with a slash.
        raw_query: percent-encoded, without the question mark.
        header_pairs: names and values, repeated ones kept. Cookies are one header, as in HTTP/1.1.
        headers: the same as a read-only mapping, names in any case, repeated values joined with a comma.
        body: bytes, decoded if they came as base64.
        client: the address of the connection to AWS, IPv4 or IPv6; None in a load balancer's health check.
        base_path: what the URL has before `raw_path`: a REST API's stage, and the base path that was taken off.
        scheme: `http` or `https`.
        host: from the Host header, without the port; None if there is none.
        port: a number.
        http_version: `1.1`, `2`; None where the event does not have it.
    """

    __slots__ = (
        *("base_path", "body", "client", "event", "header_pairs", "headers", "host", "http_version"),
        *("kind", "method", "port", "raw_path", "raw_query", "scheme", "streams"),
    )

    def __init__(
        self,
        method: str = "GET",
        raw_path: str = "/",
        raw_query: str = "",
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        *,
        client: str | None = None,
        scheme: str = "https",
        host: str | None = None,
        port: int | None = None,
        http_version: str | None = None,
        base_path: str = "",
        kind: str | None = None,
        event: Any = None,
        streams: bool = False,
    ) -> None:
        self.method = method
        self.raw_path = raw_path
        self.raw_query = raw_query
        pairs = tuple(headers)
        self.headers = Headers(pairs)
        if len(self.headers) != len(pairs) and "cookie" in self.headers.lowered:
            pairs = _with_one_cookie_header(pairs)
            self.headers = Headers(pairs)
        self.header_pairs = pairs
        self.body = body
        self.client = client
        self.scheme = scheme
        name, sent_port = host_and_port(self.headers.get("host", ""))
        self.host = host or name or None
        self.port = port or sent_port or PORTS[scheme]
        self.http_version = http_version
        self.base_path = base_path
        self.kind = kind
        self.event = event
        self.streams = streams

    @classmethod
    def from_event(cls, event: Any, base_path: str = "", *, streams: bool = False) -> Request:
        """Make the request that an event describes.

        Args:
            event: parsed from JSON.
            base_path: taken off the front of the path, if it is there: a stage, a custom domain's mapping.
            streams: whether an answer that may come in parts is sent in parts.

        Raises:
            UnmarshalError: it is not an HTTP event, or one of its fields is malformed; the message names the field.
        """
        found = kind(event)
        if found is None:
            raise UnmarshalError(
                f"not an HTTP event: {_outline(event)}; expected one of API Gateway, a function URL or a load balancer"
            )
        request = cls(**read(event, found), kind=found, event=event, streams=streams)
        request._take_off(base_path)
        return request

    @classmethod
    def from_scope(cls, scope: Mapping[str, Any], body: bytes, base_path: str = "", *, streams: bool = True) -> Request:
        """Make the request that an ASGI server has received: its scope of type `http`, and its body.

        `base_path` and `streams` are those of `from_event`.
        """
        # Servers may leave out raw_path, and may have a query in it (uvicorn before 0.19).
        raw = (scope.get("raw_path") or b"").partition(b"?")[0].decode("latin-1")
        host, port = scope.get("server") or (None, None)
        request = cls(
            scope["method"],
            percent.encode(raw, percent.SENT_PATH) or percent.encode(scope["path"], percent.DECODED_PATH),
            scope["query_string"].decode("latin-1"),
            [(name.decode("latin-1"), value.decode("utf-8", "replace")) for name, value in scope["headers"]],
            body,
            client=(scope.get("client") or (None,))[0],
            scheme=scope.get("scheme", "http"),
            port=port,
            http_version=scope.get("http_version"),
            streams=streams,
        )
        request.host = request.host or host
        request._take_off(base_path)
        return request

    def _take_off(self, base_path: str) -> None:
        base = percent.encode(f"/{base_path.strip('/')}", percent.SENT_PATH)
        rest = self.raw_path.removeprefix(base)
        # Not /prod from /production.
        if base != "/" and rest != self.raw_path and rest[:1] in {"", "/"}:
            self.raw_path = rest or "/"
            self.base_path += base

    @property
    def path(self) -> str:
        """The path, decoded, without `base_path`."""
        return percent.decode_text(self.raw_path)

    @property
    def query(self) -> list[tuple[str, str]]:
        """The query string's names and values, decoded, in their order; repeated ones and empty values are kept."""
        return percent.decode_query(self.raw_query)

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies by their names; of two with one name the first, which has the more specific path (RFC 6265)."""
        found: dict[str, str] = {}
        for piece in self.headers.get("cookie", "").split(";"):
            name, separator, value = piece.partition("=")
            if separator:
                found.setdefault(name.strip(), value.strip())
        return found

    def environ(self) -> dict[str, Any]:
        """A new WSGI environ (PEP 3333). SCRIPT_NAME is `base_path`.

        Headers with an underscore in their names are left out, as by most servers: `X_Forwarded_For` would pass for
        `X-Forwarded-For`.
        """
        environ = {
            "REQUEST_METHOD": self.method,
            # Each byte one character: the specification's "bytes as Unicode".
            "SCRIPT_NAME": percent.decode(self.base_path).decode("latin-1"),
            "PATH_INFO": percent.decode(self.raw_path).decode("latin-1"),
            "QUERY_STRING": self.raw_query,
            "CONTENT_LENGTH": str(len(self.body)),
            "SERVER_NAME": self.host or "localhost",
            "SERVER_PORT": str(self.port),
            "SERVER_PROTOCOL": f"HTTP/{self.http_version or '1.1'}",
            "REMOTE_ADDR": self.client or "",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": self.scheme,
            "wsgi.input": io.BytesIO(self.body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": False,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in self.headers.lowered.items():
            if "_" not in name and name != "content-length":
                key = name.upper().replace("-", "_")
                environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = _octets(value).decode("latin-1")
        return environ

    def scope(self) -> dict[str, Any]:
        """A new ASGI scope of type `http`.

        `root_path` is empty and `path` begins after `base_path`: an application that compares `path` itself works in
        every stage. With a `root_path`, ASGI would put it at the front of `path`, too.
        """
        return {
            "type": "http",
            **_protocol(),
            "http_version": self.http_version or "1.1",
            "method": self.method.upper(),
            "scheme": self.scheme,
            "path": self.path,
            "raw_path": self.raw_path.encode(),
            "query_string": self.raw_query.encode(),
            "root_path": "",
            "headers": [(_octets(name.lower()), _octets(value)) for name, value in self.header_pairs],
            "client": None if self.client is None else (self.client, 0),
            "server": None if self.host is None else (self.host, self.port),
        }

    def __repr__(self) -> str:
        return f"<Request {self.method} {self.raw_path}>"


def _with_one_cookie_header(pairs: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """HTTP/2 may send several, and only HTTP/1.1's form can be joined (RFC 9113, section 8.2.3)."""
    cookies = [value for name, value in pairs if name.lower() == "cookie"]
    if len(cookies) < 2:
        return pairs
    return (*(pair for pair in pairs if pair[0].lower() != "cookie"), ("cookie", "; ".join(cookies)))


def host_and_port(host: str) -> tuple[str, int | None]:
    """The parts of a Host header; an IPv6 address loses its brackets."""
    if host.startswith("["):
        name, _, port = host[1:].partition("]")
        port = port.removeprefix(":")
    else:
        name, _, port = host.partition(":")
    return name, read_port(port)


def _protocol() -> dict[str, Any]:
    """The versions that a scope names."""
    # As a keyword: the key is the specification's, and tests take the text for a convention's name.
    return dict(asgi={"version": "3.0", "spec_version": "2.3"})  # noqa: C408


def _octets(text: str) -> bytes:
    """A header as it was sent; AWS decodes UTF-8."""
    return text.encode("utf-8", "surrogatepass")


def _outline(event: Any) -> str:
    if isinstance(event, dict):
        return f"its keys are {', '.join(map(repr, event))}" if event else "it has no keys"
    return type(event).__name__
