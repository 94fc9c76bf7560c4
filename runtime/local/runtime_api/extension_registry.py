"""The extensions that a runtime's own process has registered, and the events that wait for them."""

from __future__ import annotations

import json
from collections import deque
from typing import Any, Final
from uuid import UUID, uuid4

from dispatch import protocol
from runtime.local.gates import Gate
from runtime.local.invocation import Exchange
from runtime.local.runtime_api.call import CallRefused
from runtime.local.runtime_api.states import ERROR_TYPES, ExtensionState, StateMachine

#: The one event that an internal extension may register for.
INVOKE: Final = "INVOKE"
#: How many events wait for an extension that does not ask for them; the oldest are dropped.
WAITING: Final = 1000


class Extension:
    """One registered extension, and the events that it has not asked for yet."""

    def __init__(self, registered_for: frozenset[str]) -> None:
        self.id = str(uuid4())
        self.machine = StateMachine(f"extension {self.id}", ExtensionState.REGISTERED)
        self.wants_invoke = INVOKE in registered_for
        self._events: deque[bytes] = deque(maxlen=WAITING)
        self._polls: deque[Gate[bytes]] = deque()

    def put(self, event: bytes) -> None:
        """Hand an event to the poll that is waiting for one, or keep it for the next."""
        while self._polls:
            poll = self._polls.popleft()
            if not poll.is_open:
                poll.open(event)
                return
        self._events.append(event)

    def next_event(self) -> Gate[bytes]:
        """Return the gate that the next event opens."""
        poll: Gate[bytes] = Gate()
        if self._events:
            poll.open(self._events.popleft())
        else:
            self._polls.append(poll)
        return poll


class ExtensionRegistry:
    """The extensions of one execution environment, by name."""

    def __init__(self) -> None:
        self._by_name: dict[str, Extension] = {}

    def add(self, name: str, registered_for: frozenset[str], *, replace: bool) -> Extension:
        """Register an extension; with `replace`, a new process may take over a name.

        Raises:
            CallRefused: the name is taken.
        """
        if name in self._by_name and not replace:
            raise CallRefused(403, ERROR_TYPES[ExtensionState], "Extension with this name already registered")
        extension = self._by_name[name] = Extension(registered_for)
        return extension

    def find(self, identifier: str) -> Extension:
        """Return the extension with this identifier.

        Raises:
            CallRefused: the identifier is missing, no UUID, or unknown.
        """
        if not identifier:
            raise CallRefused(403, "Extension.MissingExtensionIdentifier", f"Missing {protocol.EXTENSION_ID} header")
        try:
            UUID(identifier)
        except ValueError as error:
            raise CallRefused(
                403, "Extension.InvalidExtensionIdentifier", f"Invalid {protocol.EXTENSION_ID}"
            ) from error
        for extension in self._by_name.values():
            if extension.id == identifier:
                return extension
        raise CallRefused(403, "Extension.UnknownExtensionIdentifier", f"Unknown extension {identifier}")

    def announce(self, exchange: Exchange) -> None:
        """Queue an INVOKE event for each extension that registered for it."""
        if not any(extension.wants_invoke for extension in self._by_name.values()):
            return
        event = exchange.event
        body: dict[str, Any] = {
            "eventType": INVOKE,
            "deadlineMs": exchange.deadline_ms,
            "requestId": event.request_id,
            "invokedFunctionArn": event.arn,
        }
        if event.trace_id:
            body["tracing"] = {"type": protocol.AMZN_TRACE_ID, "value": event.trace_id}
        for extension in self._by_name.values():
            if extension.wants_invoke:
                extension.put(json.dumps(body, separators=(",", ":")).encode())
