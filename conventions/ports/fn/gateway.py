"""What Fn puts around a request before a function sees it, and takes off the function's response.

From fnproject/fn: api/server/runner_httptrigger.go (the prefix of HTTP headers, the status), api/agent/agent.go (the
call's headers; what a failure becomes), api/models/error.go (its messages), api/common/io_utils.go (headers of the
connection); of several headers with one name fdk's server keeps the last (fdk 0.1.128, async_http/protocol.py).
"""

from __future__ import annotations

import time

from dispatch import current
from dispatch.invocation import INFINITY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from conventions.web import Answer, Headers
    from dispatch.http import Request

#: In front of the names of HTTP headers, in requests and in responses.
_PREFIX = "fn-http-h-"

#: The content type of a response that has none (fdk, async_http/response.py).
_TEXT = "text/plain"

#: Headers that the gateway keeps to itself.
_OF_CONNECTION = frozenset(
    {"connection", "proxy-connection", "keep-alive", "proxy-authenticate", "proxy-authorization"}
    | {"te", "trailer", "transfer-encoding", "upgrade", "host"}
)

#: What a client gets for the function's failures.
_MESSAGES = {502: "function failed", 504: "Timed out"}


def of_call() -> dict[str, str]:
    """The headers of every call: its identifier and its deadline."""
    invocation = current()
    headers = {"host": "localhost", "fn-call-id": invocation.request_id}
    if invocation.deadline != INFINITY:
        headers["fn-deadline"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(invocation.deadline))
    return headers


def encapsulated(request: Request) -> dict[str, str]:
    """The headers with which a request reaches the function."""
    target = request.base_path + request.raw_path + (f"?{request.raw_query}" if request.raw_query else "")
    headers = {
        "fn-intent": "httprequest",
        "fn-http-method": request.method,
        "fn-http-request-url": f"{request.scheme}://{request.headers.get('host', '')}{target}",
    }
    for name, value in request.header_pairs:
        key = name.lower()
        if key not in _OF_CONNECTION:
            headers[key if key == "content-type" else _PREFIX + key] = value
    return headers


def decapsulated(headers: dict[str, Any]) -> tuple[int, Headers]:
    """The status and the headers of the answer; those without the prefix are dropped."""
    status, kept = 200, {"content-type": _TEXT}
    for name, value in headers.items():
        text = str(value).encode(errors="replace").decode("latin-1").strip()
        plain = name.removeprefix(_PREFIX)
        if name == "content-type" or plain not in {name, ""}:
            kept[plain] = text
        elif name == "fn-http-status" and text.isdecimal():
            status = int(text) or status
    return status, [*kept.items(), _call_id()]


def failure(status: int, message: str = "") -> Answer:
    """What a client gets if the function has failed: status 502, or 504 if it was late."""
    headers = [("content-type", "application/json; charset=utf-8"), _call_id()]
    return status, headers, f'{{"message":"{message or _MESSAGES[status]}"}}\n'.encode()


def _call_id() -> tuple[str, str]:
    return "fn-call-id", current().request_id
