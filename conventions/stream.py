"""The `stream` convention: `func(input, output, headers)` with binary files for the event and the answer.

The function runs in its own thread, so that its output can be sent while it is still writing. Nothing is sent before
the first flush; the answer of a function that never flushes is not streamed.
"""

from __future__ import annotations

import io

from conventions import taking_http_body
from conventions.standard import sendable
from conventions.writing import DONE, Output
from dispatch.errors import MarshalError
from dispatch.response import HTTPResponse, Response, chunks, is_iterator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dispatch.invocation import Invocation
    from dispatch.types import Conventions, Handler, UserFunction


def stream(function: UserFunction) -> Handler:
    """func(input: BinaryIO, output: BinaryIO, headers: Mapping[str, str]) -> None."""

    def handle(invocation: Invocation) -> Response:
        output = Output.of(lambda output: _write(function, invocation, output), "stream handler")
        first = output.wait()
        return Response(output.finish() if first is DONE else output.rest(first))

    #: It waits for the thread that writes.
    handle.blocks = True  # type: ignore[attr-defined]
    return taking_http_body(handle, guesses_type=True)


stream.accepts_any_event = True  # type: ignore[attr-defined]


def _write(function: UserFunction, invocation: Invocation, output: Output) -> None:
    items = function(io.BytesIO(invocation.body), output, invocation.headers)
    if is_iterator(items):
        for chunk in chunks(items, sendable):
            output.write(chunk)
            output.flush()
    elif isinstance(items, HTTPResponse):
        raise MarshalError(
            "the function returned an HTTPResponse, but this convention sends only what it writes to output"
        )


def dispatch_conventions() -> Conventions:
    """The convention for a function that reads and writes byte streams."""
    return {"stream": stream}
