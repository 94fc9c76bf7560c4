"""The `digitalocean` port: `main(event, context)`, a function of DigitalOcean, which runs them on OpenWhisk.

The call and the context follow the runtime's source, nimbella/openwhisk-runtime-python
(core/python3Action/lib/prelauncher.py); `event["http"]` and the answers DigitalOcean's reference: "Parameters and
Responses" and "Functions Python Runtime". The rest is OpenWhisk's: see `web_actions`.
"""

from __future__ import annotations

import time

from conventions.ports import web_actions
from conventions.ports.parameters import positional

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dispatch.http import Request
    from dispatch.invocation import Invocation
    from dispatch.types import Conventions, Handler, UserFunction


def digitalocean(function: UserFunction) -> Handler:
    """main(event: dict, context: Context), both optional -> a dictionary, or nothing."""
    count = positional(function)

    def call(event: Any, invocation: Invocation) -> Any:
        return function(*(event, Context(invocation))[:count]) or {}

    return web_actions.handler(call, _event)


class Context:
    """The second argument of `main`."""

    def __init__(self, invocation: Invocation) -> None:
        variables = web_actions.environment(invocation)
        self.function_name = variables["__OW_ACTION_NAME"]
        self.function_version = variables["__OW_ACTION_VERSION"]
        self.activation_id = variables["__OW_ACTIVATION_ID"]
        self.request_id = variables["__OW_TRANSACTION_ID"]
        self.deadline = int(variables["__OW_DEADLINE"])
        self.namespace = variables["__OW_NAMESPACE"]
        self.api_host = self.api_key = ""  # of an API that Lambda does not have

    def get_remaining_time_in_millis(self) -> int:
        """The milliseconds until the deadline, never less than 0."""
        return max(0, self.deadline - int(time.time() * 1000))


def _event(arguments: dict[str, Any], request: Request) -> dict[str, Any]:
    """OpenWhisk's arguments, which DigitalOcean calls legacy, and the request as `http`."""
    body, is_base64 = web_actions.opaque(request, json_as_text=True)
    http = {"headers": arguments["__ow_headers"], "method": request.method, "path": arguments["__ow_path"]}
    if "__ow_query" in arguments:
        http |= {"body": body, "isBase64Encoded": is_base64, "queryString": request.raw_query}
    elif is_base64 and "__ow_body" in arguments:
        arguments["__ow_isBase64Encoded"] = True
    return {**arguments, "http": http}


def dispatch_conventions() -> Conventions:
    """The convention for a function of DigitalOcean."""
    return {"digitalocean": digitalocean}
