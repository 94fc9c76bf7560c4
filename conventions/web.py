"""What every convention for web applications shares: an event becomes a request, a response becomes the answer.

A convention adds only how its kind of application is called, `serving(respond)`: `respond` gets a
`dispatch.http.Request` and returns the status, the headers as pairs, and the body as bytes or an iterator of bytes.
"""

from __future__ import annotations

from conventions import codec
from dispatch import variables
from dispatch.errors import ApplicationError, MarshalError
from dispatch.http import Request, kind, reply, streamed_reply
from dispatch.http.percent import SENT_PATH, encode
from dispatch.protocol import JSON, OCTETS
from dispatch.response import Response, is_iterator, respond, stop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TypeAlias

    from dispatch.invocation import Invocation
    from dispatch.types import Handler

    Headers: TypeAlias = list[tuple[str, str]]
    Answer: TypeAlias = tuple[int, Headers, bytes | Iterator[bytes]]

#: From this status on, the answer to an event that is not HTTP is a function error.
FAILURE = 400

#: How much of the body such an error quotes, in bytes.
_QUOTED = 200


def serving(respond_to: Callable[[Request], Answer]) -> Handler:
    """A handler that answers HTTP events in their own format, and posts any other event to `HANDLER_EVENTS_PATH`."""
    base_path, streams = variables.base_path(), variables.streams()
    events_path = encode(variables.events_path(), SENT_PATH)

    def handle(invocation: Invocation) -> Response:
        event = codec.parsed(invocation)
        if kind(event) is None:
            status, headers, body = respond_to(_posted(event, invocation, events_path))
            return _answer_to_event(status, headers, body if streams else _whole(body), events_path)
        request = Request.from_event(event, base_path)
        status, headers, body = respond_to(request)
        headers = _without_length(request, status, headers)
        try:
            if streams:
                return respond(streamed_reply(request, status, headers, body), bytes, OCTETS)
            answer = reply(request, status, headers, _whole(body))
        except (TypeError, ValueError) as error:
            raise MarshalError(f"the application's response cannot be sent: {error}") from error
        return Response(_dumps(answer), JSON)

    return handle


def _posted(event: Any, invocation: Invocation, path: str) -> Request:
    body = invocation.body if invocation.encoding == codec.UTF_8 else invocation.text.encode()
    headers = [("host", "localhost"), ("content-type", JSON), ("content-length", str(len(body)))]
    return Request("POST", path, "", headers, body, client="127.0.0.1", scheme="http", event=event)


def _answer_to_event(status: int, headers: Headers, body: bytes | Iterator[bytes], path: str) -> Response:
    if status >= FAILURE:
        start = _whole(body)[:_QUOTED].decode(errors="replace")
        raise ApplicationError(f"the application answered POST {path} with status {status}: {start}")
    content_type = next((value for name, value in headers if name.lower() == "content-type"), OCTETS)
    return Response(body, content_type)


def _whole(body: bytes | Iterator[bytes]) -> bytes:
    if not is_iterator(body):
        return body  # type: ignore[return-value]
    try:
        return b"".join(body)  # type: ignore[arg-type]
    finally:
        stop(body)  # type: ignore[arg-type]


def _without_length(request: Request, status: int, headers: Headers) -> Headers:
    """The headers without Content-Length, which the caller's server adds; kept where it describes a body not sent."""
    if request.method == "HEAD" or status == 304:
        return headers
    return [pair for pair in headers if pair[0].lower() != "content-length"]


_dumps = codec.encoder(blanks=False, encoding=None)
