"""The `json` convention: `func(event, headers)` with the event parsed as JSON and the answer sent as JSON."""

from __future__ import annotations

from conventions import codec, taking_event, typed
from conventions.codec import UTF_8
from conventions.json_values import plainer, unsendable
from dispatch.errors import MarshalError
from dispatch.protocol import JSON
from dispatch.response import respond

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dispatch.invocation import Invocation
    from dispatch.response import Response
    from dispatch.types import Conventions, Handler, UserFunction


def json(function: UserFunction) -> Handler:
    """func(event: Any, headers: Mapping[str, str]) -> any value that JSON can express, or that plainer() converts.

    If the event's annotation is a dataclass, a TypedDict, a NamedTuple or a pydantic model, the event becomes one.
    """
    call, read = taking_event(function), typed.reader(function)

    def handle(invocation: Invocation) -> Response:
        answer = call(read(invocation), invocation.headers)
        if invocation.encoding == UTF_8:
            return respond(answer, encoded, JSON, _line)
        return respond(answer, _text, JSON, lambda item: _text(item) + "\n")

    return handle


def encoded(value: Any) -> bytes:
    """The value as JSON without blanks, in UTF-8. Raises MarshalError."""
    try:
        return _dumps(value)
    except _FAILURES as error:
        path, reason = unsendable(value, _dumps, error, _FAILURES)
        raise MarshalError(f"the answer cannot be sent as JSON: {path}{': ' if path else ''}{reason}") from error


#: What the encoder raises.
_FAILURES = (TypeError, ValueError, RecursionError)


def _line(item: Any) -> bytes:
    return encoded(item) + b"\n"


def _text(value: Any) -> str:
    """The value as JSON text, to be sent in another encoding."""
    return encoded(value).decode()


_dumps = codec.encoder(plainer, blanks=False, encoding=None, allow_nan=False)


def dispatch_conventions() -> Conventions:
    """The convention for a function that works with JSON."""
    return {"json": json}
