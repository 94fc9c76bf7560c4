"""The calls of the Runtime API, one function each, and the table of all paths.

A request's body is read to its end before the request is answered, so that a refusal never cuts a runtime off while it
is sending.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dispatch import protocol
from runtime.local.function_error import FunctionError
from runtime.local.invocation import Exchange
from runtime.local.runtime_api import extensions
from runtime.local.runtime_api.call import (
    ACCEPTED,
    JSON_TYPE,
    NOT_FOUND,
    TEXT_TYPE,
    ApiCall,
    ApiResponse,
    CallRefused,
)
from runtime.local.runtime_api.connection import ConnectionBroken
from runtime.local.runtime_api.extensions import Route
from runtime.local.runtime_api.session import RuntimeSession
from runtime.local.runtime_api.states import RuntimeState

TRUNCATED: Final = "Runtime.TruncatedResponse"


async def ping(_session: RuntimeSession, _call: ApiCall) -> ApiResponse:
    """GET /ping."""
    return ApiResponse(200, TEXT_TYPE, b"pong")


async def next_event(session: RuntimeSession, call: ApiCall) -> ApiResponse:
    """GET /runtime/invocation/next: waits for an event; an unanswered one is given again."""
    await call.drain()
    exchange = await session.poll(call.connection)
    return ApiResponse(200, exchange.headers(), exchange.body)


async def response(session: RuntimeSession, call: ApiCall) -> ApiResponse:
    """POST /runtime/invocation/ID/response: the answer, whole or in chunks."""
    exchange = _exchange(session, call)
    session.machine.enter(RuntimeState.RESPONDING)
    try:
        await _read_answer(call, exchange)
    except ConnectionBroken as error:
        _fail(exchange, FunctionError.of(TRUNCATED, f"The response broke off: {error}"))
        raise
    except CallRefused as error:
        if error.response.status == 413:
            session.machine.enter(RuntimeState.ANSWERED)
        raise
    session.machine.enter(RuntimeState.ANSWERED)
    return ACCEPTED


def _exchange(session: RuntimeSession, call: ApiCall) -> Exchange:
    """Return the exchange that a call answers."""
    exchange = session.exchange
    if exchange is None or exchange.request_id != call.request_id:
        raise CallRefused(400, "InvalidRequestID", "Invalid request ID")
    sent = call.header(protocol.INVOCATION_ID)
    if sent and sent != exchange.invocation_id:
        raise CallRefused(410, "InvokeTimeout", "The answer belongs to an invocation that is over")
    return exchange


async def _read_answer(call: ApiCall, exchange: Exchange) -> None:
    mode = call.headers.get(protocol.RESPONSE_MODE.lower())
    if mode == protocol.STREAMING:
        await _read_stream(call, exchange)
    elif mode is None:
        await _read_whole(call, exchange)
    else:
        message = f"{mode!r} is not a response mode; the only one is {protocol.STREAMING!r}"
        _fail(exchange, FunctionError.of("Runtime.InvalidResponseModeHeader", message))
        raise CallRefused(400, "InvalidFunctionResponseMode", "Invalid function response mode")


async def _read_whole(call: ApiCall, exchange: Exchange) -> None:
    try:
        body = await call.read()
    except CallRefused:
        _fail(exchange, FunctionError.too_large("Response payload size", protocol.RESPONSE_LIMIT))
        raise
    exchange.answer.open(call.header("Content-Type"), streaming=False)
    exchange.answer.write(body)
    exchange.answer.finish()


async def _read_stream(call: ApiCall, exchange: Exchange) -> None:
    answer = exchange.answer
    answer.open(call.header("Content-Type") or protocol.OCTETS, streaming=True)
    while (chunk := await call.part()) is not None:
        if answer.size + len(chunk) <= protocol.STREAM_LIMIT:
            answer.write(chunk)
            await answer.caught_up()
        else:
            _fail(exchange, FunctionError.too_large("Response payload size", protocol.STREAM_LIMIT))
    if answer.error is not None:
        raise CallRefused.too_large(protocol.STREAM_LIMIT)
    error_type, report = (call.trailer(name) for name in protocol.TRAILERS)
    answer.finish(FunctionError.from_trailers(error_type, report) if error_type or report else None)


def _fail(exchange: Exchange, error: FunctionError) -> None:
    exchange.answer.finish(error)


async def invocation_error(session: RuntimeSession, call: ApiCall) -> ApiResponse:
    """POST /runtime/invocation/ID/error: the handler failed before its answer began."""
    exchange = _exchange(session, call)
    session.machine.enter(RuntimeState.FAILING)
    try:
        error = FunctionError.from_report(await call.read(), call.header(protocol.ERROR_TYPE))
    except ConnectionBroken as broken:
        _fail(exchange, FunctionError.of(TRUNCATED, f"The error report broke off: {broken}"))
        raise
    except CallRefused:
        _fail(exchange, FunctionError.too_large("Error report", protocol.RESPONSE_LIMIT))
        session.machine.enter(RuntimeState.ANSWERED)
        raise
    exchange.answer.finish(error)
    session.machine.enter(RuntimeState.ANSWERED)
    return ACCEPTED


async def init_error(session: RuntimeSession, call: ApiCall) -> ApiResponse:
    """POST /runtime/init/error: the function could not be loaded."""
    return await _fail_start(session, call, RuntimeState.INIT_ERROR)


async def restore_error(session: RuntimeSession, call: ApiCall) -> ApiResponse:
    """POST /runtime/restore/error: a hook failed after the restore."""
    return await _fail_start(session, call, RuntimeState.RESTORE_ERROR)


async def _fail_start(session: RuntimeSession, call: ApiCall, state: RuntimeState) -> ApiResponse:
    session.machine.enter(state)
    report = await call.read()
    session.finish_start(FunctionError.from_report(report, call.header(protocol.ERROR_TYPE)))
    return ACCEPTED


async def restore_next(session: RuntimeSession, call: ApiCall) -> ApiResponse:
    """GET /runtime/restore/next: a local environment is never frozen, so it is restored at once."""
    await call.drain()
    session.machine.enter(RuntimeState.RESTORE_READY)
    if session.machine.state is RuntimeState.RESTORE_READY:
        session.machine.enter(RuntimeState.RESTORING)
    return ApiResponse(200, JSON_TYPE, b"")


#: The method and the function of each path that only a function with SnapStart has.
SNAP_START_ROUTES: Final[Mapping[str, tuple[str, Route]]] = {
    protocol.RESTORE_NEXT: ("GET", restore_next),
    protocol.RESTORE_ERROR: ("POST", restore_error),
}
#: The method and the function of every other path; `{id}` is the place of a request id.
ROUTES: Final[Mapping[str, tuple[str, Route]]] = {
    f"{protocol.RUNTIME_API}/ping": ("GET", ping),
    protocol.NEXT: ("GET", next_event),
    f"{protocol.INVOCATION}/{{id}}/response": ("POST", response),
    f"{protocol.INVOCATION}/{{id}}/error": ("POST", invocation_error),
    protocol.INIT_ERROR: ("POST", init_error),
    **extensions.ROUTES,
}


async def answer_call(session: RuntimeSession, call: ApiCall) -> ApiResponse:
    """Answer one call.

    Raises:
        CallRefused, StateRefused: the call is not allowed, or not now.
    """
    found = ROUTES.get(call.path)
    if found is None and session.function.snap_start:
        found = SNAP_START_ROUTES.get(call.path)
    if found is None:
        return NOT_FOUND
    method, route = found
    if call.method != method:
        return ApiResponse(405, [("Allow", method)], b"")
    return await route(session, call)
