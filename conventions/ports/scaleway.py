"""The `scaleway` convention: `def handle(event, context)`, whose context is a dictionary.

Source: scaleway-functions-python 0.2.3, local/event.py, local/context.py and local/serving.py.
"""

from __future__ import annotations

from conventions.ports.neighbours import neighbour, payload_1

TYPE_CHECKING = False
if TYPE_CHECKING:
    from conventions.ports.neighbours import Fields, Known
    from dispatch.http import Request
    from dispatch.types import Conventions


#: What a response has besides what the function sets.
_HEADERS = {
    "content-type": "text/html; charset=utf-8",
    "access-control-allow-origin": "*",
    "access-control-allow-headers": "Content-Type",
}


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


def dispatch_conventions() -> Conventions:
    """The convention for a function of Scaleway."""
    return {"scaleway": neighbour(_event, _context, _HEADERS)}
