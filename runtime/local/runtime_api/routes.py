"""The calls of the Runtime API, one function each, and the table of their addresses.

A request's body is read to its end before anything is answered, so that a refusal never cuts a runtime off in the
middle of sending.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final, TypeAlias
from urllib.parse import unquote

import h11

from runtime.local.invocation import ANSWER_LIMIT, STREAM_LIMIT, Exchange, FunctionError
from runtime.local.runtime_api.connection import Connection, Gone, Headers
from runtime.local.runtime_api.states import State, Step

if TYPE_CHECKING:
    from runtime.local.runtime_api.server import RuntimeApi

PREFIX: Final = "/2018-06-01/"
JSON_TYPE: Final = (("Content-Type", "application/json"),)
TEXT_TYPE: Final = (("Content-Type", "text/plain; charset=utf-8"),)

Reply: TypeAlias = tuple[int, Headers, bytes]

ACCEPTED: Final[Reply] = (202, JSON_TYPE, b'{"status":"OK"}\n')
NOT_FOUND: Final[Reply] = (404, TEXT_TYPE, b"404 page not found\n")


class Refused(Exception):
    """A call that is answered with a status of 400 and up."""

    def __init__(self, status: int, error_type: str, message: str) -> None:
        super().__init__(message)
        body = json.dumps({"errorMessage": message, "errorType": error_type}, separators=(",", ":"))
        self.reply: Reply = (status, JSON_TYPE, f"{body}\n".encode())


class Call:
    """One request of the runtime."""

    def __init__(self, connection: Connection, request: h11.Request) -> None:
        self.connection = connection
        self.method = request.method.decode()
        self.path = request.target.decode("latin-1").partition("?")[0]
        self.headers = {name.decode(): value.decode("latin-1") for name, value in request.headers}
        self._read = False

    def header(self, name: str) -> str:
        """A header's value, or an empty string."""
        return self.headers.get(name, "")

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives, once."""
        if self._read:
            return
        self._read = True
        async for chunk in self.connection.body():
            yield chunk

    async def drain(self) -> None:
        """Read what of the body nobody wanted."""
        async for _ in self.chunks():
            pass

    async def read(self) -> bytes:
        """The whole body; what is larger than an answer may be is read, dropped and refused."""
        parts, size = [], 0
        async for chunk in self.chunks():
            size += len(chunk)
            if size <= ANSWER_LIMIT:
                parts.append(chunk)
        if size > ANSWER_LIMIT:
            raise Refused(413, "RequestEntityTooLarge", too_large("Exceeded", ANSWER_LIMIT))
        return b"".join(parts)


def too_large(verb: str, limit: int) -> str:
    """The platform's words for an answer that is too large."""
    return f"{verb} maximum allowed payload size ({limit} bytes)."


async def ping(_api: RuntimeApi, _call: Call, _id: str) -> Reply:
    """GET /ping."""
    return 200, TEXT_TYPE, b"pong"


async def next_event(api: RuntimeApi, call: Call, _id: str) -> Reply:
    """GET /runtime/invocation/next: waits for an event; an unanswered one is given again."""
    await call.drain()
    exchange = await api.poll(call.connection)
    return 200, exchange.headers(), exchange.event.body


async def response(api: RuntimeApi, call: Call, request_id: str) -> Reply:
    """POST /runtime/invocation/ID/response: the answer, whole or in chunks."""
    exchange = _addressed(api, call, request_id)
    api.machine.take(Step.RESPOND)
    try:
        await _take_answer(call, exchange)
    except Gone as error:
        _fail(exchange, "Runtime.TruncatedResponse", f"The response broke off: {error}")
        raise
    except Refused as error:
        if error.reply[0] == 413:
            api.machine.take(Step.ANSWER)
        raise
    api.machine.take(Step.ANSWER)
    return ACCEPTED


def _addressed(api: RuntimeApi, call: Call, request_id: str) -> Exchange:
    exchange = api.exchange
    if exchange is None or exchange.event.request_id != request_id:
        raise Refused(400, "InvalidRequestID", "Invalid request ID")
    sent = call.header("lambda-runtime-invocation-id")
    if sent and sent != exchange.invocation_id:
        raise Refused(410, "InvokeTimeout", "The answer belongs to an invocation that is over")
    return exchange


async def _take_answer(call: Call, exchange: Exchange) -> None:
    mode = call.headers.get("lambda-runtime-function-response-mode")
    if mode == "streaming":
        await _take_stream(call, exchange)
    elif mode is None:
        await _take_whole(call, exchange)
    else:
        _fail(exchange, "Runtime.InvalidResponseModeHeader", f"'streaming' is the only response mode, not {mode!r}")
        raise Refused(400, "InvalidFunctionResponseMode", "Invalid function response mode")


