"""The Invoke API: what boto3, the AWS command line and every other Lambda client call."""

from __future__ import annotations

import base64
import binascii
import json
import re
import uuid
from collections.abc import AsyncIterator
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from runtime.local.asynchronous.queue import Queue
from runtime.local.environments.log_lines import Report
from runtime.local.environments.platform import Invocation, Platform, Throttled, UnknownFunction
from runtime.local.function_name import BadName, Name, parse
from runtime.local.invocation import ANSWER_LIMIT, Answer, Event, FunctionError
from runtime.local.web import event_stream as eventstream
from runtime.local.web.errors import Refusal

#: Events of more than 6 MB are refused, and of more than 1 MB if nobody waits for them (botocore's service model).
EVENT_LIMIT: Final = 6 * 1024 * 1024
ASYNC_LIMIT: Final = 1024 * 1024
#: What of the log comes back with the answer (AWS documentation, LogResult).
TAIL: Final = 4096
CLIENT_CONTEXT_LIMIT: Final = 3583
TENANT: Final = re.compile(r"[a-zA-Z0-9._:/=+\-@ ]{1,256}")
KINDS: Final = ("RequestResponse", "Event", "DryRun")


class InvokeApi:
    """The addresses that hand events to functions."""

    def __init__(self, platform: Platform, queue: Queue) -> None:
        self._platform = platform
        self._queue = queue

    def routes(self) -> list[Route]:
        """Buffered, streamed (also below the older date, as other emulators have it), and the old asynchronous one."""
        streamed = "functions/{name}/response-streaming-invocations"
        return [
            Route("/2015-03-31/functions/{name}/invocations", self.invoke, methods=["POST"]),
            Route(f"/2021-11-15/{streamed}", self.invoke_streaming, methods=["POST"]),
            Route(f"/2015-03-31/{streamed}", self.invoke_streaming, methods=["POST"]),
            Route("/2014-11-13/functions/{name}/invoke-async", self.invoke_async, methods=["POST"]),
            Route("/2014-11-13/functions/{name}/invoke-async/", self.invoke_async, methods=["POST"]),
        ]

    # -- the three operations

    async def invoke(self, request: Request) -> Response:
        """Invoke: wait for the answer, queue the event, or only see whether it could be invoked."""
        kind = request.headers.get("x-amz-invocation-type", KINDS[0])
        if kind not in KINDS:
            raise Refusal("InvalidParameterValueException", f"the invocation type is one of {KINDS}, not {kind!r}")
        name = self._name(request)
        event = await self._event(request, name, ASYNC_LIMIT if kind == "Event" else EVENT_LIMIT)
        common = {"X-Amz-Executed-Version": name.version, "x-amzn-RequestId": event.request_id}
        if kind == "DryRun":
            return Response(status_code=204, headers=common)
        if kind == "Event":
            await self._queue.put(name.name, event)
            return Response(status_code=202, headers=common)
        return await self._wait(request, self._start(name, event, "invoke"), common)

    async def invoke_streaming(self, request: Request) -> Response:
        """InvokeWithResponseStream: an event stream, each chunk sent as it comes."""
        kind = request.headers.get("x-amz-invocation-type", KINDS[0])
        if kind not in {"RequestResponse", "DryRun"}:
            raise Refusal("InvalidParameterValueException", f"a stream is RequestResponse or DryRun, not {kind!r}")
        name = self._name(request)
        event = await self._event(request, name, EVENT_LIMIT)
        common = {"X-Amz-Executed-Version": name.version, "x-amzn-RequestId": event.request_id}
        if kind == "DryRun":
            return Response(status_code=204, headers=common)
        invocation = self._start(name, event, "stream")
        tail = request.headers.get("x-amz-log-type") == "Tail"
        return StreamingResponse(event_stream(invocation, tail=tail), 200, common, eventstream.CONTENT_TYPE)

    async def invoke_async(self, request: Request) -> Response:
        """InvokeAsync, which AWS keeps for old clients."""
        name = self._name(request)
        await self._queue.put(name.name, await self._event(request, name, 256 * 1024))
        return Response(status_code=202)

    # -- what they share

    def _name(self, request: Request) -> Name:
        try:
            name = parse(request.path_params["name"], request.query_params.get("Qualifier", ""))
        except BadName as error:
            raise Refusal("InvalidParameterValueException", str(error)) from error
        if name.name not in self._platform.pools:
            raise Refusal.not_found(name.qualify(self._platform.arn(name.name)))
        return name

    async def _event(self, request: Request, name: Name, limit: int) -> Event:
        body = await read(request, limit) or b"{}"
        try:
            json.loads(body)
        except ValueError as error:
            message = f"Could not parse request body into json: {error}"
            raise Refusal("InvalidRequestContentException", message) from error
        tenant = request.headers.get("x-amz-tenant-id", "")
        if tenant and not TENANT.fullmatch(tenant):
            raise Refusal("InvalidParameterValueException", f"a tenant id is {TENANT.pattern}, not {tenant!r}")
        return Event(
            body,
            request_id(request),
            arn=name.qualify(self._platform.arn(name.name)),
            trace_id=request.headers.get("x-amzn-trace-id", ""),
            client_context=client_context(request.headers.get("x-amz-client-context", "")),
            cognito_identity=request.headers.get("x-amz-cognito-identity", ""),
            tenant_id=tenant,
        )

    def _start(self, name: Name, event: Event, source: str) -> Invocation:
        try:
            return self._platform.invoke(name.name, event, source)
        except Throttled as error:
            raise Refusal.throttled() from error
        except UnknownFunction as error:
            raise Refusal.not_found(event.arn) from error

    async def _wait(self, request: Request, invocation: Invocation, common: dict[str, str]) -> Response:
        answer = invocation.answer
        body = await read_answer(answer)
        error = answer.error or too_large(answer)
        headers = {**common, "X-Amzn-Trace-Id": invocation.event.trace_id, "x-amzn-Remapped-Content-Length": "0"}
        if error is not None:
            headers["X-Amz-Function-Error"] = "Unhandled"
            body = error.body
        if request.headers.get("x-amz-log-type") == "Tail":
            headers["X-Amz-Log-Result"] = log_tail(await invocation.report)
        return Response(body, 200, headers, "application/json")


