"""What the neighbours of AWS's signature share: func(event, context), with events and contexts of their own types.

A neighbour's own file has only what differs from the `lambda` convention: the event of an HTTP request, and the
context. Other events are as AWS sends them.
"""

from __future__ import annotations

import os

from conventions import codec
from conventions.json import encoded
from conventions.web import serving
from dispatch import current, http
from dispatch.errors import MarshalError
from dispatch.http import bodies
from dispatch.invocation import INFINITY
from dispatch.protocol import JSON, TEXT
from dispatch.response import Response, chunks, is_iterator, respond

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeAlias

    from conventions.web import Answer, Headers
    from dispatch.http import Request
    from dispatch.invocation import Invocation
    from dispatch.types import Convention, Handler, UserFunction

    Fields: TypeAlias = dict[str, Any]


_CONTENT_TYPE = "content-type"


class Known:
    """Facts about an invocation and its function. Yandex's context is this object; other contexts are made from it.

    Attributes:
        deadline_ms: a Unix time in milliseconds; 0 if there is no deadline.
        function_folder_id, token: empty here.
    """

    function_folder_id, token = "", None

    def __init__(self, invocation: Invocation) -> None:
        self._invocation = invocation
        self.request_id = invocation.request_id
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION", "")
        self.memory_limit_in_mb = int(os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE") or 128)
        self.deadline_ms = 0 if invocation.deadline == INFINITY else round(invocation.deadline * 1000)

    def get_remaining_time_in_millis(self) -> int:
        """The milliseconds until the deadline; 0 if there is none."""
        return round(self._invocation.remaining_time * 1000) if self.deadline_ms else 0


def payload_1(request: Request) -> Fields:
    """As AWS's payload 1.0, with empty values instead of null."""
    found = http.event(request, http.REST_API)
    return {name: ("" if name == "body" else {}) if value is None else value for name, value in found.items()}


def neighbour(
    event: Callable[[Request], Fields],
    context: Callable[[Known], Any],
    answered: Callable[[Any, Request], Answer] | None = None,
    *,
    as_bytes: bool = False,
) -> Convention:
    """A convention of these types.

    Args:
        event: makes the event of an HTTP request.
        context: makes the context.
        answered: makes a response of what the function returns; else, only a dictionary with a statusCode is one.
        as_bytes: whether events are bytes, not parsed.
    """
    answer_of = answered or _answered

    def convention(function: UserFunction) -> Handler:
        """func(event, context) -> a dictionary with a statusCode, text, or any value that JSON can express."""

        def respond_to(request: Request) -> Answer:
            found = event(request)
            return answer_of(function(encoded(found) if as_bytes else found, context(Known(current()))), request)

        def otherwise(invocation: Invocation, found: Any) -> Response:
            payload = invocation.body if as_bytes else codec.parsed(invocation) if isinstance(found, bytes) else found
            answer = function(payload, context(Known(invocation)))
            return respond(answer, _sent, TEXT if isinstance(answer, str) else JSON)

        return serving(respond_to, otherwise=otherwise)

    return convention


def _answered(answer: Any, _request: Request) -> Answer:
    status, body = 200, answer
    pairs: Headers = []
    if isinstance(answer, dict) and "statusCode" in answer:
        pairs = [*headers_of(answer, "headers"), *headers_of(answer, "multiValueHeaders")]
        status, body = answer["statusCode"], body_of(answer)
    elif not (is_iterator(answer) or isinstance(answer, str | bytes | None)):
        pairs = [(_CONTENT_TYPE, JSON)]
    if all(name.lower() != _CONTENT_TYPE for name, _ in pairs):
        pairs.append((_CONTENT_TYPE, TEXT))
    return status, pairs, chunks(body, _sent) if is_iterator(body) else _sent(body)


def headers_of(response: Fields, field: str) -> Headers:
    """The headers in a field of a response, in which a list is several. Raises MarshalError."""
    given = response.get(field) or {}
    if not isinstance(given, dict):
        raise MarshalError(f"the {field} of a response must be a dictionary, not {type(given).__name__}")
    return [
        (name, str(one)) for name, value in given.items() for one in (value if isinstance(value, list) else [value])
    ]


def body_of(response: Fields) -> Any:
    """The body of a response, decoded if it is base64. Raises MarshalError."""
    body = response.get("body", "")
    if not body or not response.get("isBase64Encoded"):
        return body
    try:
        return bodies.decode(body, is_base64=True)
    except (TypeError, ValueError):
        raise MarshalError(f"the body is not base64, as isBase64Encoded says: {str(body)[:40]!r}") from None


def _sent(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    return (value or "").encode() if isinstance(value, str | None) else encoded(value)
