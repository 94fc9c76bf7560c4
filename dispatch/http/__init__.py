'''HTTP events of every kind as one `Request`, and answers in the format that the event's sender expects.

A convention for HTTP, as a plugin:

    import json
    from dispatch import Response, http

    def pages(function):
        """handler(request) -> (status, headers, body), for events of HTTP."""

        def handle(invocation):
            request = http.Request.from_event(json.loads(invocation.body))
            status, headers, body = function(request)
            answer = http.reply(request, status, headers, body)
            return Response(json.dumps(answer).encode(), "application/json")

        return handle

    def dispatch_conventions():
        return {"pages": pages}

Frameworks get `request.environ()` (WSGI) or `request.scope()` (ASGI). `http.kind(event)` is None for other events.
Nothing here is imported unless a convention imports it.
'''

from dispatch.http.events import event
from dispatch.http.kinds import ALB, ALB_MULTI_VALUE, FUNCTION_URL, HTTP_API, KINDS, REST_API, kind
from dispatch.http.replies import reply, streamed_reply
from dispatch.http.request import Request

__all__ = [
    "ALB",
    "ALB_MULTI_VALUE",
    "FUNCTION_URL",
    "HTTP_API",
    "KINDS",
    "REST_API",
    "Request",
    "event",
    "kind",
    "reply",
    "streamed_reply",
]
