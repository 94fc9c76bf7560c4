"""The `yandex` convention: `def handler(event, context)`.

Source: Yandex Cloud's pages on Cloud Functions, "Request handler" and "Invocation context".
"""

from __future__ import annotations

from conventions.ports.neighbours import neighbour, payload_1

TYPE_CHECKING = False
if TYPE_CHECKING:
    from conventions.ports.neighbours import Fields
    from dispatch.http import Request
    from dispatch.types import Conventions


def _event(request: Request) -> Fields:
    found = payload_1(request)
    return {**found, "url": found["path"], "params": {}, "multiValueParams": {}, "pathParams": {}}


def dispatch_conventions() -> Conventions:
    """The convention for a function of Yandex Cloud."""
    return {"yandex": neighbour(_event, lambda known: known)}
