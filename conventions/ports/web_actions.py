"""OpenWhisk's actions: what the ports `openwhisk` and `digitalocean` share, which differ in how they call `main`.

The rules are those of Apache OpenWhisk: `launcher.py` of openwhisk-runtime-python (core/python3Action) and
`runHandler.go` of openwhisk-runtime-go for the call, `ActivationResult.scala` for errors, and for HTTP
`WebActions.scala` and `CorsSettings.scala` of the controller, with docs/webactions.md.
"""

from __future__ import annotations

import os

from conventions import codec
from conventions.ports.action_results import EXTENSIONS, Refused, answered, encoded, is_json, media_type
from conventions.web import serving
from dispatch import current, variables
from dispatch.errors import ApplicationError, MarshalError
from dispatch.event_variables import set_variables
from dispatch.http import bodies, percent
from dispatch.invocation import INFINITY
from dispatch.protocol import JSON
from dispatch.response import is_iterator, respond

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from conventions.web import Answer
    from dispatch.http import Request
    from dispatch.invocation import Invocation
    from dispatch.response import Response
    from dispatch.types import Handler

#: What the URL of a web action has before the namespace, the package and the action.
_WEB_PATH = ["", "api", "v1", "web"]

#: What a segment of a path keeps when the controller writes it again.
_SEGMENT = percent.DECODED_PATH - {"/"}

_NOTHING = object()
_FORM = "application/x-www-form-urlencoded"
_RESERVED = frozenset(f"__ow_{name}" for name in ("method", "headers", "path", "user", "query", "body"))
_CROSS_ORIGIN = [
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Methods", "OPTIONS, GET, DELETE, POST, PUT, HEAD, PATCH"),
]
_ALLOWED_HEADERS = "Authorization, Origin, X-Requested-With, Content-Type, Accept, User-Agent"

#: The status for an action that raises: that of OpenWhisk's API. Its web actions answer 400, which blames the caller.
_FAILED = 502


def handler(
    call: Callable[[Any, Invocation], Any], adapted: Callable[[dict[str, Any], Request], Any] | None = None
) -> Handler:
    """The handler that an action is.

    Args:
        call: calls the action with its arguments, or with the payload of an event that is not HTTP.
        adapted: what the action gets instead of OpenWhisk's arguments for a request.
    """
    annotations = variables.web_annotations()
    is_raw, has_options = "raw" in annotations, "custom-options" in annotations

    def respond_to(request: Request) -> Answer:
        if request.method == "OPTIONS" and not has_options:
            return cross_origin((200, [], b""), request)
        path, extension = _place(request.raw_path)
        try:
            arguments = _arguments(request, path, is_raw=is_raw)
            result = run(adapted(arguments, request) if adapted else arguments, current())
            return cross_origin(answered(result, extension), request)
        except Refused as refused:
            return cross_origin(refused.answer(), request)

    def otherwise(invocation: Invocation, event: Any) -> Response:
        result = run({} if event is None or event == b"" else event, invocation)
        if isinstance(result, dict) and "error" in result:
            error = result["error"]
            raise ApplicationError(error if isinstance(error, str) else encoded(error).decode())
        return respond(result, encoded, JSON)

    def failed(_error: Exception | SystemExit) -> Answer:
        return cross_origin(Refused("There was an error processing your request.", _FAILED).answer())

    def run(arguments: Any, invocation: Invocation) -> Any:
        set_variables(environment(invocation))
        result = call(arguments, invocation)
        if not isinstance(result, dict | list) and not is_iterator(result):
            raise MarshalError(f"the action returned {type(result).__name__}; it must return a dictionary or a list")
        return result

    def cross_origin(answer: Answer, request: Request | None = None) -> Answer:
        status, headers, body = answer
        allowed = (request and request.headers.get("access-control-request-headers")) or _ALLOWED_HEADERS
        added = [] if has_options else [*_CROSS_ORIGIN, ("Access-Control-Allow-Headers", allowed)]
        return status, added + headers, body

    return serving(respond_to, otherwise=otherwise, failed=failed)


def environment(invocation: Invocation) -> dict[str, str]:
    """The variables that the action loop sets for each activation, with what Lambda has for them."""
    account = (invocation.invoked_function_arn or "").split(":")[4:5]
    namespace, name = (account or ["_"])[0], os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "")
    deadline = invocation.deadline
    return {
        "__OW_ACTION_NAME": f"/{namespace}/{name}",
        "__OW_ACTION_VERSION": os.environ.get("AWS_LAMBDA_FUNCTION_VERSION", ""),
        "__OW_ACTIVATION_ID": invocation.request_id,
        "__OW_TRANSACTION_ID": invocation.request_id,
        "__OW_NAMESPACE": namespace,
        "__OW_DEADLINE": "0" if deadline == INFINITY else str(round(deadline * 1000)),
    }


def opaque(request: Request, *, json_as_text: bool = False) -> tuple[str, bool]:
    """A body that is not parsed, and whether it is base64, as it is if its type is binary, or JSON."""
    media, _, is_binary = media_type(request.headers.get("content-type", ""))
    if request.body and (is_binary or (media == JSON and not json_as_text)):
        return bodies.encode(request.body, as_text=False)
    return request.body.decode("utf-8", "replace"), False


def _place(raw_path: str) -> tuple[str, str]:
    """The path after the action, and the extension of its name, where the URL is the one that OpenWhisk has."""
    parts, extension = raw_path.split("/", 7), ".http"
    if parts[:4] == _WEB_PATH and len(parts) > 6 and all(parts[4:7]):
        extension = next(filter(parts[6].endswith, EXTENSIONS), extension)
        path = "/".join(["", *parts[7:]])
    else:
        path = "" if raw_path == "/" else raw_path
    segments = [percent.encode(percent.decode_text(segment), _SEGMENT) for segment in path.split("/")]
    return "/".join(segments), extension


def _arguments(request: Request, path: str, *, is_raw: bool) -> dict[str, Any]:
    """What the action gets of a request. Raises Refused."""
    context = {
        "__ow_method": request.method.lower(),
        "__ow_headers": dict(request.headers.lowered),
        "__ow_path": path,
    }
    if is_raw:
        return {**context, "__ow_query": request.raw_query, "__ow_body": opaque(request)[0]}
    body = _parsed_body(request)
    fields = body if isinstance(body, dict) else {}
    given = {**dict(request.query), **fields}
    if not _RESERVED.isdisjoint(given):
        raise Refused("Request defines parameters that are not allowed (e.g., reserved properties).")
    return {**context, **given, **({} if body is _NOTHING or body is fields else {"__ow_body": body})}


def _parsed_body(request: Request) -> Any:
    """The fields of a form or of a JSON object, any other JSON value, or text; `_NOTHING` if there is no body."""
    content_type = request.headers.get("content-type", "")
    media, _, _ = media_type(content_type)
    if media == _FORM:
        return dict(percent.decode_query(request.body.decode("utf-8", "replace")))
    if not request.body and (is_json(media) or not content_type):
        return _NOTHING
    if not is_json(media):
        return opaque(request)[0]
    try:
        return codec.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise Refused(f"The request content was malformed:\n{error}") from None
