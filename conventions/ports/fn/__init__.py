"""The `fn` convention: `def handler(ctx, data: io.BytesIO = None)` of the Fn Project and Oracle Functions.

fdk 0.1.128 makes the context and the response (context.py, response.py), by the rules of its runner (runner.py,
event_handler.py): an exception is a 502, a TimeoutError a 504. `gateway` has what Fn puts around both.
"""

from __future__ import annotations

import io

from conventions.ports import logs
from conventions.ports.fn import gateway
from conventions.web import event_answer, serving
from dispatch import variables
from dispatch.errors import ImportModuleError
from dispatch.protocol import JSON, OCTETS
from dispatch.response import chunks, is_iterator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from conventions.web import Answer
    from dispatch.http import Request
    from dispatch.invocation import Invocation
    from dispatch.response import Response
    from dispatch.types import Conventions, Handler, UserFunction

#: The statuses that a function cannot answer itself: for Fn they are its failures.
_FAILED, _LATE = 502, 504


def fn(function: UserFunction) -> Handler:
    """handler(ctx, data=None) -> text, bytes, fdk.response.Response; of other values the text is sent."""
    make_context, response_class = _fdk()
    streams = variables.streams()

    def called(headers: dict[str, str], body: bytes) -> tuple[int, dict[str, Any], bytes | Iterator[bytes]]:
        ctx, data = make_context("http-stream", headers={**headers, **gateway.of_call()}, data=io.BytesIO(body))
        response = function(ctx, data=data)
        if not isinstance(response, response_class):
            response = response_class(ctx, response_data=response, headers=ctx.GetResponseHeaders(), status_code=200)
        status = response.status() if response.status() in {_FAILED, _LATE} else 200
        return status, response.context().GetResponseHeaders(), _body(response)

    def respond_to(request: Request) -> Answer:
        status, headers, body = called(gateway.encapsulated(request), request.body)
        return gateway.failure(status) if status != 200 else (*gateway.decapsulated(headers), body)

    def otherwise(invocation: Invocation, event: Any) -> Response:
        content_type = OCTETS if isinstance(event, bytes) else JSON
        status, headers, body = called({"content-type": content_type}, invocation.body)
        return event_answer((status, [("content-type", headers.get("content-type", "text/plain"))], body), streams)

    return serving(respond_to, otherwise=otherwise, failed=_failed)


def _fdk() -> tuple[Any, Any]:
    """The function that makes a context, and the class of responses. Raises ImportModuleError."""
    try:
        from fdk import context, response
    except ImportError as error:
        raise ImportModuleError(
            f"the fn convention needs Fn's FDK, which cannot be imported: {error}; install fdk", module="fdk"
        ) from None
    from logging import getLogger

    # fdk.log makes the root logger write to standard error as well, and lets everything through.
    logs.only_ours(getLogger(), "fdk")
    getLogger().setLevel(logs.level())
    return context.context_from_format, response.Response


def _body(response: Any) -> bytes | Iterator[bytes]:
    """The bytes of a response; of an iterator, whose text Fn itself would send, the parts."""
    data = response.response_data
    if is_iterator(data):
        return chunks(data, lambda item: str(item).encode(response.response_encoding))
    return bytes(response.body_bytes())


def _failed(error: Exception | SystemExit) -> Answer:
    if isinstance(error, SystemExit):  # fdk's process ends with it
        return gateway.failure(_FAILED, "error receiving function response")
    return gateway.failure(_LATE if isinstance(error, TimeoutError) else _FAILED)


def dispatch_conventions() -> Conventions:
    """The convention for a function of the Fn Project."""
    return {"fn": fn}