async def read(request: Request, limit: int) -> bytes:
    """The request's body, refused as soon as it is larger than the limit."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            message = f"Request must be smaller than {limit} bytes for the InvokeFunction operation"
            raise Refusal("RequestTooLargeException", message)
        parts.append(part)
    return b"".join(parts)


async def read_answer(answer: Answer) -> bytes:
    """All of an answer, also of a streamed one, as far as it may go into one response."""
    parts, size = [], 0
    async for chunk in answer:
        size += len(chunk)
        if size <= ANSWER_LIMIT:
            parts.append(chunk)
    return b"".join(parts)


def too_large(answer: Answer) -> FunctionError | None:
    """A streamed answer may be larger than a caller who does not stream can be given."""
    if answer.size <= ANSWER_LIMIT:
        return None
    message = f"Response payload size exceeded maximum allowed payload size ({ANSWER_LIMIT} bytes)."
    return FunctionError.make("Function.ResponseSizeTooLarge", message)


def log_tail(report: Report) -> str:
    """The end of the log as a header carries it."""
    return base64.b64encode(report.log.encode()[-TAIL:]).decode()


def request_id(request: Request) -> str:
    """The caller's own request id, which must be a UUID, or a new one."""
    given = request.headers.get("x-amzn-requestid")
    if given is None:
        return str(uuid.uuid4())
    try:
        return str(uuid.UUID(given))
    except ValueError as error:
        message = f"x-amzn-RequestId is not a valid UUID: {given!r}"
        raise Refusal("InvalidRequestContentException", message) from error


def client_context(header: str) -> str:
    """The client context as runtimes get it: JSON in one line."""
    if not header:
        return ""
    if len(header) > CLIENT_CONTEXT_LIMIT:
        message = f"Client context must be no more than {CLIENT_CONTEXT_LIMIT} bytes when base64-encoded"
        raise Refusal("InvalidRequestContentException", message)
    try:
        return json.dumps(json.loads(base64.b64decode(header, validate=True)), ensure_ascii=False)
    except (binascii.Error, ValueError) as error:
        message = f"Client context must be a valid Base64-encoded JSON object: {error}"
        raise Refusal("InvalidRequestContentException", message) from error


async def event_stream(invocation: Invocation, *, tail: bool) -> AsyncIterator[bytes]:
    """The answer as events, and at the end how it went."""
    async for chunk in invocation.answer:
        yield eventstream.encode("PayloadChunk", "application/octet-stream", chunk)
    outcome = {}
    error = invocation.answer.error
    if error is not None:
        outcome = {"ErrorCode": error.type, "ErrorDetails": error.body.decode(errors="replace")}
    if tail:
        outcome["LogResult"] = log_tail(await invocation.report)
    yield eventstream.encode("InvokeComplete", "application/json", json.dumps(outcome).encode())
