"""A handler's answer, buffered or streamed, and the functions that turn a value into one."""

from __future__ import annotations

from dispatch.errors import MarshalError
from dispatch.invocation import handled
from dispatch.protocol import HTTP_INTEGRATION, OCTETS, PRELUDE_END

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any, TypeAlias

    from dispatch.invocation import Invocation

    #: The body of a response: all its bytes, or one chunk after another.
    Body: TypeAlias = bytes | Iterator[bytes]

#: The characters of a header's name, and those that no value may have (RFC 9110, sections 5.6.2 and 5.5).
_IN_NAMES = frozenset("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
_NOT_IN_VALUES = frozenset("\r\n\0")


class Response:
    """A handler's answer.

    Attributes:
        body: bytes, or an iterator of bytes, which makes it a streamed response.
        content_type: the body's media type, one line of ASCII.
    """

    __slots__ = ("body", "content_type")

    def __init__(self, body: Body, content_type: str = OCTETS) -> None:
        self.body = body
        self.content_type = content_type

    @property
    def streamed(self) -> bool:
        """Whether the body comes in chunks."""
        return not isinstance(self.body, bytes)

    def read(self) -> bytes:
        """The whole body; for a stream, the part that has not been read yet."""
        return self.body if isinstance(self.body, bytes) else b"".join(self.body)


class HTTPResponse:
    """A streamed answer with an HTTP status, headers and cookies, for function URLs and API Gateway.

    A `Set-Cookie` header is moved to the cookies, because Lambda accepts cookies only there.

    Attributes:
        status: the status code, 100 to 599.
        headers: a dictionary, without cookies.
        cookies: a list of the values of `Set-Cookie`.
        body: bytes, text, an iterator of both, or what the convention can encode.

    Raises:
        ValueError, TypeError: HTTP cannot carry the status, a header or a cookie.
    """

    __slots__ = ("body", "cookies", "headers", "status")

    def __init__(
        self,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        cookies: Iterable[str] = (),
        body: Any = b"",
    ) -> None:
        check_status(status)
        if isinstance(cookies, str):
            raise TypeError(f"cookies must be a list of strings, not the string {cookies!r}")
        self.status = int(status)
        self.headers = dict(headers or {})
        self.cookies = list(cookies)
        self.body = body
        for name, value in list(self.headers.items()):
            check_header(name, value)
            if name.lower() == "set-cookie":
                self.cookies.append(self.headers.pop(name))
        for cookie in self.cookies:
            check_header("set-cookie", cookie)

    def prelude(self) -> bytes:
        """The JSON object and the eight NUL bytes that come before the body."""
        import json

        fields = {"statusCode": self.status, "headers": self.headers, "cookies": self.cookies}
        return json.dumps(fields).encode() + PRELUDE_END


def check_status(status: Any) -> None:
    """Check an HTTP status; raises ValueError."""
    if isinstance(status, bool) or not isinstance(status, int) or not 100 <= status <= 599:
        raise ValueError(f"an HTTP status must be a whole number from 100 to 599, not {status!r}")


def check_header(name: Any, value: Any) -> None:
    """Check that HTTP can carry a header; raises TypeError or ValueError."""
    for text in (name, value):
        if not isinstance(text, str):
            raise TypeError(f"HTTP headers and cookies must be strings, not {text!r}")
        if not _NOT_IN_VALUES.isdisjoint(text):
            raise ValueError(f"HTTP headers and cookies must not contain line ends or NUL: {text!r}")
    if not name or not _IN_NAMES.issuperset(name):
        raise ValueError(f"an HTTP header's name may contain letters, digits and !#$%&'*+-.^_`|~ only: {name!r}")


def respond(
    value: Any,
    encode: Callable[[Any], bytes | str],
    content_type: str,
    item: Callable[[Any], bytes | str] | None = None,
) -> Response:
    """Turn the value that a function returned into a response.

    Args:
        value: the function's answer. An iterator is streamed; an HTTPResponse streams its prelude, then its body.
        encode: turns any other answer into bytes or text.
        content_type: the media type of an answer that is not streamed.
        item: turns each item of a stream into bytes or text, unless it is bytes already. By default text goes as it
            is, and `encode` gets the rest.
    """
    if isinstance(value, HTTPResponse):
        return Response(_with_prelude(value, item or _text_or(encode)), HTTP_INTEGRATION)
    if is_iterator(value):
        return Response(chunks(value, item or _text_or(encode)))
    return Response(to_bytes(encode(value)), content_type)


def is_iterator(value: Any) -> bool:
    """Whether a value is streamed item by item. Only its class counts: some dictionaries have every attribute."""
    return hasattr(type(value), "__next__")


def stop(items: Iterator[Any]) -> None:
    """Close an iterator that may not be exhausted, so that its `finally` blocks run."""
    close = getattr(type(items), "close", None)
    if close is not None:
        close(items)


def while_handling(invocation: Invocation, items: Iterator[bytes]) -> Iterator[bytes]:
    """The chunks of a streamed answer, each produced while its invocation is the current one."""
    try:
        while True:
            token = handled.set(invocation)
            try:
                chunk = next(items, None)
            finally:
                handled.reset(token)
            if chunk is None:
                return
            yield chunk
    finally:
        stop(items)


def to_bytes(text: bytes | str) -> bytes:
    """Encode text with the encoding of the current invocation; return bytes as they are. Raises MarshalError."""
    if isinstance(text, bytes):
        return text
    invocation = handled.get()
    encoding = "utf-8" if invocation is None else invocation.encoding
    try:
        return text.encode(encoding)
    except UnicodeError as error:
        raise MarshalError(
            f"the answer's text cannot be sent as {encoding}: {error}; set another HANDLER_ENCODING"
        ) from error


def _text_or(encode: Callable[[Any], bytes | str]) -> Callable[[Any], bytes | str]:
    return lambda value: value if isinstance(value, str) else encode(value)


def chunks(items: Iterator[Any], encode: Callable[[Any], bytes | str]) -> Iterator[bytes]:
    """Each item as bytes. Closing this closes the iterator that it reads from."""
    mark = 0
    try:
        for item in items:
            data = bytes(item) if isinstance(item, bytes | bytearray | memoryview) else encode(item)
            if isinstance(data, str):
                # utf-16 and the like begin with a byte-order mark, which belongs only at the start of the whole text.
                data = to_bytes(data)[mark:]
                mark = len(to_bytes(""))
            yield data
    finally:
        stop(items)


def _with_prelude(response: HTTPResponse, encode: Callable[[Any], bytes | str]) -> Iterator[bytes]:
    body = response.body
    parts = chunks(body if is_iterator(body) else iter([] if body is None else [body]), encode)
    try:
        first = next(parts, b"")
        yield response.prelude() + first
        yield from parts
    finally:
        stop(parts)