async def _take_whole(call: Call, exchange: Exchange) -> None:
    try:
        body = await call.read()
    except Refused:
        _fail(exchange, "Function.ResponseSizeTooLarge", too_large("Response payload size exceeded", ANSWER_LIMIT))
        raise
    exchange.answer.open(call.header("content-type"), streaming=False)
    exchange.answer.write(body)
    exchange.answer.finish()


async def _take_stream(call: Call, exchange: Exchange) -> None:
    answer = exchange.answer
    answer.open(call.header("content-type") or "application/octet-stream", streaming=True)
    async for chunk in call.chunks():
        if answer.size + len(chunk) <= STREAM_LIMIT:
            answer.write(chunk)
            await answer.room()
        elif not answer.finished:
            _fail(exchange, "Function.ResponseSizeTooLarge", too_large("Response payload size exceeded", STREAM_LIMIT))
    if answer.error is not None:
        raise Refused(413, "RequestEntityTooLarge", too_large("Exceeded", STREAM_LIMIT))
    trailers = call.connection.trailers
    error_type = trailers.get("lambda-runtime-function-error-type", "")
    error_body = trailers.get("lambda-runtime-function-error-body", "")
    answer.finish(FunctionError.trailed(error_type, error_body) if error_type or error_body else None)


def _fail(exchange: Exchange, error_type: str, message: str) -> None:
    exchange.answer.finish(FunctionError.make(error_type, message))


async def invocation_error(api: RuntimeApi, call: Call, request_id: str) -> Reply:
    """POST /runtime/invocation/ID/error: the handler failed before it answered anything."""
    exchange = _addressed(api, call, request_id)
    api.machine.take(Step.FAIL)
    try:
        error = FunctionError.posted(await call.read(), call.header("lambda-runtime-function-error-type"))
    except Gone as gone:
        _fail(exchange, "Runtime.TruncatedResponse", f"The error report broke off: {gone}")
        raise
    except Refused:
        _fail(exchange, "Function.ResponseSizeTooLarge", too_large("Error report exceeded", ANSWER_LIMIT))
        api.machine.take(Step.ANSWER)
        raise
    exchange.answer.finish(error)
    api.machine.take(Step.ANSWER)
    return ACCEPTED


async def init_error(api: RuntimeApi, call: Call, _id: str) -> Reply:
    """POST /runtime/init/error: the function could not be loaded."""
    return await _not_started(api, call, Step.INIT_ERROR)


async def restore_error(api: RuntimeApi, call: Call, _id: str) -> Reply:
    """POST /runtime/restore/error: a hook failed after the restore."""
    return await _not_started(api, call, Step.RESTORE_ERROR)


async def _not_started(api: RuntimeApi, call: Call, step: Step) -> Reply:
    api.machine.take(step)
    report = await call.read()
    api.settle_start(FunctionError.posted(report, call.header("lambda-runtime-function-error-type")))
    return ACCEPTED


async def restore_next(api: RuntimeApi, call: Call, _id: str) -> Reply:
    """GET /runtime/restore/next: a local environment is never frozen, so it is restored at once."""
    await call.drain()
    api.machine.take(Step.RESTORE_NEXT)
    if api.machine.state is State.RESTORE_READY:
        api.machine.take(Step.RESTORE)
    return 200, JSON_TYPE, b""


Route: TypeAlias = Callable[["RuntimeApi", Call, str], Awaitable[Reply]]

#: Address below the prefix ({id} is any request id): the method it takes, and what answers it.
ROUTES: Final[Mapping[str, tuple[str, Route]]] = {
    "ping": ("GET", ping),
    "runtime/invocation/next": ("GET", next_event),
    "runtime/invocation/{id}/response": ("POST", response),
    "runtime/invocation/{id}/error": ("POST", invocation_error),
    "runtime/init/error": ("POST", init_error),
    "runtime/restore/next": ("GET", restore_next),
    "runtime/restore/error": ("POST", restore_error),
}


async def answer_call(api: RuntimeApi, call: Call) -> Reply:
    """Find the address and answer it."""
    path, request_id = call.path.removeprefix(PREFIX), ""
    parts = path.split("/")
    if len(parts) == 4:
        request_id, parts[2] = unquote(parts[2]), "{id}"
        path = "/".join(parts)
    found = ROUTES.get(path) if call.path.startswith(PREFIX) else None
    if found is None or ("restore" in path and not api.snap_start):
        return NOT_FOUND
    method, route = found
    if call.method != method:
        return 405, [("Allow", method)], b""
    return await route(api, call, request_id)
