"""What every convention for HTTP shares: an event becomes a request, a response becomes the answer.

A convention adds only how its kind of application is called, `serving(respond_to)`: `respond_to` gets a
`dispatch.http.Request` and returns the status, the headers as pairs, and the body as bytes or an iterator of bytes.
"""

from __future__ import annotations

from conventions import codec, failures
from dispatch import variables
from dispatch.errors import ApplicationError, MarshalError, Terminated, UnmarshalError
from dispatch.http import Request, kind, reply, streamed_reply
from dispatch.http.percent import SENT_PATH, encode
from dispatch.protocol import JSON, OCTETS
from dispatch.response import Response, is_iterator, respond, stop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Self, TypeAlias, TypeVar

    from dispatch.invocation import Invocation
    from dispatch.types import Handler

    Headers: TypeAlias = list[tuple[str, str]]
    Answer: TypeAlias = tuple[int, Headers, bytes | Iterator[bytes]]
    T = TypeVar("T")

#: From this status on, the answer to an event that is not HTTP is a function error.
FAILURE = 400

#: How much of the body such an error quotes, in bytes.
_QUOTED = 200


def serving(
    respond_to: Callable[[Request], Answer],
    *,
    otherwise: Callable[[Invocation, Any], Response] | None = None,
    failed: Callable[[Exception | SystemExit], Answer] | None = None,
    events_path: str | None = None,
    posts_bytes: bool = False,
) -> Handler:
    """A handler that answers HTTP events in their own format.

    Its `respond_to(request)` answers a request that came in no event, from a web server; its `failed` is the argument.

    Args:
        respond_to: answers a request.
        otherwise: answers any other event, which it gets parsed, or as bytes if it is not JSON. Without it, such an
            event is posted as JSON to `events_path`, and a status of 400 or more is a function error.
        failed: what a client gets if `respond_to` raises, which is then logged; without it, that is a function error.
        events_path: percent-encoded; by default that of `HANDLER_EVENTS_PATH`.
        posts_bytes: whether an event that is not JSON is posted as well, as bytes; otherwise it is an error.
    """
    base_path, streams = variables.base_path(), variables.streams()
    path = events_path or encode(variables.events_path(), SENT_PATH)

    takes_bytes = posts_bytes or otherwise is not None

    def handle(invocation: Invocation) -> Response:
        event = _payload(invocation) if takes_bytes else codec.parsed(invocation)
        if kind(event) is None:
            if otherwise is not None:
                return otherwise(invocation, event)
            posted = respond_to(_posted(event, invocation, path, streams=streams))
            return event_answer(posted, streams, f"the application answered POST {path}")
        request = Request.from_event(event, base_path, streams=streams)
        return answered(request, _in_its_format)

    def answered(request: Request, sent: Callable[..., T]) -> T:
        try:
            return sent(request, *respond_to(request))
        except Terminated:
            raise
        except (Exception, SystemExit) as error:
            if failed is None:
                raise
            failures.log("dispatch.http", f"{request.method} {request.raw_path} failed", error)
            return sent(request, *failed(error))

    handle.respond_to = lambda request: answered(request, _as_it_is)  # type: ignore[attr-defined]
    handle.failed = failed  # type: ignore[attr-defined]
    return handle


def _in_its_format(request: Request, status: int, headers: Headers, body: bytes | Iterator[bytes]) -> Response:
    headers = _without_length(request, status, headers)
    content: Any = (_begun if request.streams else _whole)(body)
    try:
        if request.streams:
            return respond(streamed_reply(request, status, headers, content), bytes, OCTETS)
        return Response(_dumps(reply(request, status, headers, content)), JSON)
    except (TypeError, ValueError) as error:
        raise MarshalError(f"the application's response cannot be sent: {error}") from error


def _as_it_is(_request: Request, status: int, headers: Headers, body: bytes | Iterator[bytes]) -> Answer:
    return status, headers, _begun(body)


def _payload(invocation: Invocation) -> Any:
    try:
        return codec.parsed(invocation)
    except UnmarshalError:
        return invocation.body


def _posted(event: Any, invocation: Invocation, path: str, *, streams: bool) -> Request:
    is_json = not isinstance(event, bytes)
    body = invocation.text.encode() if is_json and invocation.encoding != codec.UTF_8 else invocation.body
    content_type = JSON if is_json else OCTETS
    headers = [("host", "localhost"), ("content-type", content_type), ("content-length", str(len(body)))]
    return Request("POST", path, "", headers, body, client="127.0.0.1", scheme="http", event=event, streams=streams)


def event_answer(answer: Answer, streams: bool, answered: str = "the function answered") -> Response:
    """The answer to an event that is not HTTP: the body of a response.

    Args:
        answer: status, headers and body.
        streams: whether the body stays in parts if it is.
        answered: the beginning of the error message.

    Raises:
        ApplicationError: the status is 400 or more.
    """
    status, headers, body = answer
    if status >= FAILURE:
        start = _whole(body)[:_QUOTED].decode(errors="replace")
        raise ApplicationError(f"{answered} with status {status}: {start}")
    content_type = next((value for name, value in headers if name.lower() == "content-type"), OCTETS)
    return Response(body if streams else _whole(body), content_type)


def _whole(body: bytes | Iterator[bytes]) -> bytes:
    if not is_iterator(body):
        return body  # type: ignore[return-value]
    try:
        return b"".join(body)  # type: ignore[arg-type]
    finally:
        stop(body)  # type: ignore[arg-type]


def part(value: Any) -> bytes:
    """A part of a body that is not bytes, as `chunks` encodes it. Raises TypeError if it is not text either."""
    if not isinstance(value, str):
        raise TypeError(f"each part of a response must be str or bytes, not {type(value).__name__}")
    return value.encode()


def _begun(body: Any) -> Any:
    return _Begun(body) if is_iterator(body) else body


class _Begun:
    """The parts of a body whose first one has been taken, so that an application that fails there has sent nothing."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts
        try:
            self._first: bytes | None = next(parts, b"")
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        first, self._first = self._first, None
        return next(self._parts) if first is None else first

    def close(self) -> None:
        stop(self._parts)


def _without_length(request: Request, status: int, headers: Headers) -> Headers:
    """The headers without Content-Length, which the caller's server adds; kept where it describes a body not sent."""
    if request.method == "HEAD" or status == 304:
        return headers
    return [pair for pair in headers if pair[0].lower() != "content-length"]


_dumps = codec.encoder(blanks=False, encoding=None)
