"""What an HTTP event says, read by its kind: the arguments of a `Request`.

The formats are those of AWS's developer guides for API Gateway ("Lambda proxy integrations", "AWS Lambda integrations
for HTTP APIs"), Lambda ("Invoking Lambda function URLs") and Elastic Load Balancing ("Lambda functions as targets").
docs/guides/http.md has what they leave open.
"""

from __future__ import annotations

from dispatch.errors import UnmarshalError
from dispatch.http import bodies, percent
from dispatch.http.kinds import ALB, ALB_MULTI_VALUE, FUNCTION_URL, HTTP_API, REST_API

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Event = dict[str, Any]
    Pairs = list[tuple[str, str]]

_NAMES = {str: "text", dict: "an object", list: "a list", bool: "true or false"}
_REQUIRED = object()
_PORT_DIGITS = 5


def read(event: Event, kind: str) -> dict[str, Any]:
    """The keyword arguments of the `Request` that an event of this kind is. Raises UnmarshalError naming the field."""
    found = _READERS[kind](event)
    found["body"] = _body(event)
    headers = {name.lower(): value for name, value in found["headers"]}
    scheme = headers.get("x-forwarded-proto", "").lower()
    # Only a load balancer serves plain HTTP.
    default = "http" if kind in {ALB, ALB_MULTI_VALUE} else "https"
    found["scheme"] = scheme if scheme in {"http", "https"} else default
    found["port"] = port(headers.get("x-forwarded-port", ""))
    if "host" not in headers:
        found["host"] = _text(event, "requestContext.domainName", "") or None
    return found


def port(text: str) -> int | None:
    """The number of a port, in digits; None for anything else."""
    return int(text) if text.isdecimal() and len(text) <= _PORT_DIGITS else None


def _rest_api(event: Event) -> dict[str, Any]:
    path = _text(event, "path")
    stage = _text(event, "requestContext.stage", "")
    # On API Gateway's own domain the stage is in the URL, but not in `path`.
    has_stage = stage and _text(event, "requestContext.path", "") in {f"/{stage}{path}", f"/{stage}{path}".rstrip("/")}
    query = _pairs(event, "queryStringParameters", "multiValueQueryStringParameters", str)
    return {
        "method": _text(event, "httpMethod"),
        # Only HTTP APIs write a version into this format, and they decode the path.
        "raw_path": _raw_path(path, decoded=event.get("version") == "1.0"),
        "raw_query": percent.encode_query(query, sent=False),
        "headers": _pairs(event, "headers", "multiValueHeaders", str.lower),
        "client": _text(event, "requestContext.identity.sourceIp", "") or None,
        "http_version": _version(_text(event, "requestContext.protocol", "")),
        "base_path": f"/{stage}" if has_stage else "",
    }


def _http_api(event: Event) -> dict[str, Any]:
    return _payload_2(event, decoded=True)


def _function_url(event: Event) -> dict[str, Any]:
    return _payload_2(event, decoded=False)


def _payload_2(event: Event, *, decoded: bool) -> dict[str, Any]:
    headers = _pairs(event, "headers", "", str.lower)
    cookies = _texts(event.get("cookies") or [], "cookies")
    if cookies:
        # Function URLs have them among the headers, too.
        headers = [pair for pair in headers if pair[0].lower() != "cookie"]
        headers.append(("cookie", "; ".join(cookies)))
    return {
        "method": _text(event, "requestContext.http.method"),
        "raw_path": _raw_path(_text(event, "rawPath"), decoded=decoded),
        "raw_query": percent.encode(_text(event, "rawQueryString", ""), percent.SENT_QUERY),
        "headers": headers,
        "client": _text(event, "requestContext.http.sourceIp", "") or None,
        "http_version": _version(_text(event, "requestContext.http.protocol", "")),
    }


def _load_balancer(event: Event) -> dict[str, Any]:
    query = _pairs(event, "queryStringParameters", "multiValueQueryStringParameters", str)
    headers = _pairs(event, "headers", "multiValueHeaders", str.lower)
    return {
        "method": _text(event, "httpMethod"),
        "raw_path": _raw_path(_text(event, "path"), decoded=False),
        "raw_query": percent.encode_query(query, sent=True),
        "headers": headers,
        "client": _last_hop([value for name, value in headers if name.lower() == "x-forwarded-for"]),
    }


_READERS: dict[str, Callable[[Event], dict[str, Any]]] = {
    REST_API: _rest_api,
    HTTP_API: _http_api,
    FUNCTION_URL: _function_url,
    ALB: _load_balancer,
    ALB_MULTI_VALUE: _load_balancer,
}


def _find(event: Event, field: str, kind: type, default: Any = _REQUIRED) -> Any:
    """The value at a dotted field; null is as good as missing."""
    value: Any = event
    for key in field.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    if value is None and default is not _REQUIRED:
        return default
    if not isinstance(value, kind):
        raise _malformed(field, value, kind)
    return value


def _text(event: Event, field: str, default: Any = _REQUIRED) -> str:
    text: str = _find(event, field, str, default)
    return text


def _texts(values: Any, field: str) -> list[str]:
    if not isinstance(values, list):
        raise _malformed(field, values, list)
    for value in values:
        if not isinstance(value, str):
            raise _malformed(field, value, str)
    return values


def _malformed(field: str, value: Any, kind: type) -> UnmarshalError:
    found = "missing" if value is None else f"of type {type(value).__name__}"
    return UnmarshalError(f"malformed HTTP event: {field} is {found}; it has to be {_NAMES[kind]}")


def _pairs(event: Event, single: str, multi: str, key: Callable[[str], str]) -> Pairs:
    """Names and values from both fields of the event; what is in the one with lists is not taken from the other."""
    pairs: Pairs = []
    for name, values in (_find(event, multi, dict, {}) if multi else {}).items():
        pairs += [(name, value) for value in _texts(values, f"{multi}.{name}")]
    if not pairs:
        return _singles(event, single)
    known = {key(name) for name, _ in pairs}
    return pairs + [pair for pair in _singles(event, single) if key(pair[0]) not in known]


def _singles(event: Event, field: str) -> Pairs:
    pairs: Pairs = list(_find(event, field, dict, {}).items())
    for name, value in pairs:
        if not isinstance(value, str):
            raise _malformed(f"{field}.{name}", value, str)
    return pairs


def _raw_path(path: str, *, decoded: bool) -> str:
    raw = percent.encode(path, percent.DECODED_PATH if decoded else percent.SENT_PATH)
    return raw if raw.startswith("/") else f"/{raw}"


def _version(protocol: str) -> str | None:
    """`HTTP/1.1` → `1.1`, `HTTP/2.0` → `2`, as ASGI has them."""
    name, _, version = protocol.partition("/")
    return {"2.0": "2", "3.0": "3"}.get(version, version) or None if name == "HTTP" else None


def _last_hop(forwarded: list[str]) -> str | None:
    """The address that the load balancer itself put into X-Forwarded-For; those before it are as the client sent them.

    A health check has none. A port may follow it, and then an IPv6 address has brackets.
    """
    last = forwarded[-1].rpartition(",")[2].strip() if forwarded else ""
    if last.startswith("["):
        return last[1:].partition("]")[0]
    return (last.partition(":")[0] if last.count(":") == 1 else last) or None


def _body(event: Event) -> bytes:
    is_base64 = _find(event, "isBase64Encoded", bool, default=False)
    try:
        return bodies.decode(_text(event, "body", ""), is_base64=is_base64)
    except ValueError as error:
        raise UnmarshalError(
            f"malformed HTTP event: isBase64Encoded is true, but body is not base64: {error}"
        ) from error
