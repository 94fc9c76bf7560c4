"""What a runtime may call when: the states of the Runtime API side, as one table.

A call that the table does not name for the present state is refused and changes nothing. The names of the states, and
the wording of the refusal, are those that AWS's emulator puts on the wire.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final


class State(Enum):
    """Where a runtime is in its life; the value is the name that a refusal gives it."""

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


class Step(Enum):
    """What moves a runtime on: its own calls, and what the platform does with it."""

    NEXT = "next"
    RESTORE_NEXT = "restore_next"
    RESTORE = "restore"
    DELIVER = "deliver"
    RESPOND = "respond"
    FAIL = "fail"
    ANSWER = "answer"
    INIT_ERROR = "init_error"
    RESTORE_ERROR = "restore_error"


#: Where each step leads when it is allowed; the refusal names it too.
TARGETS: Final[Mapping[Step, State]] = {
    Step.NEXT: State.READY,
    Step.RESTORE_NEXT: State.RESTORE_READY,
    Step.RESTORE: State.RESTORING,
    Step.DELIVER: State.RUNNING,
    Step.RESPOND: State.RESPONDING,
    Step.FAIL: State.FAILING,
    Step.ANSWER: State.ANSWERED,
    Step.INIT_ERROR: State.INIT_ERROR,
    Step.RESTORE_ERROR: State.RESTORE_ERROR,
}

ALLOWED: Final[Mapping[State, frozenset[Step]]] = {
    State.STARTED: frozenset({Step.NEXT, Step.RESTORE_NEXT, Step.INIT_ERROR}),
    State.RESTORE_READY: frozenset({Step.RESTORE_NEXT, Step.RESTORE}),
    State.RESTORING: frozenset({Step.NEXT, Step.RESTORE_NEXT, Step.RESTORE_ERROR}),
    # A runtime that lost its connection polls again.
    State.READY: frozenset({Step.NEXT, Step.DELIVER}),
    # Polling with an event unanswered gets that event again, and leaves the runtime where it is.
    State.RUNNING: frozenset({Step.NEXT, Step.RESPOND, Step.FAIL}),
    # An answer that breaks off leaves the runtime here, and only a new process helps.
    State.RESPONDING: frozenset({Step.ANSWER}),
    State.FAILING: frozenset({Step.ANSWER}),
    State.ANSWERED: frozenset({Step.NEXT}),
    State.INIT_ERROR: frozenset(),
    State.RESTORE_ERROR: frozenset(),
}

#: Steps that are allowed and lead nowhere else.
STAYS: Final[frozenset[tuple[State, Step]]] = frozenset(
    {(State.RUNNING, Step.NEXT), (State.RESTORING, Step.RESTORE_NEXT)}
)


class StepRefused(Exception):
    """A call that is not allowed now; the message is the one that the runtime is told."""

    def __init__(self, state: State, step: Step) -> None:
        super().__init__(
            f"State transition from {state.value} to {TARGETS[step].value} failed for runtime. "
            "Error: State transition is not allowed"
        )


class Machine:
    """The state of one runtime."""

    __slots__ = ("state",)

    def __init__(self, state: State = State.STARTED) -> None:
        self.state = state

    def take(self, step: Step) -> State:
        """Go one step and return the new state; raise `StepRefused` where the table does not allow it."""
        if step not in ALLOWED[self.state]:
            raise StepRefused(self.state, step)
        if (self.state, step) not in STAYS:
            self.state = TARGETS[step]
        return self.state
