"""Events made from requests, as AWS makes them: for tests, and for servers that stand in for AWS."""

from __future__ import annotations

from dispatch.http import bodies, percent
from dispatch.http.kinds import ALB, ALB_MULTI_VALUE, FUNCTION_URL, HTTP_API, KINDS, REST_API
from dispatch.http.request import PORTS, host_and_port

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

    from dispatch.http.request import Request

    Pairs = Iterable[tuple[str, str]]

_ARN = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/functions/49e9d65c45c6791a"


def event(request: Request, kind: str = FUNCTION_URL, context: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The event that AWS would make of a request.

    It loses what its kind cannot express, as AWS does: payload 2.0 joins repeated headers with commas, a load balancer
    without multi-value headers keeps the last of repeated headers and query values, formats with query values in an
    object group equal names, an HTTP API decodes the path. Scheme, port and, for load balancers, the client's address
    become `X-Forwarded-` headers where the request has none and the kind's default is another.

    Args:
        request: the request; the event's path begins with its `base_path`.
        kind: one of `dispatch.http.KINDS`.
        context: what else is in `requestContext`: ids, times, an authorizer's claims.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown kind of HTTP event: {kind!r}; known kinds: {', '.join(KINDS)}")
    made = _MAKERS[kind](request)
    made["requestContext"].update(context or {})
    return made


def _rest_api(request: Request) -> dict[str, Any]:
    headers = _headers(request, "https")
    path = request.base_path + request.raw_path
    body, is_base64 = _body(request)
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": request.method,
        "headers": _last(headers),
        "multiValueHeaders": _lists(headers),
        "queryStringParameters": _last(request.query) or None,
        "multiValueQueryStringParameters": _lists(request.query) or None,
        "pathParameters": {"proxy": path.removeprefix("/")},
        "stageVariables": None,
        "requestContext": {
            "domainName": request.host or "localhost",
            "httpMethod": request.method,
            "identity": {"sourceIp": request.client, "userAgent": request.headers.get("user-agent")},
            "path": path,
            "protocol": _protocol(request),
            "resourcePath": "/{proxy+}",
            "stage": "prod",
        },
        "body": body or None,
        "isBase64Encoded": is_base64,
    }


def _http_api(request: Request) -> dict[str, Any]:
    path = percent.decode_text(request.base_path + request.raw_path)
    return _payload_2(request, path, path, request.host or "localhost")


def _function_url(request: Request) -> dict[str, Any]:
    path = request.base_path + request.raw_path
    domain = request.host if request.host and ".lambda-url." in request.host else "function.lambda-url.localhost"
    return _payload_2(request, path, percent.decode_text(path), domain)


def _payload_2(request: Request, raw_path: str, path: str, domain: str) -> dict[str, Any]:
    headers = _joined((name.lower(), value) for name, value in _headers(request, "https"))
    cookies = headers.pop("cookie", "")
    made: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": raw_path,
        "rawQueryString": request.raw_query,
        "headers": headers,
        "requestContext": {
            "domainName": domain,
            "domainPrefix": domain.partition(".")[0],
            "http": {
                "method": request.method,
                "path": path,
                "protocol": _protocol(request),
                "sourceIp": request.client or "",
                "userAgent": headers.get("user-agent", ""),
            },
            "routeKey": "$default",
            "stage": "$default",
        },
        "isBase64Encoded": False,
    }
    if cookies:
        made["cookies"] = [cookie.strip() for cookie in cookies.split(";")]
    if request.raw_query:
        made["queryStringParameters"] = _joined(request.query)
    if request.body:
        made["body"], made["isBase64Encoded"] = _body(request)
    return made


def _load_balancer(request: Request) -> dict[str, Any]:
    return _balanced(request, "headers", "queryStringParameters", _last)


def _multi_value_load_balancer(request: Request) -> dict[str, Any]:
    return _balanced(request, "multiValueHeaders", "multiValueQueryStringParameters", _lists)


def _balanced(
    request: Request, headers: str, query: str, gathered: Callable[[Pairs], dict[str, Any]]
) -> dict[str, Any]:
    body, is_base64 = _body(request)
    sent = [piece.partition("=") for piece in request.raw_query.split("&") if piece]
    return {
        "requestContext": {"elb": {"targetGroupArn": _ARN}},
        "httpMethod": request.method,
        "path": request.base_path + request.raw_path,
        query: gathered((name, value) for name, _, value in sent),
        headers: gathered((name.lower(), value) for name, value in _headers(request, "http", has_context=False)),
        "body": body,
        "isBase64Encoded": is_base64,
    }


_MAKERS: dict[str, Callable[[Request], dict[str, Any]]] = {
    REST_API: _rest_api,
    HTTP_API: _http_api,
    FUNCTION_URL: _function_url,
    ALB: _load_balancer,
    ALB_MULTI_VALUE: _multi_value_load_balancer,
}


def _headers(request: Request, scheme: str, *, has_context: bool = True) -> list[tuple[str, str]]:
    """The request's headers, and those without which reading the event would not find the request again."""
    known = {"x-forwarded-proto": request.scheme if request.scheme != scheme else None}
    _, port = host_and_port(request.headers.get("host", ""))
    if request.port != (port or PORTS[request.scheme]):
        known["x-forwarded-port"] = str(request.port)
    if not has_context:
        known |= {"x-forwarded-for": request.client, "host": request.host}
    missing = [(name, value) for name, value in known.items() if value and name not in request.headers]
    return [*request.header_pairs, *missing]


def _protocol(request: Request) -> str:
    return f"HTTP/{request.http_version or '1.1'}"


def _body(request: Request) -> tuple[str, bool]:
    if not request.body:
        return "", False
    content_type = request.headers.get("content-type", "").lower()
    return bodies.encode(request.body, as_text=content_type.startswith(bodies.TEXT_TYPES))


def _lists(pairs: Pairs) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def _last(pairs: Pairs) -> dict[str, str]:
    return dict(pairs)


def _joined(pairs: Pairs) -> dict[str, str]:
    return {name: ",".join(values) for name, values in _lists(pairs).items()}
