"""Function URLs in payload format 2.0: an HTTP request as an event, and a function's answer as an HTTP response."""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

from runtime.local.function import ACCOUNT

#: Content types whose bodies stay text; any other body is base64.
TEXT_TYPES: Final = ("text/", "application/json", "application/xml", "application/javascript")
#: What belongs to one connection and not to the message.
HOP_BY_HOP: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer"})
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class BadAnswer(ValueError):
    """An answer that can't be an HTTP response; the caller gets status 502."""


@dataclass(slots=True)
class HttpRequest:
    """The parts of a request that an event is made of; `headers` are pairs, `path` and `query` as they were sent."""

    method: str
    path: str
    query: str
    headers: Iterable[tuple[str, str]]
    body: bytes
    source_ip: str
    protocol: str = "HTTP/1.1"


@dataclass(slots=True)
class HttpAnswer:
    """The head of a response; cookies are among the headers."""

    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""


def make_event(request: HttpRequest, name: str, request_id: str) -> dict[str, Any]:
    """The event of a request to the URL of the function `name`."""
    headers = _joined((key.lower(), value) for key, value in request.headers)
    cookies = headers.pop("cookie", "")
    now = time.time()
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": request.path,
        "rawQueryString": request.query,
        "headers": headers,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": name,
            "domainName": headers.get("host", "localhost").rsplit(":", 1)[0],
            "domainPrefix": name,
            "http": {
                "method": request.method,
                "path": request.path,
                "protocol": request.protocol,
                "sourceIp": request.source_ip,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": request_id,
            "routeKey": "$default",
            "stage": "$default",
            "time": _clf_time(now),
            "timeEpoch": int(now * 1000),
        },
        "isBase64Encoded": False,
    }
    if cookies:
        event["cookies"] = [cookie.strip() for cookie in cookies.split(";")]
    if request.query:
        event["queryStringParameters"] = _joined(parse_qsl(request.query, keep_blank_values=True))
    if request.body:
        event["body"], event["isBase64Encoded"] = _body(request.body, headers.get("content-type", ""))
    return event


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Pairs as a mapping; what comes several times is joined by commas."""
    found: dict[str, list[str]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return {key: ",".join(values) for key, values in found.items()}


def _body(body: bytes, content_type: str) -> tuple[str, bool]:
    if content_type.lower().startswith(TEXT_TYPES):
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(body).decode(), True


def _clf_time(now: float) -> str:
    """As web servers log it, whatever the locale: 12/Mar/2020:19:03:58 +0000."""
    parts = time.gmtime(now)
    return time.strftime(f"%d/{MONTHS[parts.tm_mon - 1]}/%Y:%H:%M:%S +0000", parts)


def read_answer(body: bytes) -> HttpAnswer:
    """The response that a function's answer asks for: an object with `statusCode`, or any JSON as its own body."""
    try:
        value = json.loads(body) if body else None
    except ValueError as error:
        raise BadAnswer(f"a function URL needs an answer in JSON: {error}") from error
    if not isinstance(value, dict) or "statusCode" not in value:
        return HttpAnswer(headers=[("content-type", "application/json")], body=body)
    answer = read_head(value)
    if not any(name.lower() == "content-type" for name, _ in answer.headers):
        answer.headers.append(("content-type", "application/json"))
    answer.body = _decoded(value)
    return answer


def read_head(value: Mapping[str, Any]) -> HttpAnswer:
    """Status, headers and cookies, of an answer or of a prelude; raise `BadAnswer`."""
    try:
        status = int(value.get("statusCode", 200))
    except (TypeError, ValueError) as error:
        raise BadAnswer(f"statusCode is a number, not {value['statusCode']!r}") from error
    headers, cookies = value.get("headers") or {}, value.get("cookies") or []
    if not isinstance(headers, dict) or not isinstance(cookies, list) or not 200 <= status <= 599:
        raise BadAnswer(f"an answer has a status of 200 to 599, an object of headers, a list of cookies, not {value!r}")
    pairs = [(_renamed(str(key)), _text(item)) for key, item in headers.items() if key.lower() not in HOP_BY_HOP]
    return HttpAnswer(status, pairs + [("set-cookie", str(cookie)) for cookie in cookies])


def _renamed(name: str) -> str:
    """The length is what the server sends; the function's own word for it is kept under another name, as on Lambda."""
    return "x-amzn-remapped-content-length" if name.lower() == "content-length" else name


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _decoded(value: Mapping[str, Any]) -> bytes:
    body = value.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise BadAnswer(f"the body of an answer is text, not {type(body).__name__}: encode it as JSON yourself")
    if not value.get("isBase64Encoded"):
        return body.encode()
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise BadAnswer(f"the body is said to be base64 and is not: {error}") from error
