"""Handlers of text and bytes for HTTP events: the request's body is the event, the answer is the response's body.

Used where `HANDLER_HTTP_BODY=1` is set; see `conventions.taking_http_body`.
"""

from __future__ import annotations

from codecs import getincrementaldecoder

from conventions import codec
from dispatch import variables
from dispatch.errors import MarshalError
from dispatch.http import Request, kind, reply, streamed_reply
from dispatch.invocation import Headers, handled
from dispatch.protocol import HTTP_INTEGRATION, JSON, OCTETS, OWN_HEADERS, PRELUDE_END, TEXT
from dispatch.response import Response, respond, stop, while_handling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from dispatch.invocation import Invocation
    from dispatch.types import Handler

_OWN_HEADERS = OWN_HEADERS.lower()
_CONTENT_TYPE = "content-type"


def of_http(handler: Handler, *, guesses_type: bool) -> Handler:
    """The handler for HTTP events; any other event it handles as before. See `conventions.taking_http_body`."""
    streams = variables.streams()

    def handle(invocation: Invocation) -> Response:
        event = _parsed(invocation.body)
        if kind(event) is None:
            return handler(invocation)
        request = Request.from_event(event)
        inner = invocation.having(request.body, _headers(request, invocation))
        token = handled.set(inner)
        try:
            answer = _Answer(handler(inner), inner.encoding, guesses_type=guesses_type)
            response = answer.streamed(request) if streams else answer.whole(request)
        finally:
            handled.reset(token)
        if response.streamed:
            response.body = while_handling(inner, response.body)  # type: ignore[arg-type]
        return response

    vars(handle).update(vars(handler))
    vars(handle).pop("hint", None)  # it would judge the event by its own body
    return handle


def _parsed(body: bytes) -> Any:
    """The event as JSON in UTF-8, which HTTP events always are; None if it is anything else."""
    try:
        return codec.loads(body)
    except (ValueError, RecursionError):
        return None


def _headers(request: Request, invocation: Invocation) -> Headers:
    """The request's headers and those of the Runtime API, which no caller can set."""
    pairs = [pair for pair in request.header_pairs if not pair[0].lower().startswith(_OWN_HEADERS)]
    pairs += [(name, value) for name, value in invocation.headers.items() if name.lower().startswith(_OWN_HEADERS)]
    return Headers(pairs)


class _Answer:
    """What a handler answered, as an HTTP response."""

    def __init__(self, response: Response, encoding: str, *, guesses_type: bool) -> None:
        body = response.body
        self._encoding = encoding
        self._is_complete = not response.streamed
        self._parts: Iterator[bytes] = iter((body,)) if isinstance(body, bytes) else body
        self._start = b""
        self._status, self._cookies = 200, ()
        self._headers: dict[str, str] = {}
        try:
            if response.content_type == HTTP_INTEGRATION:
                self._read_prelude()
                content_type = ""
            else:
                self._start = next(filter(None, self._parts), b"")
                content_type = response.content_type
        except BaseException:
            stop(self._parts)
            raise
        if content_type == OCTETS and (guesses_type or response.streamed):
            content_type = ""
        if not any(name.lower() == _CONTENT_TYPE for name in self._headers):
            self._headers[_CONTENT_TYPE] = self._with_charset(content_type or self._guessed())

    def _read_prelude(self) -> None:
        """Take status, headers and cookies from the prelude of an `HTTPResponse`, which is in the first chunk."""
        prelude, _, self._start = next(self._parts).partition(PRELUDE_END)
        fields = codec.loads(prelude)
        self._status, self._headers, self._cookies = fields["statusCode"], fields["headers"], fields["cookies"]

    def _guessed(self) -> str:
        """The media type of output that comes without one, guessed from its first bytes."""
        try:
            # The first chunk of several may end within a character.
            text = getincrementaldecoder(self._encoding)().decode(self._start, self._is_complete)
        except UnicodeError:
            return OCTETS
        return OCTETS if "\0" in text else TEXT

    def _with_charset(self, content_type: str) -> str:
        return f"{TEXT}; charset={self._encoding}" if content_type == TEXT else content_type

    def whole(self, request: Request) -> Response:
        """The answer in the format of the request's event."""
        try:
            body = self._start + b"".join(self._parts)
        finally:
            stop(self._parts)
        try:
            answer = reply(request, self._status, self._headers, body, self._cookies)
        except (TypeError, ValueError) as error:
            raise _refused(error) from error
        return Response(_dumps(answer), JSON)

    def streamed(self, request: Request) -> Response:
        """The answer as a stream behind its prelude."""
        try:
            answer = streamed_reply(request, self._status, self._headers, self._all(), self._cookies)
        except (TypeError, ValueError) as error:
            stop(self._parts)
            raise _refused(error) from error
        return respond(answer, bytes, OCTETS)

    def _all(self) -> Iterator[bytes]:
        try:
            yield self._start
            yield from self._parts
        finally:
            stop(self._parts)


def _refused(error: Exception) -> MarshalError:
    return MarshalError(f"the answer cannot be sent over HTTP: {error}")


_dumps = codec.encoder(blanks=False, encoding=None)
