"""``func(event, headers)`` with the event parsed as JSON and the answer sent as JSON."""

from __future__ import annotations

from datetime import date, datetime
from enum import Enum
from uuid import UUID

import simplejson

from dispatch.errors import MarshalError, UnmarshalError
from dispatch.response import respond

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dispatch.invocation import Invocation
    from dispatch.response import Response
    from dispatch.types import Conventions, Function, Handler


def json(function: Function) -> Handler:
    """func(event: Any, headers: Mapping[str, str]) -> any value JSON can express, and a few more; see plainer()."""

    def handle(invocation: Invocation) -> Response:
        return respond(function(parsed(invocation), invocation.headers), encoded, "application/json", _line)

    return handle


def parsed(invocation: Invocation) -> Any:
    """The event as JSON. Raises UnmarshalError."""
    try:
        return simplejson.loads(invocation.text)
    except ValueError as error:
        raise UnmarshalError(f"the event is not JSON: {error}; it starts with {invocation.body[:40]!r}") from None


def encoded(value: Any) -> str:
    """The value as JSON text without blanks. Raises MarshalError."""
    try:
        text = _ENCODER.encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise MarshalError(f"the answer cannot be sent as JSON: {error}") from error
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate, which JSON can express and UTF-8 cannot
        return _ASCII_ENCODER.encode(value)
    return text


def _line(item: Any) -> str:
    return encoded(item) + "\n"


def plainer(value: Any) -> Any:
    """What stands in JSON for a value that it does not know."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, set | frozenset):
        return _in_order(value)
    if hasattr(type(value), "__dataclass_fields__"):
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    raise TypeError(f"{type(value).__name__} is not JSON serializable")


def _in_order(items: Any) -> list[Any]:
    """A set's items sorted where they can be, so that the same set is the same answer."""
    try:
        return sorted(items)
    except TypeError:
        return list(items)


_OPTIONS: dict[str, Any] = {"separators": (",", ":"), "default": plainer, "encoding": None, "allow_nan": False}
_ENCODER = simplejson.JSONEncoder(ensure_ascii=False, **_OPTIONS)
_ASCII_ENCODER = simplejson.JSONEncoder(**_OPTIONS)


def dispatch_conventions() -> Conventions:
    """The convention of a function that deals in JSON."""
    return {"json": json}
