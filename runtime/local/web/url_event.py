"""Function URLs: what the server adds to the event of a request, and a function's answer as an HTTP response."""

from __future__ import annotations

import re
import reprlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from dispatch import protocol
from dispatch.http import FUNCTION_URL, Request, bodies, event
from runtime.local.addresses import FUNCTION_URL_DOMAIN
from runtime.local.function import ACCOUNT
from runtime.local.values import parse_json

#: A header's name, and its value: no control character but the tab, and nothing beyond Latin-1 (RFC 9110).
NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
VALUE: Final = re.compile(r"[\t -~\x80-\xff]*")

#: Headers of one connection, which are not passed on.
HOP_BY_HOP: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "upgrade", "te", "trailer"})
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class BadAnswer(ValueError):
    """An answer that cannot be an HTTP response; the caller gets status 502."""


@dataclass(slots=True)
class HttpAnswer:
    """An HTTP response; cookies are among the headers."""

    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""


def make_event(request: Request, name: str, request_id: str) -> dict[str, Any]:
    """Return the event of a request to the URL of the function `name`."""
    now = time.time()
    domain = request.host if request.host and request.host.endswith(FUNCTION_URL_DOMAIN) else name + FUNCTION_URL_DOMAIN
    made = event(
        request,
        FUNCTION_URL,
        {
            "accountId": ACCOUNT,
            "apiId": name,
            "domainName": domain,
            "domainPrefix": name,
            "requestId": request_id,
            "time": clf_time(now),
            "timeEpoch": int(now * 1000),
        },
    )
    # As it was sent, which it has always been here; AWS decodes it.
    made["requestContext"]["http"]["path"] = made["rawPath"]
    return made


def clf_time(now: float) -> str:
    """Return a time as web servers log it, whatever the locale: 12/Mar/2020:19:03:58 +0000."""
    parts = time.gmtime(now)
    return time.strftime(f"%d/{MONTHS[parts.tm_mon - 1]}/%Y:%H:%M:%S +0000", parts)


def read_answer(body: bytes) -> HttpAnswer:
    """Return an answer as a response: an object with `statusCode`, or any JSON as its own body.

    Raises:
        BadAnswer: the answer is neither.
    """
    try:
        value = parse_json(body) if body else None
    except ValueError as error:
        raise BadAnswer(
            f"the answer of a function URL must be JSON: {error}; to answer with text, set HANDLER_HTTP_BODY=1,"
            " or return an HTTPResponse"
        ) from error
    if not isinstance(value, dict) or "statusCode" not in value:
        return HttpAnswer(headers=[("content-type", protocol.JSON)], body=body)
    answer = read_head(value)
    answer.body = _decoded(value)
    # An answer without a body may have headers that leave the type out, as redirects do.
    has_none = not any(name.lower() == "content-type" for name, _ in answer.headers)
    if has_none and (answer.body or value.get("headers") is None):
        answer.headers.append(("content-type", protocol.JSON))
    return answer


def read_head(value: Mapping[str, Any]) -> HttpAnswer:
    """Return the status, headers and cookies of an answer or of a prelude.

    Raises:
        BadAnswer: one of them is not valid.
    """
    given, headers, cookies = value.get("statusCode", 200), value.get("headers") or {}, value.get("cookies") or []
    try:
        status = int(given)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadAnswer(f"statusCode must be a number, not {reprlib.repr(given)}") from error
    if not 200 <= status <= 599:
        raise BadAnswer(f"statusCode must be a number from 200 to 599, not {reprlib.repr(given)}")
    if not isinstance(headers, dict):
        raise BadAnswer(f"the headers of an answer must be an object, not {reprlib.repr(headers)}")
    if not isinstance(cookies, list):
        raise BadAnswer(f"the cookies of an answer must be a list, not {reprlib.repr(cookies)}")
    pairs = [(_renamed(key), _text(item)) for key, item in headers.items() if key.lower() not in HOP_BY_HOP]
    pairs += [("set-cookie", _text(cookie)) for cookie in cookies]
    for name, text in pairs:
        if not NAME.fullmatch(name) or not VALUE.fullmatch(text):
            raise BadAnswer(f"HTTP cannot express the header {reprlib.repr(name)} with the value {reprlib.repr(text)}")
    return HttpAnswer(status, pairs)


def relocate(location: str, host: str, prefix: str) -> str:
    """Put the address of a function before the path of a redirect, for a client that did not use its host name.

    Args:
        location: what the function sent: a URL, or a part of one.
        host: the Host header of the request.
        prefix: the address, a path.
    """
    scheme, separator, rest = location.partition("://")
    origin = ""
    if separator and scheme.lower() in {"http", "https"}:
        authority, slash, path = rest.partition("/")
        if authority.lower() != host.lower():
            return location
        origin, location = f"{scheme}://{authority}", slash + path or "/"
    if not location.startswith("/") or location.startswith(("//", f"{prefix}/")) or location == prefix:
        return origin + location
    return origin + prefix + location


def _renamed(name: str) -> str:
    """Keep a length that the function sets under another name, as Lambda does: the server sends the real one."""
    return protocol.AMZN_REMAPPED_LENGTH.lower() if name.lower() == "content-length" else name


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _decoded(value: Mapping[str, Any]) -> bytes:
    body = value.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise BadAnswer(f"the body of an answer must be text, not {type(body).__name__}; encode it as JSON yourself")
    try:
        return bodies.decode(body, is_base64=True) if value.get("isBase64Encoded") else body.encode()
    except UnicodeEncodeError as error:
        raise BadAnswer(f"the body of an answer must be text that UTF-8 can express: {error}") from error
    except ValueError as error:
        raise BadAnswer(f"isBase64Encoded is true, but the body is not valid base64: {error}") from error
