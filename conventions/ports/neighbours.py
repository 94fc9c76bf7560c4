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
from dispatch.response import Response, is_iterator, respond

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeAlias

    from conventions.web import Answer
    from dispatch.http import Request
    from dispatch.invocation import Invocation
    from dispatch.types import Convention, Handler, UserFunction

    Fields: TypeAlias = dict[str, Any]


_CONTENT_TYPE = "content-type"


class Known:
    """What is known of an invocation and of its function: the attributes of Yandex's context, and some of the others'.

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
    headers: Mapping[str, str] | None = None,
    *,
    as_bytes: bool = False,
) -> Convention:
    """A convention of these types.

    Args:
        event: makes the event of an HTTP request.
        context: makes the context.
        headers: the headers of a response to which the function gives no others, with names in lower case.
        as_bytes: whether events are bytes, not parsed.
    """
    defaults = {_CONTENT_TYPE: TEXT, **(headers or {})}

    def convention(function: UserFunction) -> Handler:
        """func(event, context) -> a dictionary with a statusCode, text, or any value that JSON can express."""

        def respond_to(request: Request) -> Answer:
            found = event(request)
            return _answered(function(encoded(found) if as_bytes else found, context(Known(current()))), defaults)

        def otherwise(invocation: Invocation, found: Any) -> Response:
            payload = invocation.body if as_bytes else codec.parsed(invocation) if isinstance(found, bytes) else found
            answer = function(payload, context(Known(invocation)))
            return respond(answer, _sent, TEXT if isinstance(answer, str) else JSON)

        return serving(respond_to, otherwise=otherwise)

    return convention


def _answered(answer: Any, defaults: Mapping[str, str]) -> Answer:
    """The response to an HTTP request that an answer is."""
    status, body, pairs = 200, answer, []
    if isinstance(answer, dict) and "statusCode" in answer:
        fields = (*(answer.get("headers") or {}).items(), *(answer.get("multiValueHeaders") or {}).items())
        pairs = [(name, str(one)) for name, value in fields for one in (value if isinstance(value, list) else [value])]
        status, body = answer["statusCode"], answer.get("body")
    elif not (is_iterator(answer) or isinstance(answer, str | bytes | None)):
        pairs = [(_CONTENT_TYPE, JSON)]
    set_already = {name.lower() for name, _ in pairs}
    pairs += [(name, value) for name, value in defaults.items() if name not in set_already]
    if is_iterator(body):
        return status, pairs, map(_sent, body)
    if body and isinstance(answer, dict) and answer.get("isBase64Encoded"):
        try:
            return status, pairs, bodies.decode(body, is_base64=True)
        except (TypeError, ValueError):
            raise MarshalError(f"the body is not base64, as isBase64Encoded says: {str(body)[:40]!r}") from None
    return status, pairs, _sent(body)


def _sent(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value
    return (value or "").encode() if isinstance(value, str | None) else encoded(value)
