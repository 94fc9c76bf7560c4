"""The `json` convention: `func(event, headers)` with the event parsed as JSON and the answer sent as JSON."""

from __future__ import annotations

from datetime import date, datetime
from enum import Enum
from uuid import UUID

from conventions import codec, taking_event
from conventions.codec import UTF_8, parsed
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
    """func(event: Any, headers: Mapping[str, str]) -> any value that JSON can express, or that plainer() converts."""
    call = taking_event(function)

    def handle(invocation: Invocation) -> Response:
        answer = call(parsed(invocation), invocation.headers)
        if invocation.encoding == UTF_8:
            return respond(answer, encoded, JSON, _line)
        return respond(answer, _text, JSON, lambda item: _text(item) + "\n")

    return handle


def encoded(value: Any) -> bytes:
    """The value as JSON without blanks, in UTF-8. Raises MarshalError."""
    try:
        return _dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise MarshalError(f"the answer cannot be sent as JSON: {error}") from error


def _line(item: Any) -> bytes:
    return encoded(item) + b"\n"


def _text(value: Any) -> str:
    """The value as JSON text, to be sent in another encoding."""
    return encoded(value).decode()


def plainer(value: Any) -> Any:
    """Replace a value of a type that JSON lacks: a date, UUID, Enum, set or dataclass. Raises TypeError for others."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, set | frozenset):
        return _in_order(value)
    if hasattr(type(value), "__dataclass_fields__"):
        from dataclasses import fields  # imported already, by the code that created the value

        return {field.name: getattr(value, field.name) for field in fields(value)}
    raise TypeError(f"{type(value).__name__} is not JSON serializable")


def _in_order(items: Any) -> list[Any]:
    """A set's items, sorted if possible, so that equal sets give equal answers."""
    try:
        return sorted(items)
    except TypeError:
        return list(items)


_dumps = codec.encoder(plainer, blanks=False, encoding=None, allow_nan=False)


def dispatch_conventions() -> Conventions:
    """The convention for a function that works with JSON."""
    return {"json": json}
