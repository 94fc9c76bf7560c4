"""The `lambda` convention: `func(event, context)` as in AWS's managed Python runtime, with its context and its JSON.

Accepted values and their encoding follow awslambdaric 4.2.2, and tests compare the two; docs/coming-from/differences.md
lists the intended differences.
"""

from __future__ import annotations

from conventions import codec, taking_event
from conventions.context import LambdaContext, shared_attributes
from conventions.lambda_reports import report
from dispatch.errors import MarshalError, UnmarshalError
from dispatch.protocol import JSON
from dispatch.response import respond

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dispatch.invocation import Invocation
    from dispatch.response import Response
    from dispatch.types import Conventions, Handler, UserFunction


def lambda_(function: UserFunction) -> Handler:
    """func(event: Any, context: LambdaContext) -> a value that JSON can express, Decimal, or bytes."""
    call = taking_event(function)
    shared = shared_attributes()

    def handle(invocation: Invocation) -> Response:
        context = LambdaContext(invocation, shared)
        answer = call(_event(invocation), context)
        if isinstance(answer, bytes):
            return respond(answer, _as_it_is, "application/unknown")
        return respond(answer, _encoded, JSON)

    handle.report = report  # type: ignore[attr-defined]
    return handle


#: Words the report of an error that is raised while the handler is loaded.
lambda_.report = report  # type: ignore[attr-defined]


def _event(invocation: Invocation) -> Any:
    """The event as JSON, or its bytes if its content type (in any case, without parameters) is not JSON."""
    content_type = invocation.headers.lowered.get("content-type") or JSON
    if content_type != JSON and content_type.partition(";")[0].strip().lower() != JSON:
        return invocation.body
    try:
        return codec.loads(invocation.body)
    except Exception as error:  # noqa: BLE001 - includes a RecursionError for an event that is nested too deeply
        raise UnmarshalError(f"Unable to unmarshal input: {error}") from None


def _as_it_is(answer: bytes) -> bytes:
    return answer


def _encoded(answer: Any) -> bytes:
    try:
        return _dumps(answer)
    except Exception as error:
        raise MarshalError(f"Unable to marshal response: {error}") from error


def _number(value: Any) -> Any:
    """A Decimal as a JSON number with all its digits."""
    simplejson = codec.simplejson()
    if isinstance(value, simplejson.Decimal):
        return float("nan") if value.is_nan() else simplejson.RawJSON(str(value))
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


_dumps = codec.encoder(_number, blanks=True, use_decimal=False, allow_nan=True)


def dispatch_conventions() -> Conventions:
    """The convention for a function that was written for AWS's managed runtime."""
    return {"lambda": lambda_}
