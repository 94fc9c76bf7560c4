"""Sample events of HTTP, made from the parts of a request."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

from dispatch import http

#: The samples that are HTTP requests, and the kinds of their events.
HTTP_KINDS: Final[Mapping[str, str]] = {
    "alb": http.ALB,
    "api-gateway": http.REST_API,
    "function-url": http.FUNCTION_URL,
    "http-api": http.HTTP_API,
}

REQUEST_PARTS: Final = ("method", "path", "query", "headers", "cookies", "body")

#: What an event may lack, and the object that it is then put into: "" is the event.
CONTEXT_PARTS: Final[Mapping[str, tuple[str, str]]] = {
    "path_parameters": ("", "pathParameters"),
    "stage_variables": ("", "stageVariables"),
    "authorizer": ("requestContext", "authorizer"),
}

PARTS: Final = (*REQUEST_PARTS, *CONTEXT_PARTS)


def requested(name: str, event: dict[str, Any], fields: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The event of a request like the sample's with other parts, and the fields that are none of these."""
    parts = {part: fields[part] for part in REQUEST_PARTS if part in fields}
    made = _routed(event, _made(name, event, parts), moved="path" in parts) if parts else event
    for part in CONTEXT_PARTS.keys() & fields.keys():
        place, key = CONTEXT_PARTS[part]
        (made[place] if place else made)[key] = fields[part]
    return made, {field: value for field, value in fields.items() if field not in PARTS}


def _made(name: str, event: dict[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
    was = http.Request.from_event(event)
    path, _, query = parts.get("path", was.raw_path).partition("?")
    query = parts.get("query", query if "path" in parts and query else was.raw_query)
    headers = _pairs(parts.get("headers", {}))
    if "cookies" in parts:
        headers.append(("cookie", "; ".join(f"{key}={value}" for key, value in _pairs(parts["cookies"]))))
    body = was.body if "body" not in parts else b"" if parts["body"] is None else text_or_json(parts["body"])
    if isinstance(parts.get("body"), dict | list) and "content-type" not in was.headers:
        headers.insert(0, ("content-type", "application/json"))
    replaced = {header.lower() for header, _ in headers}
    request = http.Request(
        parts.get("method", was.method),
        quote(path, safe="/%!$&'()*+,;=:@~"),
        query if isinstance(query, str) else urlencode(query, doseq=True),
        [*(pair for pair in was.header_pairs if pair[0].lower() not in replaced), *headers],
        body,
        client=was.client,
        scheme=was.scheme,
        http_version=was.http_version,
    )
    return http.event(request, HTTP_KINDS[name])


def _routed(event: Mapping[str, Any], made: dict[str, Any], *, moved: bool) -> dict[str, Any]:
    """The event that was made, with the rest of the sample's context, and with its route unless the path is another."""
    context = {**event["requestContext"], **made["requestContext"]}
    if not moved:
        made |= {key: event[key] for key in ("resource", "pathParameters") if key in event}
        context |= {key: event["requestContext"][key] for key in ("resourcePath", "path") if key in context}
        if " " in event.get("routeKey", ""):
            route = event["routeKey"].partition(" ")[2]
            made["routeKey"] = context["routeKey"] = f"{context['http']['method']} {route}"
    return {**made, "requestContext": context}


def _pairs(values: Mapping[str, Any] | Iterable[Any]) -> list[tuple[str, str]]:
    """Headers or cookies: a dictionary, pairs, or texts such as `name=value`."""
    items = values.items() if isinstance(values, Mapping) else values
    split = (tuple(item.split("=", 1)) if isinstance(item, str) else item for item in items)
    return [(name, str(value)) for name, value in split]


def text_or_json(value: Any) -> bytes:
    """Text and bytes as they are, anything else as JSON."""
    if isinstance(value, bytes):
        return value
    return (value if isinstance(value, str) else json.dumps(value)).encode()
