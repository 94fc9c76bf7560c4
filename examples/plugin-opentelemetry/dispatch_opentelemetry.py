"""A span for each invocation, with the attributes that OpenTelemetry's own instrumentation of AWS Lambda sets."""

import json
import os
import sys
from urllib.parse import urlencode

from dispatch import Invocation

#: The spans of the invocations that are being handled.
_open = set()
#: Whether an invocation is the environment's first: True once.
_cold = iter([True])


def dispatch_startup(function):
    from opentelemetry import trace

    if not hasattr(trace.get_tracer_provider(), "force_flush"):
        hint = "set one in the function's module, or start the function through opentelemetry-instrument"
        print(f"dispatch_opentelemetry: no TracerProvider is set, so no spans are sent; {hint}", file=sys.stderr)


def dispatch_before_invoke(invocation):
    from opentelemetry import context, propagate, trace

    event = _parsed(invocation.body)
    headers = _headers(event)
    parent = propagate.extract(headers)
    attributes = {**_of_invocation(invocation), **_of_event(event, headers), "faas.coldstart": next(_cold, False)}
    name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "function")
    span = trace.get_tracer(__name__).start_span(name, parent, trace.SpanKind.SERVER, attributes)
    _open.add(span)
    invocation.stash[__name__] = span, context.attach(trace.set_span_in_context(span, parent)), event


def dispatch_after_invoke(invocation, response, error):
    from opentelemetry import context, trace

    span, token, event = invocation.stash[__name__]
    context.detach(token)
    if error is not None:
        span.record_exception(error)
        span.set_status(trace.StatusCode.ERROR, f"{type(error).__name__}: {error}")
    elif event.get("requestContext") and isinstance(response.body, bytes):
        status = _parsed(response.body).get("statusCode")
        span.set_attributes({"http.status_code": status} if status else {})
    _end(span, invocation.remaining_time)


def dispatch_shutdown(reason):
    from opentelemetry import trace

    for span in list(_open):
        span.set_status(trace.StatusCode.ERROR, f"the execution environment ended: {reason}")
        _end(span, 1)


def _end(span, seconds):
    """End a span and send what was measured, because Lambda stops the process between two events."""
    from opentelemetry import metrics, trace

    span.end()
    _open.discard(span)
    for provider in (trace.get_tracer_provider(), metrics.get_meter_provider()):
        if hasattr(provider, "force_flush"):
            provider.force_flush(int(min(seconds, 30) * 1000))


def _object(value):
    return value if isinstance(value, dict) else {}


def _parsed(body):
    try:
        return _object(json.loads(body))
    except ValueError:
        return {}


def _headers(event):
    """The headers of an HTTP event, or of any event that has some, by names in any case."""
    single, several = (_object(event.get(key)) for key in ("headers", "multiValueHeaders"))
    sent = {**single, **{name: values[0] for name, values in several.items() if values and isinstance(values, list)}}
    return Invocation(b"", {name: str(value) for name, value in sent.items()}).headers


def _of_invocation(invocation):
    arn = (invocation.invoked_function_arn or "").split(":")
    where = {"cloud.account.id": arn[4], "cloud.resource_id": ":".join(arn[:7])} if len(arn) > 6 else {}
    return {"faas.invocation_id": invocation.request_id, **where}


def _of_event(event, headers):
    about = event.get("requestContext")
    if not about:
        records = event.get("Records")
        first = _object(records[0]) if records and isinstance(records, list) else {}
        return {"faas.trigger": "pubsub"} if first.get("eventSource") == "aws:sqs" else {}
    if event.get("version") == "2.0":
        http, query = _object(_object(about).get("http")), event.get("rawQueryString")
        method, agent, route = map(http.get, ("method", "userAgent", "path"))
        scheme, host = None, _object(about).get("domainName")
    else:
        method, query = event.get("httpMethod"), urlencode(_object(event.get("queryStringParameters")))
        agent, scheme, host = map(headers.get, ("User-Agent", "X-Forwarded-Proto", "Host"))
        route = event.get("resource")
    found = {
        "faas.trigger": "http", "http.method": method, "http.user_agent": agent, "http.scheme": scheme,
        "net.host.name": host, "http.route": route, "http.target": f"{route}?{query}" if query else route,
    }  # fmt: skip
    return {name: value for name, value in found.items() if value is not None}
