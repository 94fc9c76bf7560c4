"""The kinds of HTTP events, and how to tell them apart."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: API Gateway, payload format 1.0: a REST API, or an HTTP API that is set to this format.
REST_API = "rest-api"
#: API Gateway, payload format 2.0.
HTTP_API = "http-api"
#: A function URL: payload format 2.0, but the path is as it was sent.
FUNCTION_URL = "function-url"
#: An Application Load Balancer.
ALB = "alb"
#: An Application Load Balancer whose target group has multi-value headers enabled.
ALB_MULTI_VALUE = "alb-multi-value"

#: All kinds of HTTP events.
KINDS = (REST_API, HTTP_API, FUNCTION_URL, ALB, ALB_MULTI_VALUE)


def kind(event: Any) -> str | None:
    """Return the kind of an HTTP event, one of `KINDS`, or None for other events; looks at a few keys only.

    Events of WebSocket APIs and of Lambda authorizers are not HTTP events: their answers have another form.
    """
    if not isinstance(event, dict) or "methodArn" in event or "routeArn" in event:
        return None
    context = event.get("requestContext")
    if not isinstance(context, dict):
        context = {}
    if "elb" in context:
        return ALB if event.get("multiValueHeaders") is None else ALB_MULTI_VALUE
    if "http" in context:
        return FUNCTION_URL if _has_encoded_path(event, context) else HTTP_API
    return REST_API if "httpMethod" in event and ("path" in event or "resource" in event) else None


def _has_encoded_path(event: dict[str, Any], context: dict[str, Any]) -> bool:
    """Whether this is a function URL's: there `http.path` is decoded and `rawPath` is not; HTTP APIs decode both."""
    if ".lambda-url." in str(context.get("domainName")):
        return True
    http = context["http"]
    return isinstance(http, dict) and http.get("path", event.get("rawPath")) != event.get("rawPath")
