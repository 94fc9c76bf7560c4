"""The contract that every transport keeps: it carries requests to the Runtime API."""

from __future__ import annotations

from importlib import import_module

from dispatch.errors import SettingError
from dispatch.invocation import Headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Self

#: The modules of the transports, by their names in `HANDLER_TRANSPORT`.
_MODULES = {"socket": "runtime.transport.kept_alive", "requests": "runtime.transport.by_requests"}


class Disconnected(Exception):
    """The connection could not be opened, or ended before the reply was complete.

    Attributes:
        stale: whether the connection had served before; the server may have closed it while it was idle.
        unsent: whether some bytes of the request never left, so that the server cannot have acted on it.
    """

    def __init__(self, reason: str, stale: bool = False, unsent: bool = False) -> None:
        super().__init__(reason)
        self.stale = stale
        self.unsent = unsent


class Reply:
    """The server's reply."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Headers, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body


class Address:
    """The address of the Runtime API.

    Attributes:
        host: a name or an address, without brackets.
        port: the port, by default 80.
        authority: host and port as in the Host header.
        prefix: the path in front of every other path, without a slash at its end.
    """

    __slots__ = ("authority", "host", "port", "prefix")

    def __init__(self, host: str, port: int, authority: str, prefix: str = "") -> None:
        self.host = host
        self.port = port
        self.authority = authority
        self.prefix = prefix

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `host:port`, with or without a scheme, a path and IPv6 brackets. Raises SettingError."""
        scheme, mark, rest = text.partition("://")
        if mark and scheme.lower() != "http":
            raise SettingError(f"AWS_LAMBDA_RUNTIME_API is {text!r}; the Runtime API uses plain http")
        if not (text.isascii() and text.isprintable()):
            raise SettingError(f"AWS_LAMBDA_RUNTIME_API is {text!r}; an address must be printable ASCII")
        authority, slash, path = (rest if mark else text).partition("/")
        host, port = authority, ""
        if host.startswith("["):
            host, _, port = host[1:].partition("]")
            port = port.removeprefix(":")
        elif ":" in host:
            host, _, port = host.rpartition(":")
        if not host or not (port or "80").isdecimal() or not 0 < int(port or 80) < 65536:
            raise SettingError(
                f"AWS_LAMBDA_RUNTIME_API is {text!r}; it must be host:port, like 127.0.0.1:9001, the port at most 65535"
            )
        return cls(host, int(port or 80), authority, (slash + path).rstrip("/"))

    @property
    def url(self) -> str:
        """The address as a URL."""
        return f"http://{self.authority}{self.prefix}"


class Transport:
    """Carries requests to one server, one after another; the address's prefix is put in front of every path.

    Each call raises Disconnected if there is no complete reply. Nothing is ever sent twice.
    """

    def get(self, path: str) -> Reply:
        """Send a GET, unless `post(…, then=path)` has sent it already, and wait for the reply as long as it takes."""
        raise NotImplementedError

    def post(
        self,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        then: str | None = None,
        between: Callable[[], None] | None = None,
    ) -> Reply:
        """Send a body.

        Args:
            path: where to.
            headers: the headers, besides those of every request.
            body: the body.
            then: the path of the next GET, which may be sent before the reply has arrived; get() returns its reply.
            between: may be called between the two, while the reply is under way.
        """
        raise NotImplementedError

    def stream(
        self, path: str, headers: Mapping[str, str], chunks: Iterable[bytes], trailers: Callable[[], Mapping[str, str]]
    ) -> Reply:
        """Send a body chunk by chunk, each as soon as it is ready, then the trailers, and close the connection."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the connection."""
        raise NotImplementedError


def as_text(value: bytes) -> str:
    """Decode a header's value: the platform writes UTF-8; HTTP's own rule is Latin-1."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def chunk(data: bytes) -> bytes:
    """A piece of a body in HTTP's chunked coding (RFC 9112, section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def last_chunk(trailers: Mapping[str, str]) -> bytes:
    """The end of a chunked body: the last chunk and the trailers."""
    return ("0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in trailers.items()) + "\r\n").encode("ascii")


def transport_class(name: str) -> Callable[[Address, str], Transport]:
    """The transport of that name: a class that takes an address and a user agent, and connects on first use.

    Raises:
        SettingError: a library that the transport needs is not installed.
    """
    try:
        found: Callable[[Address, str], Transport] = import_module(_MODULES[name]).TRANSPORT
    except ImportError as error:
        raise SettingError(
            f"HANDLER_TRANSPORT is {name!r}, which cannot be imported: {error}; the socket transport needs no library"
        ) from error
    return found
