"""The `scaleway` convention: `def handle(event, context)`, whose context is a dictionary.

Source: scaleway-functions-python 0.2.3, local/event.py, local/context.py and local/serving.py, which is made of Flask.
"""

from __future__ import annotations

from conventions import codec
from conventions.ports import flask_values
from conventions.ports.neighbours import body_of, headers_of, neighbour, payload_1
from dispatch.errors import MarshalError
from dispatch.protocol import JSON
from dispatch.response import is_iterator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from conventions.ports.neighbours import Fields, Known
    from conventions.web import Answer
    from dispatch.http import Request
    from dispatch.types import Conventions


#: What a response has besides what the function sets.
_ADDED = [("access-control-allow-origin", "*"), ("access-control-allow-headers", "Content-Type")]


def _event(request: Request) -> Fields:
    first = dict(reversed(request.query))
    return {
        **payload_1(request),
        "path": request.path,
        "multiValueHeaders": None,
        "queryStringParameters": first,
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
    }


def _context(known: Known) -> Fields:
    return {
        "memoryLimitInMb": known.memory_limit_in_mb,
        "functionName": known.function_name,
        "functionVersion": known.function_version,
    }


def _answered(answer: Any, request: Request) -> Answer:
    """A dictionary, or the text of one in JSON, is a response; anything else is the body of one."""
    try:
        response = _response(answer)
        own = headers_of(response, "headers")
        given = (body_of(response), response.get("statusCode"))
        status, made, body = flask_values.answered(given, request)
    except (TypeError, ValueError) as error:
        raise MarshalError(str(error)) from None
    replaced = {name.lower() for name, _ in own}
    return status, [pair for pair in (*made, *_ADDED) if pair[0].lower() not in replaced] + own, body


def _response(answer: Any) -> Fields:
    if isinstance(answer, dict):
        return answer
    if is_iterator(answer):
        return {"body": answer}
    if not isinstance(answer, str):
        return {"body": flask_values.dumps(answer), "headers": {"Content-Type": JSON}}
    try:
        parsed = codec.loads(answer.encode())
    except ValueError:
        parsed = None
    return parsed if isinstance(parsed, dict) else {"body": answer}


def dispatch_conventions() -> Conventions:
    """The convention for a function of Scaleway."""
    return {"scaleway": neighbour(_event, _context, _answered)}
