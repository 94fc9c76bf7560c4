"""The Invoke API: what boto3, the AWS command line and every other Lambda client call."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Scope

from dispatch import protocol
from runtime.local.asynchronous.queue import Queue
from runtime.local.environments.platform import Platform, UnknownFunction
from runtime.local.environments.pool import Throttled
from runtime.local.function_error import UNHANDLED
from runtime.local.function_name import FunctionName
from runtime.local.gates import passed
from runtime.local.invocation import Event, InvocationReport, RunningInvocation
from runtime.local.web import event_stream
from runtime.local.web.connection import Respond
from runtime.local.web.errors import ApiError
from runtime.local.web.request import find_function, make_event, read_body, read_function_name
from runtime.local.web.streaming import AnswerStream

#: Bytes of the log that come back with the answer (AWS documentation, LogResult).
TAIL: Final = 4096
#: Headers of requests, in lower case.
INVOCATION_TYPE, LOG_TYPE = protocol.INVOCATION_TYPE.lower(), protocol.LOG_TYPE.lower()
#: The parts of the path of Invoke before and after the function's name.
PREFIX, SUFFIX = protocol.INVOKE.split("{name}")
#: The invocation types; the first one is the default.
TYPES: Final = ("RequestResponse", "Event", "DryRun")
STREAMING_TYPES: Final = ("RequestResponse", "DryRun")


class InvokeApi:
    """The paths that hand events to functions."""

    def __init__(self, platform: Platform, queue: Queue) -> None:
        self._platform = platform
        self._queue = queue

    def routes(self) -> list[Route]:
        """Return the routes; InvokeWithResponseStream is also at the older date, where other emulators have it."""
        older = f"{protocol.FUNCTIONS}/{{name}}/response-streaming-invocations"
        return [
            Route(protocol.INVOKE, self.invoke, methods=["POST"]),
            Route(protocol.INVOKE_STREAMING, self.invoke_streaming, methods=["POST"]),
            Route(older, self.invoke_streaming, methods=["POST"]),
            Route(protocol.INVOKE_ASYNC, self.invoke_async, methods=["POST"]),
            Route(f"{protocol.INVOKE_ASYNC}/", self.invoke_async, methods=["POST"]),
        ]

    # -- the three operations

    async def invoke(self, request: Request) -> Response:
        """Invoke: wait for the answer, queue the event, or only check whether it could be invoked."""
        kind = _invocation_type(request.headers, TYPES)
        name = read_function_name(request, self._platform)
        limit = protocol.ASYNC_EVENT_LIMIT if kind == "Event" else protocol.EVENT_LIMIT
        event = await self._event(request, name, limit)
        headers = _headers(name, event)
        if kind == "DryRun":
            return Response(status_code=204, headers=headers)
        if kind == "Event":
            await self._queue.put(name.name, event)
            return Response(status_code=202, headers=headers)
        return await self._wait(request, await self._start(name, event, "invoke"), headers)

    async def invoke_streaming(self, request: Request) -> Response:
        """InvokeWithResponseStream: an event stream, each chunk sent as it comes."""
        kind = _invocation_type(request.headers, STREAMING_TYPES)
        name = read_function_name(request, self._platform)
        event = await self._event(request, name, protocol.EVENT_LIMIT)
        headers = _headers(name, event)
        if kind == "DryRun":
            return Response(status_code=204, headers=headers)
        invocation = await self._start(name, event, "stream")
        stream = _stream(invocation, with_log=_wants_log(request.headers))
        return AnswerStream(stream, invocation.answer, 200, headers, event_stream.CONTENT_TYPE)

    async def invoke_async(self, request: Request) -> Response:
        """InvokeAsync, which AWS keeps for old clients."""
        name = read_function_name(request, self._platform)
        await self._queue.put(name.name, await self._event(request, name, protocol.INVOKE_ASYNC_LIMIT))
        return Response(status_code=202)

    # -- what they share

    async def _event(self, request: Request, name: FunctionName, limit: int) -> Event:
        return make_event(request.headers, await read_body(request, limit), self._arn(name))

    def _arn(self, name: FunctionName) -> str:
        return name.qualify(self._platform.arn(name.name))

    async def _start(self, name: FunctionName, event: Event, source: str) -> RunningInvocation:
        try:
            return await self._platform.invoke(name.name, event, source)
        except Throttled as error:
            raise ApiError.throttled() from error
        except UnknownFunction as error:
            raise ApiError.not_found(event.arn) from error

    async def _wait(self, request: Request, invocation: RunningInvocation, common: dict[str, str]) -> Response:
        invocation.answer.collect()
        await passed(invocation.answer.over)
        status, headers, body = _response(invocation, common)
        if _wants_log(request.headers):
            headers[protocol.LOG_RESULT] = _log_tail(await invocation.report)
        return Response(body, status, headers)

    # -- the same without a task

    @staticmethod
    def matches(scope: Scope) -> bool:
        """Return whether a request is one that `answer_at_once` may answer."""
        path = scope["path"]
        is_invoke = path.startswith(PREFIX) and path.endswith(SUFFIX)
        return is_invoke and scope["method"] == "POST" and not scope["query_string"]

    def answer_at_once(self, scope: Scope, headers: Mapping[str, str], body: bytes, respond: Respond) -> bool:
        """Invoke, for an environment that is idle; return whether it does. What is unusual is left to `invoke`."""
        if headers.get(INVOCATION_TYPE, TYPES[0]) != TYPES[0] or _wants_log(headers):
            return False
        try:
            name = find_function(self._platform, scope["path"][len(PREFIX) : -len(SUFFIX)])
            event = make_event(headers, body, self._arn(name))
        except ApiError:
            return False
        invocation = self._platform.invoke_at_once(name.name, event, "invoke")
        if invocation is None:
            return False
        invocation.answer.collect()
        invocation.answer.over.when_open(lambda: respond(lambda: _response(invocation, _headers(name, event))))
        return True


def _response(invocation: RunningInvocation, common: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
    """Return the status, headers and body for an answer that is over and was collected."""
    answer = invocation.answer
    body, error = answer.whole, answer.error or answer.too_large
    answer.leave()
    headers = {
        **common,
        "Content-Type": protocol.JSON,
        protocol.AMZN_TRACE_ID: invocation.event.trace_id,
        protocol.AMZN_REMAPPED_LENGTH: "0",
    }
    if error is not None:
        headers[protocol.FUNCTION_ERROR] = UNHANDLED
        body = error.body
    return 200, headers, body


def _invocation_type(headers: Mapping[str, str], known: tuple[str, ...]) -> str:
    kind = headers.get(INVOCATION_TYPE, known[0])
    if kind not in known:
        raise ApiError(
            "InvalidParameterValueException",
            f"{protocol.INVOCATION_TYPE} must be {' or '.join(known)} here, not {kind!r}",
        )
    return kind


def _headers(name: FunctionName, event: Event) -> dict[str, str]:
    return {protocol.EXECUTED_VERSION: name.version, protocol.AMZN_REQUEST_ID: event.request_id}


def _wants_log(headers: Mapping[str, str]) -> bool:
    return headers.get(LOG_TYPE) == "Tail"


def _log_tail(report: InvocationReport) -> str:
    """Return the end of the log as a header carries it."""
    return base64.b64encode(report.log.encode()[-TAIL:]).decode()


async def _stream(invocation: RunningInvocation, *, with_log: bool) -> AsyncIterator[bytes]:
    """Encode the answer as events; the last one is the outcome."""
    async for chunk in invocation.answer:
        yield event_stream.encode("PayloadChunk", protocol.OCTETS, chunk)
    outcome = {}
    error = invocation.answer.error
    if error is not None:
        outcome = {"ErrorCode": error.type, "ErrorDetails": error.body.decode(errors="replace")}
    if with_log:
        outcome["LogResult"] = _log_tail(await invocation.report)
    yield event_stream.encode("InvokeComplete", protocol.JSON, json.dumps(outcome).encode())
