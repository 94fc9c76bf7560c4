"""The Extensions API for internal extensions, which a runtime's own process registers.

Refusals and events are worded as AWS's emulator words them. An internal extension may register for INVOKE events only,
and only before the runtime's first poll; the platform does not wait for it.
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias
from uuid import uuid4

from dispatch import protocol
from runtime.local.function_error import FunctionError
from runtime.local.runtime_api.call import ACCEPTED, JSON_TYPE, ApiCall, ApiResponse, CallRefused
from runtime.local.runtime_api.extension_registry import INVOKE
from runtime.local.runtime_api.session import RuntimeSession
from runtime.local.runtime_api.states import ExtensionState
from runtime.local.values import parse_json

Route: TypeAlias = Callable[[RuntimeSession, ApiCall], Awaitable[ApiResponse]]

#: Why an event cannot be registered for; empty if it can.
OBJECTIONS: Final[Mapping[str, str]] = {INVOKE: "", "SHUTDOWN": "ShutdownEventNotSupportedForInternalExtension"}


async def register(session: RuntimeSession, call: ApiCall) -> ApiResponse:
    """POST register: by name, for INVOKE events or none."""
    name = call.header(protocol.EXTENSION_NAME)
    body = await call.read()
    if not name:
        raise CallRefused(403, "Extension.InvalidExtensionName", "Empty extension name")
    if session.started.done() and not session.restartable:
        raise CallRefused(403, "Extension.RegistrationClosed", "Extension registration closed already")
    extension = session.extensions.add(name, _events(body), replace=session.restartable)
    function = session.function
    facts = {"functionName": function.name, "functionVersion": protocol.LATEST, "handler": function.handler}
    headers = (*JSON_TYPE, (protocol.EXTENSION_ID, extension.id))
    return ApiResponse(200, headers, json.dumps(facts, separators=(",", ":")).encode())


def _events(body: bytes) -> frozenset[str]:
    """Read the events that a registration names."""
    try:
        named = frozenset(map(str, parse_json(body).get("events") or []))
    except (ValueError, AttributeError, TypeError) as error:
        raise CallRefused(403, "InvalidRequestFormat", f'the body must be {{"events": ["INVOKE"]}}: {error}') from error
    for event in sorted(named):
        objection = OBJECTIONS.get(event, "ErrorInvalidEventType")
        if objection:
            raise CallRefused(403, "Extension.InvalidEventType", f"{event}: {objection}")
    return named


async def next_event(session: RuntimeSession, call: ApiCall) -> ApiResponse:
    """GET event/next: waits for an event, or for the end of the environment."""
    await call.drain()
    extension = session.extensions.find(call.header(protocol.EXTENSION_ID))
    extension.machine.enter(ExtensionState.READY)
    event = await call.connection.until_closed(extension.next_event())
    return ApiResponse(200, (*JSON_TYPE, (protocol.EXTENSION_EVENT_ID, str(uuid4()))), event)


async def init_error(session: RuntimeSession, call: ApiCall) -> ApiResponse:
    """POST init/error: the extension cannot start, so the function does not start either."""
    session.finish_start(await _read_error(session, call, ExtensionState.INIT_ERROR))
    return ACCEPTED


async def exit_error(session: RuntimeSession, call: ApiCall) -> ApiResponse:
    """POST exit/error: the extension reports why it ends."""
    await _read_error(session, call, ExtensionState.EXIT_ERROR)
    return ACCEPTED


async def _read_error(session: RuntimeSession, call: ApiCall, state: ExtensionState) -> FunctionError:
    report = await call.read()
    extension = session.extensions.find(call.header(protocol.EXTENSION_ID))
    error_type = call.header(protocol.EXTENSION_ERROR_TYPE)
    if not error_type:
        raise CallRefused(403, "Extension.MissingHeader", f"{protocol.EXTENSION_ERROR_TYPE} not found")
    extension.machine.enter(state)
    return FunctionError.from_report(report, error_type)


#: The method and the function of each path.
ROUTES: Final[Mapping[str, tuple[str, Route]]] = {
    f"{protocol.EXTENSION}/register": ("POST", register),
    f"{protocol.EXTENSION}/event/next": ("GET", next_event),
    f"{protocol.EXTENSION}/init/error": ("POST", init_error),
    f"{protocol.EXTENSION}/exit/error": ("POST", exit_error),
}
