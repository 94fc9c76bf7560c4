"""What API Gateway adds to the event of a request for a route, and a function's answer as its HTTP response."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from dispatch.http import HTTP_API, REST_API, Request, event
from runtime.local.config.description import DEFAULT, ApiRoute
from runtime.local.function import ACCOUNT
from runtime.local.values import parse_json
from runtime.local.web.prelude import PreludeSplitter
from runtime.local.web.url_event import BadAnswer, HttpAnswer, clf_time, read_answer, read_head

#: The payload format of REST APIs.
PAYLOAD_1: Final = "1.0"


def make_event(
    request: Request, route: ApiRoute, parameters: Mapping[str, str], request_id: str, *, has_stage: bool
) -> dict[str, Any]:
    """Return the event of a request.

    Args:
        request: what was asked for, without the stage.
        route: the route that it takes.
        parameters: the values of the variables in the route's path.
        request_id: the invocation's.
        has_stage: whether the stage was in the request's path.
    """
    now = time.time()
    context = {"accountId": ACCOUNT, "apiId": route.api, "requestId": request_id, "stage": route.stage}
    moment, milliseconds = clf_time(now), int(now * 1000)
    if route.payload != PAYLOAD_1:
        key = route.path if route.path == DEFAULT else f"{route.method} {route.path}"
        request.base_path = f"/{route.stage}" if has_stage else ""
        made = event(request, HTTP_API, {**context, "routeKey": key, "time": moment, "timeEpoch": milliseconds})
        return {**made, "routeKey": key, **({"pathParameters": dict(parameters)} if parameters else {})}
    path = f"/{route.stage}{request.raw_path}" if has_stage else request.raw_path
    more = {"path": path, "resourcePath": route.path, "requestTime": moment, "requestTimeEpoch": milliseconds}
    made = event(request, REST_API, {**context, **more, "extendedRequestId": request_id})
    version = {} if route.rest else {"version": PAYLOAD_1}
    return {**version, **made, "resource": route.path, "pathParameters": dict(parameters) or None}


def read_reply(body: bytes, content_type: str, route: ApiRoute) -> HttpAnswer:
    """Return a function's answer as a response.

    Raises:
        BadAnswer, BadPrelude: API Gateway would not accept it.
    """
    splitter = PreludeSplitter(content_type)
    if splitter.head is None:
        rest = splitter.feed(body)
        splitter.finish()
        head = read_head(splitter.head or {})
        head.body = rest
        return head
    return _payload_1(body) if route.payload == PAYLOAD_1 else read_answer(body)


def _payload_1(body: bytes) -> HttpAnswer:
    answer = read_answer(body)
    value = parse_json(body) if body else None
    if not isinstance(value, dict) or "statusCode" not in value:
        raise BadAnswer("the answer must be an object with a statusCode")
    repeated = value.get("multiValueHeaders") or {}
    if not isinstance(repeated, dict) or not all(isinstance(values, list) for values in repeated.values()):
        raise BadAnswer(f"multiValueHeaders must be an object of lists, not {repeated!r:.60}")
    names = {name.lower() for name in repeated}
    answer.headers = [pair for pair in answer.headers if pair[0].lower() not in names]
    for name, values in repeated.items():
        for one in values:
            answer.headers += read_head({"headers": {name: one}}).headers
    return answer
