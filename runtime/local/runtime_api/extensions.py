"""The Extensions API for internal extensions: those that a runtime's own process registers.

Refusals and events are worded as AWS's emulator words them on the wire. An internal extension may ask for INVOKE
events only, and only before the runtime polls for the first time; nobody waits for what it does with them.
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from uuid import UUID, uuid4

from runtime.local.invocation import Exchange, FunctionError
from runtime.local.runtime_api.connection import Gone
from runtime.local.runtime_api.routes import ACCEPTED, JSON_TYPE, NOT_FOUND, Call, Refused, Reply

if TYPE_CHECKING:
    from runtime.local.runtime_api.server import RuntimeApi

PREFIX: Final = "/2020-01-01/extension/"
IDENTIFIER: Final = "Lambda-Extension-Identifier"
ERROR_TYPE: Final = "Lambda-Extension-Function-Error-Type"

#: What may be registered for, or why it may not.
EVENTS: Final[Mapping[str, str]] = {"INVOKE": "", "SHUTDOWN": "ShutdownEventNotSupportedForInternalExtension"}


class State(Enum):
    """Where an extension is in its life; the value is the name that a refusal gives it."""

    REGISTERED = "Registered"
    READY = "Ready"
    INIT_ERROR = "InitError"
    EXIT_ERROR = "ExitError"


#: Where an extension may go from where it is.
ALLOWED: Final[Mapping[State, frozenset[State]]] = {
    State.REGISTERED: frozenset({State.READY, State.INIT_ERROR, State.EXIT_ERROR}),
    State.READY: frozenset({State.READY, State.EXIT_ERROR}),
    State.INIT_ERROR: frozenset(),
    State.EXIT_ERROR: frozenset(),
}


class Extension:
    """One registered extension; `events` are those that it has not been given yet."""

    def __init__(self, events: frozenset[str]) -> None:
        self.id = str(uuid4())
        self.state = State.REGISTERED
        self.invoked = "INVOKE" in events
        self.events: asyncio.Queue[bytes] = asyncio.Queue()

    def go(self, state: State) -> None:
        """Change the state, or refuse to."""
        if state not in ALLOWED[self.state]:
            raise Refused(
                403,
                "Extension.InvalidExtensionState",
                f"State transition from {self.state.value} to {state.value} failed for extension {self.id}. "
                "Error: State transition is not allowed",
            )
        self.state = state


class Extensions:
    """The extensions of one environment, by name."""

    def __init__(self) -> None:
        self._by_name: dict[str, Extension] = {}

    def add(self, name: str, events: frozenset[str], *, again: bool) -> Extension:
        """Register one; with `again`, another process may take over a name."""
        if name in self._by_name and not again:
            raise Refused(403, "Extension.InvalidExtensionState", "Extension with this name already registered")
        extension = self._by_name[name] = Extension(events)
        return extension

    def find(self, identifier: str) -> Extension:
        """The one that calls."""
        if not identifier:
            raise Refused(403, "Extension.MissingExtensionIdentifier", f"Missing {IDENTIFIER} header")
        try:
            UUID(identifier)
        except ValueError as error:
            raise Refused(403, "Extension.InvalidExtensionIdentifier", f"Invalid {IDENTIFIER}") from error
        for extension in self._by_name.values():
            if extension.id == identifier:
                return extension
        raise Refused(403, "Extension.UnknownExtensionIdentifier", f"Unknown extension {identifier}")

    def tell(self, exchange: Exchange) -> None:
        """An event is handed to the runtime."""
        event = exchange.event
        body: dict[str, Any] = {
            "eventType": "INVOKE",
            "deadlineMs": exchange.deadline_ms,
            "requestId": event.request_id,
            "invokedFunctionArn": event.arn,
        }
        if event.trace_id:
            body["tracing"] = {"type": "X-Amzn-Trace-Id", "value": event.trace_id}
        for extension in self._by_name.values():
            if extension.invoked:
                extension.events.put_nowait(json.dumps(body, separators=(",", ":")).encode())


async def register(api: RuntimeApi, call: Call) -> Reply:
    """POST register: by name, for INVOKE events or none."""
    name = call.header("lambda-extension-name")
    body = await call.read()
    if not name:
        raise Refused(403, "Extension.InvalidExtensionName", "Empty extension name")
    if api.started.done() and not api.restartable:
        raise Refused(403, "Extension.RegistrationClosed", "Extension registration closed already")
    extension = api.extensions.add(name, _asked_for(body), again=api.restartable)
    told = {"functionName": api.function.name, "functionVersion": "$LATEST", "handler": api.function.handler}
    return 200, (*JSON_TYPE, (IDENTIFIER, extension.id)), json.dumps(told, separators=(",", ":")).encode()


def _asked_for(body: bytes) -> frozenset[str]:
    try:
        events = json.loads(body).get("events") or []
        asked = frozenset(map(str, events))
    except (ValueError, AttributeError, TypeError) as error:
        raise Refused(403, "InvalidRequestFormat", f'the body is {{"events": ["INVOKE"]}} or less: {error}') from error
    for event in sorted(asked):
        reason = EVENTS.get(event, "ErrorInvalidEventType")
        if reason:
            raise Refused(403, "Extension.InvalidEventType", f"{event}: {reason}")
    return asked


async def next_event(api: RuntimeApi, call: Call) -> Reply:
    """GET event/next: waits for an event, or for the end of the environment."""
    await call.drain()
    extension = api.extensions.find(call.header(IDENTIFIER.lower()))
    extension.go(State.READY)
    event = asyncio.ensure_future(extension.events.get())
    either: tuple[asyncio.Future[Any], ...] = (event, call.connection.closed)
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not event.done():
            raise Gone("the extension closed the connection while it was polling")
        return 200, (*JSON_TYPE, ("Lambda-Extension-Event-Identifier", str(uuid4()))), event.result()
    finally:
        event.cancel()


async def init_error(api: RuntimeApi, call: Call) -> Reply:
    """POST init/error: the extension can't start, so the function doesn't."""
    api.settle_start(await _failed(api, call, State.INIT_ERROR))
    return ACCEPTED


async def exit_error(api: RuntimeApi, call: Call) -> Reply:
    """POST exit/error: the extension says why it ends."""
    await _failed(api, call, State.EXIT_ERROR)
    return ACCEPTED


async def _failed(api: RuntimeApi, call: Call, state: State) -> FunctionError:
    report = await call.read()
    extension = api.extensions.find(call.header(IDENTIFIER.lower()))
    error_type = call.header(ERROR_TYPE.lower())
    if not error_type:
        raise Refused(403, "Extension.MissingHeader", f"{ERROR_TYPE} not found")
    extension.go(state)
    return FunctionError.posted(report, error_type)


Route: TypeAlias = Callable[["RuntimeApi", Call], Awaitable[Reply]]

#: Address below the prefix: the method it takes, and what answers it.
ROUTES: Final[Mapping[str, tuple[str, Route]]] = {
    "register": ("POST", register),
    "event/next": ("GET", next_event),
    "init/error": ("POST", init_error),
    "exit/error": ("POST", exit_error),
}


async def answer_call(api: RuntimeApi, call: Call) -> Reply:
    """Find the address and answer it."""
    method, route = ROUTES.get(call.path.removeprefix(PREFIX), ("", None))
    if route is None:
        return NOT_FOUND
    if call.method != method:
        return 405, [("Allow", method)], b""
    return await route(api, call)
