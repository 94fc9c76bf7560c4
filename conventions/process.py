"""The `process` convention: a program of any language, started for each event."""

from __future__ import annotations

from conventions import output, programs, taking_http_body
from dispatch import variables
from dispatch.response import Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dispatch.invocation import Invocation
    from dispatch.types import Conventions, Handler


def process(user_object: Any) -> Handler:
    """A program that reads the event from standard input and writes the answer to standard output."""
    return running(programs.argv(user_object))


def running(argv: list[str], name: str = "") -> Handler:
    """A handler that starts a command for each event; it streams its output if `HANDLER_INVOKE_MODE` says so."""
    answer = output.run if variables.streams() else output.whole

    def handle(invocation: Invocation) -> Response:
        return Response(answer(argv, invocation, name))

    #: Each invocation has a process of its own.
    handle.one_at_a_time = False  # type: ignore[attr-defined]
    return taking_http_body(handle, guesses_type=True)


process.accepts_object = True  # type: ignore[attr-defined]
process.accepts_any_event = True  # type: ignore[attr-defined]
process.locate = programs.command_line  # type: ignore[attr-defined]


def dispatch_conventions() -> Conventions:
    """The convention for a program."""
    return {"process": process}
