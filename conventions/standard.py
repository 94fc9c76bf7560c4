"""The `standard` convention: `func(event, headers)`, text in, text or bytes out."""

from __future__ import annotations

from conventions import taking_event, taking_http_body
from dispatch.errors import MarshalError
from dispatch.protocol import OCTETS, TEXT
from dispatch.response import Response, respond, to_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dispatch.invocation import Invocation
    from dispatch.types import Conventions, Handler, UserFunction

#: The conventions of web applications, by the name of an application's second parameter.
_APPLICATIONS = {"receive": "asgi", "start_response": "wsgi"}


def standard(function: UserFunction) -> Handler:
    """func(event: str, headers: Mapping[str, str]) -> str | bytes | None, sent as it is."""
    call = taking_event(function)

    def handle(invocation: Invocation) -> Response:
        answer = call(invocation.text, invocation.headers)
        if isinstance(answer, str):
            return Response(to_bytes(answer), TEXT)
        return respond(answer, sendable, OCTETS)

    handle.hint = lambda invocation: _hint(function, invocation)  # type: ignore[attr-defined]
    return taking_http_body(handle)


standard.accepts_any_event = True  # type: ignore[attr-defined]


def _hint(function: UserFunction, invocation: Invocation) -> str:
    """What to set for a function that was probably written for JSON or HTTP; empty if the event is something else."""
    if not _is_json(invocation.body):
        return ""
    second = _second_parameter(function)
    if second in _APPLICATIONS:
        return f"it looks like a web application; to run it as one, set HANDLER_CONVENTION={_APPLICATIONS[second]}"
    if "context" in second:
        return "for func(event, context) as in AWS's own runtime, with the event parsed, set HANDLER_CONVENTION=lambda"
    return "its events are text; to get this JSON parsed and to answer with JSON, set HANDLER_CONVENTION=json"


def _is_json(body: bytes) -> bool:
    """Whether it is a JSON object or array."""
    if body[:64].lstrip()[:1] not in {b"{", b"["}:
        return False
    try:
        from json import loads

        loads(body)
    except Exception:  # noqa: BLE001 - it is not JSON, or the task root has its own json.py
        return False
    return True


def _second_parameter(function: UserFunction) -> str:
    try:
        from inspect import signature

        return [*signature(function).parameters, "", ""][1]
    except Exception:  # noqa: BLE001 - some callables have no signature, and the task root may have its own inspect.py
        return ""


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
