"""The loop: poll for an event, hand it to the handler, send the answer back."""

from __future__ import annotations

from dispatch import asynchrony, error_reports
from dispatch.errors import MarshalError, ResponseTooLarge, Terminated
from dispatch.invocation import handled
from dispatch.protocol import EXCEEDED, RESPONSE_LIMIT
from dispatch.response import Response, stop
from runtime.trace import Trace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from dispatch.invocation import Invocation
    from dispatch.load import Function
    from runtime.client import RuntimeClient
    from runtime.lifecycle import Signals
    from runtime.logs import Log


def serve(client: RuntimeClient, function: Function, log: Log, signals: Signals) -> None:
    """Handle events until the process is told to end (Terminated) or the Runtime API is gone (RuntimeApiError)."""
    trace = Trace()
    while True:
        signals.check()
        invocation = client.next()
        log.latest = invocation
        trace.set(invocation.trace_id)
        handle(client, function, log, invocation, signals)


def handle(client: RuntimeClient, function: Function, log: Log, invocation: Invocation, signals: Signals) -> None:
    """One invocation, from the event to what was put off until after the answer."""
    token = handled.set(invocation)
    try:
        _handle(client, function, log, invocation, signals)
    finally:
        handled.reset(token)


def _handle(client: RuntimeClient, function: Function, log: Log, invocation: Invocation, signals: Signals) -> None:
    if function.before_invoke:
        function.before_invoke(invocation=invocation)
    response: Response | None = None
    error: BaseException | None = None
    try:
        response = _answered(function, invocation, signals)
    except Terminated:
        raise
    except BaseException as failure:  # noqa: BLE001 - whatever user code raises is its answer, not our end
        error = failure
        signals.end_child(error)
        client.fail(invocation, error)
    else:
        signals.end_child(None)
        # Where nothing has to run in between, the answer and the next poll go out together.
        error = client.respond(invocation, response, not (function.after_invoke or invocation.afterwards))
    if isinstance(error, Terminated):
        raise error
    if invocation.afterwards:
        _run_afterwards(invocation, log, signals)
    if function.after_invoke:
        function.after_invoke(invocation=invocation, response=response, error=error)


def _answered(function: Function, invocation: Invocation, signals: Signals) -> Response:
    """The handler's answer. Of a streamed one the first chunk is there, so failing at once is an ordinary error."""
    response = function.handler(invocation)
    if not isinstance(response, Response):
        raise MarshalError(f"the {function.convention} convention gave {type(response).__name__}, not a Response")
    content_type = response.content_type
    if not (isinstance(content_type, str) and content_type.isascii() and content_type.isprintable()):
        raise MarshalError(f"the content type of a Response is one line of ASCII, not {content_type!r}")
    if isinstance(response.body, bytearray | memoryview):
        response.body = bytes(response.body)
    if not isinstance(response.body, bytes):
        response.body = _begun(_own(_chunks(response.body), signals))
    elif len(response.body) > RESPONSE_LIMIT:
        raise ResponseTooLarge(f"Response payload size ({len(response.body)} bytes) {EXCEEDED.format(RESPONSE_LIMIT)}")
    return response


def _chunks(body: Any) -> Iterator[Any]:
    """The body of a streamed answer, as far as it is one. Raises MarshalError."""
    if isinstance(body, str) or not hasattr(type(body), "__iter__"):
        raise MarshalError(f"the body of a Response is bytes, or an iterator of bytes, not {type(body).__name__}")
    return iter(body)


def _own(chunks: Iterator[Any], signals: Signals) -> Iterator[bytes]:
    """The chunks that this process makes; one that their generator forked ends with them. Raises MarshalError."""
    try:
        for chunk in chunks:
            signals.end_child(None)
            yield _bytes(chunk)
    except BaseException as error:
        signals.end_child(error)
        raise
    finally:
        stop(chunks)
    signals.end_child(None)


def _bytes(chunk: Any) -> bytes:
    if not isinstance(chunk, bytes):
        raise MarshalError(f"each chunk of a Response is bytes, not {type(chunk).__name__}")
    return chunk


def _begun(chunks: Iterator[bytes]) -> Iterator[bytes]:
    return _from(next(filter(None, chunks), b""), chunks)


def _from(first: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield first
        yield from chunks
    finally:
        stop(chunks)


def _run_afterwards(invocation: Invocation, log: Log, signals: Signals) -> None:
    """What after_response() put off, as far as the deadline allows."""
    while invocation.afterwards:
        function, arguments, options = invocation.afterwards.pop(0)
        if not invocation.remaining_time:
            name = getattr(function, "__qualname__", type(function).__name__)
            log.warning(f"after_response: the deadline of {invocation.request_id} has passed; left out: {name}")
            continue
        try:
            asynchrony.settle(function(*arguments, **options))
        except Terminated:
            raise
        except BaseException as error:  # noqa: BLE001 - the answer has been sent; there is only the log
            signals.end_child(error)
            log.error(error_reports.report(error, invocation.request_id))
