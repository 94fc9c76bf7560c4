"""OpenWhisk's actions: what the ports `openwhisk` and `digitalocean` share, which differ in how they call `main`.

The rules are those of Apache OpenWhisk: `launcher.py` of openwhisk-runtime-python (core/python3Action) and
`runHandler.go` of openwhisk-runtime-go for the call, `ActivationResult.scala` for errors, and for HTTP
`WebActions.scala` and `CorsSettings.scala` of the controller, with docs/webactions.md.
"""

from __future__ import annotations

import os

from conventions import codec
from conventions.ports.action_results import EXTENSIONS, Refused, answered, base64, encoded, is_json, media_type
from conventions.web import serving
from dispatch import current, variables
from dispatch.errors import ApplicationError, MarshalError
from dispatch.http import percent
from dispatch.invocation import INFINITY
from dispatch.protocol import JSON
from dispatch.response import is_iterator, respond

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from conventions.web import Answer, Headers
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
_METHODS = "OPTIONS, GET, DELETE, POST, PUT, HEAD, PATCH"
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
    action = _Action(call, adapted or (lambda arguments, _request: arguments), variables.web_annotations())
    return serving(action.respond_to, otherwise=action.payload, failed=action.failed)


class _Action:
    def __init__(
        self,
        call: Callable[[Any, Invocation], Any],
        adapted: Callable[[dict[str, Any], Request], Any],
        annotations: frozenset[str],
    ) -> None:
        self._call = call
        self._adapted = adapted
        self._is_raw = "raw" in annotations
        self._has_options = "custom-options" in annotations

    def respond_to(self, request: Request) -> Answer:
        """The answer to a request."""
        if request.method == "OPTIONS" and not self._has_options:
            return self._cross_origin((200, [], b""), request)
        path, extension = _place(request.raw_path)
        try:
            arguments = self._adapted(_arguments(request, path, is_raw=self._is_raw), request)
            return self._cross_origin(answered(self._run(arguments, current()), extension), request)
        except Refused as refused:
            return self._cross_origin(refused.answer(), request)

    def failed(self, _error: Exception | SystemExit) -> Answer:
        """The answer to a request where the action has failed."""
        return self._cross_origin(Refused("There was an error processing your request.", _FAILED).answer())

    def payload(self, invocation: Invocation, event: Any) -> Response:
        """The answer to an event that is not HTTP. Raises ApplicationError for `{"error": ...}`."""
        result = self._run({} if event is None or event == b"" else event, invocation)
        if isinstance(result, dict) and "error" in result:
            error = result["error"]
            raise ApplicationError(error if isinstance(error, str) else encoded(error).decode())
        return respond(result, encoded, JSON)

    def _run(self, arguments: Any, invocation: Invocation) -> Any:
        os.environ.update(environment(invocation))
        result = self._call(arguments, invocation)
        if not isinstance(result, dict | list) and not is_iterator(result):
            raise MarshalError(f"the action returned {type(result).__name__}; it must return a dictionary or a list")
        return result

    def _cross_origin(self, answer: Answer, request: Request | None = None) -> Answer:
        if self._has_options:
            return answer
        status, headers, body = answer
        wanted = request and request.headers.get("access-control-request-headers")
        return status, _cross_origin(wanted or _ALLOWED_HEADERS) + headers, body


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
        return base64(request.body), True
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


def _cross_origin(headers: str) -> Headers:
    return [
        ("Access-Control-Allow-Origin", "*"),
        ("Access-Control-Allow-Methods", _METHODS),
        ("Access-Control-Allow-Headers", headers),
    ]
