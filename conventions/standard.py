"""The `standard` convention: `func(event, headers)`, text in, text or bytes out."""

from __future__ import annotations

from conventions import taking_event, taking_http_body
from dispatch.errors import MarshalError
from dispatch.protocol import OCTETS
from dispatch.response import Response, respond, to_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dispatch.invocation import Invocation
    from dispatch.types import Conventions, Handler, UserFunction

TEXT = "text/plain"


def standard(function: UserFunction) -> Handler:
    """func(event: str, headers: Mapping[str, str]) -> str | bytes | None, sent as it is."""
    call = taking_event(function)

    def handle(invocation: Invocation) -> Response:
        answer = call(invocation.text, invocation.headers)
        if isinstance(answer, str):
            return Response(to_bytes(answer), TEXT)
        return respond(answer, sendable, OCTETS)

    return taking_http_body(handle)


def sendable(answer: Any) -> bytes | str:
    """The answer as it is sent; None is empty. Raises MarshalError if it is neither text nor bytes."""
    if answer is None:
        return b""
    if isinstance(answer, str):
        return answer
    if isinstance(answer, bytes | bytearray | memoryview):
        return bytes(answer)
    raise MarshalError(
        f"the handler returned {type(answer).__name__}, but this convention sends only str or bytes; "
        "the json convention sends other values as JSON"
    )


def dispatch_conventions() -> Conventions:
    """The convention for a plain function."""
    return {"standard": standard}
