"""The `alibaba` convention: `def handler(event, context)` of Function Compute 3.0, whose events are bytes.

Source: Alibaba Cloud's pages on Function Compute, "Handlers", "Context" and "Use an HTTP trigger to invoke a function".
"""

from __future__ import annotations

import os

from conventions.ports.neighbours import neighbour
from dispatch import current, http

TYPE_CHECKING = False
if TYPE_CHECKING:
    from conventions.ports.neighbours import Fields, Known
    from dispatch.http import Request
    from dispatch.types import Conventions


def _event(request: Request) -> Fields:
    found = http.event(request, http.FUNCTION_URL)
    cookies = {"cookie": "; ".join(found["cookies"])} if found.get("cookies") else {}
    return {
        "version": "v1",
        "rawPath": found["rawPath"],
        "headers": {**found["headers"], **cookies},
        "queryParameters": found.get("queryStringParameters", {}),
        "requestContext": {"accountId": "", "requestId": current().request_id, **found["requestContext"]},
        "body": found.get("body", ""),
        "isBase64Encoded": found["isBase64Encoded"],
    }


class _Context:
    """The context of Alibaba's Function Compute, as far as there is something to tell."""

    def __init__(self, known: Known) -> None:
        from logging import getLogger
        from types import SimpleNamespace as Named

        environ = os.environ.get
        self.request_id = self.requestId = known.request_id
        self.region, self.account_id = environ("AWS_REGION", ""), ""
        self.function = Named(
            name=known.function_name,
            handler=environ("HANDLER") or environ("_HANDLER", ""),
            memory=known.memory_limit_in_mb,
            timeout=known.get_remaining_time_in_millis() // 1000,
        )
        self.service = Named(name="", log_project="", log_store="", qualifier="", version_id=known.function_version)
        self.credentials = Named(
            access_key_id=environ("AWS_ACCESS_KEY_ID", ""),
            access_key_secret=environ("AWS_SECRET_ACCESS_KEY", ""),
            security_token=environ("AWS_SESSION_TOKEN", ""),
        )
        self.logger = getLogger()


def dispatch_conventions() -> Conventions:
    """The convention for a function of Alibaba's Function Compute."""
    return {"alibaba": neighbour(_event, _Context, as_bytes=True)}
