"""What the tests of HTTP events share: events of every kind, and what a client gets of an answer."""

from __future__ import annotations

import base64
from typing import Any

from dispatch import http

#: For each kind an event of `GET /`.
EVENTS: dict[str, dict[str, Any]] = {
    http.REST_API: {
        "resource": "/{proxy+}",
        "path": "/",
        "httpMethod": "GET",
        "headers": {"Host": "example.com"},
        "multiValueHeaders": {"Host": ["example.com"]},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "requestContext": {
            "identity": {"sourceIp": "203.0.113.7"},
            "path": "/",
            "protocol": "HTTP/1.1",
            "stage": "prod",
        },
        "body": None,
        "isBase64Encoded": False,
    },
    http.HTTP_API: {
        "version": "2.0",
        "rawPath": "/",
        "rawQueryString": "",
        "headers": {"host": "example.com"},
        "requestContext": {
            "domainName": "example.com",
            "http": {"method": "GET", "path": "/", "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7"},
            "stage": "$default",
        },
        "isBase64Encoded": False,
    },
    http.FUNCTION_URL: {
        "version": "2.0",
        "rawPath": "/",
        "rawQueryString": "",
        "headers": {"host": "abc.lambda-url.us-east-1.on.aws"},
        "requestContext": {
            "domainName": "abc.lambda-url.us-east-1.on.aws",
            "http": {"method": "GET", "path": "/", "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7"},
            "stage": "$default",
        },
        "isBase64Encoded": False,
    },
    http.ALB: {
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:::targetgroup/a/b"}},
        "httpMethod": "GET",
        "path": "/",
        "queryStringParameters": {},
        "headers": {"host": "example.com", "x-forwarded-for": "203.0.113.7"},
        "body": "",
        "isBase64Encoded": False,
    },
    http.ALB_MULTI_VALUE: {
        "requestContext": {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:::targetgroup/a/b"}},
        "httpMethod": "GET",
        "path": "/",
        "multiValueQueryStringParameters": {},
        "multiValueHeaders": {"host": ["example.com"], "x-forwarded-for": ["203.0.113.7"]},
        "body": "",
        "isBase64Encoded": False,
    },
}


def changed(kind: str, **fields: Any) -> dict[str, Any]:
    """The event of a kind with other fields; `http` and `context` go into its requestContext."""
    event = EVENTS[kind]
    context = {**event["requestContext"], **fields.pop("context", {})}
    if "http" in context:
        context["http"] = {**context["http"], **fields.pop("http", {})}
    return {**event, **fields, "requestContext": context}


def delivered(kind: str, answer: dict[str, Any]) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, headers and body that the client gets of an answer, by the rules of AWS's guides."""
    pairs = list((answer.get("headers") or {}).items())
    if kind == http.REST_API:
        # Both fields are merged; of a pair that is in both, one stays.
        lists = [(name, value) for name, values in (answer.get("multiValueHeaders") or {}).items() for value in values]
        pairs = [pair for pair in pairs if pair not in lists] + lists
    elif kind == http.ALB_MULTI_VALUE:
        pairs = [(name, value) for name, values in answer["multiValueHeaders"].items() for value in values]
    elif kind != http.ALB:
        pairs += [("set-cookie", cookie) for cookie in answer.get("cookies") or ()]
    body = answer.get("body") or ""
    content = base64.b64decode(body) if answer.get("isBase64Encoded") else body.encode()
    return answer["statusCode"], sorted((name.lower(), value) for name, value in pairs), content
