"""The `tencent` convention: `def main_handler(event, context)`, whose context is a dictionary.

Source: Tencent Cloud's pages on SCF, "Python" and "API Gateway Trigger".
"""

from __future__ import annotations

import os

from conventions.ports.neighbours import neighbour, payload_1

TYPE_CHECKING = False
if TYPE_CHECKING:
    from conventions.ports.neighbours import Fields, Known
    from dispatch.http import Request
    from dispatch.types import Conventions


def _event(request: Request) -> Fields:
    found = payload_1(request)
    query = found["queryStringParameters"]
    return {**found, "queryString": query, "queryStringParameters": {}, "headerParameters": {}, "pathParameters": {}}


def _context(known: Known) -> Fields:
    own = {name: value for name, value in vars(known).items() if name[0] != "_" and name != "deadline_ms"}
    region = os.environ.get("AWS_REGION", "")
    time_limit = known.get_remaining_time_in_millis()
    return {**own, "time_limit_in_ms": time_limit, "namespace": "default", "tencentcloud_region": region}


def dispatch_conventions() -> Conventions:
    """The convention for a function of Tencent's SCF."""
    return {"tencent": neighbour(_event, _context)}
