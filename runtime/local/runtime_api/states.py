"""The states of a runtime and of an extension, and which may follow which, as one table.

A request for a state that the table does not allow is refused and changes nothing. The names of the states and the
wording of the refusals are those of AWS's emulator.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final, TypeAlias


class RuntimeState(Enum):
    """Where a runtime is in its life; the value is its name in a refusal."""

    __hash__ = object.__hash__  # by identity, which Enum's own is five times as slow as

    STARTED = "Started"
    RESTORE_READY = "RestoreReady"
    RESTORING = "Restoring"
    READY = "Ready"
    RUNNING = "Running"
    RESPONDING = "InvocationResponse"
    FAILING = "InvocationErrorResponse"
    ANSWERED = "RuntimeResponseSentState"
    INIT_ERROR = "InitError"
    RESTORE_ERROR = "RestoreError"


class ExtensionState(Enum):
    """Where an extension is in its life; the value is its name in a refusal."""

    __hash__ = object.__hash__  # by identity, which Enum's own is five times as slow as

    REGISTERED = "Registered"
    READY = "Ready"
    INIT_ERROR = "InitError"
    EXIT_ERROR = "ExitError"


State: TypeAlias = RuntimeState | ExtensionState

_R, _E = RuntimeState, ExtensionState

#: What may follow each state.
FOLLOWING: Final[Mapping[State, frozenset[State]]] = {
    _R.STARTED: frozenset({_R.READY, _R.RESTORE_READY, _R.INIT_ERROR}),
    _R.RESTORE_READY: frozenset({_R.RESTORE_READY, _R.RESTORING}),
    _R.RESTORING: frozenset({_R.READY, _R.RESTORE_READY, _R.RESTORE_ERROR}),
    # A runtime that lost its connection polls again.
    _R.READY: frozenset({_R.READY, _R.RUNNING}),
    _R.RUNNING: frozenset({_R.READY, _R.RESPONDING, _R.FAILING}),
    # An answer that breaks off leaves the runtime in one of these two, and only a new process helps.
    _R.RESPONDING: frozenset({_R.ANSWERED}),
    _R.FAILING: frozenset({_R.ANSWERED}),
    _R.ANSWERED: frozenset({_R.READY}),
    _R.INIT_ERROR: frozenset(),
    _R.RESTORE_ERROR: frozenset(),
    _E.REGISTERED: frozenset({_E.READY, _E.INIT_ERROR, _E.EXIT_ERROR}),
    _E.READY: frozenset({_E.READY, _E.EXIT_ERROR}),
    _E.INIT_ERROR: frozenset(),
    _E.EXIT_ERROR: frozenset(),
}

#: Requests that are allowed and leave the state as it is: a poll while an event is unanswered gets that event again.
UNCHANGED: Final[frozenset[tuple[State, State]]] = frozenset({(_R.RUNNING, _R.READY), (_R.RESTORING, _R.RESTORE_READY)})

#: The error type of a refusal.
ERROR_TYPES: Final[Mapping[type[State], str]] = {
    RuntimeState: "InvalidStateTransition",
    ExtensionState: "Extension.InvalidExtensionState",
}


class StateRefused(Exception):
    """A state that may not follow the present one; the message and `error_type` are what the caller is answered."""

    def __init__(self, name: str, present: State, wanted: State) -> None:
        super().__init__(
            f"State transition from {present.value} to {wanted.value} failed for {name}. "
            "Error: State transition is not allowed"
        )
        self.error_type = ERROR_TYPES[type(present)]


class StateMachine:
    """The state of one runtime or one extension, which `name` names in refusals."""

    __slots__ = ("name", "state")

    def __init__(self, name: str, state: State) -> None:
        self.name = name
        self.state = state

    def enter(self, wanted: State) -> None:
        """Go to another state.

        Raises:
            StateRefused: it may not follow the present one, which then stays.
        """
        if wanted not in FOLLOWING[self.state]:
            raise StateRefused(self.name, self.state, wanted)
        if (self.state, wanted) not in UNCHANGED:
            self.state = wanted
