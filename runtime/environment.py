"""The execution environment: polls for an event, calls the handler with it, sends the answer back."""

from __future__ import annotations

from dispatch import error_reports, exceptions
from dispatch.asynchrony import settle
from dispatch.errors import MarshalError, ResponseTooLarge, Terminated
from dispatch.event_variables import set_variable
from dispatch.invocation import handled
from dispatch.protocol import RESPONSE_LIMIT, TRACE_VARIABLE
from dispatch.response import Response, stop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn, Self

    from dispatch.error_reports import ErrorReport
    from dispatch.function import Function
    from dispatch.invocation import Invocation
    from dispatch.load import Choice
    from runtime.client import RuntimeClient
    from runtime.lifecycle import ForkGuard, Signals
    from runtime.logs import Log

_END = object()


def init_report(error: BaseException, choice: Choice | None, log: Log) -> ErrorReport:
    """Log that the function cannot be loaded, and tell the plugins; returns the report, in the convention's own words.

    Args:
        error: the exception that loading has failed with.
        choice: the convention chosen for the function; None if it failed before there was one.
        log: the execution environment's log.
    """
    convention = choice.convention if choice else None
    report = error_reports.worded(getattr(convention, "report", error_reports.report), error)
    log.error(report)
    if choice is not None:
        choice.failed(error)
    return report


class Environment:
    """One function behind one connection to the Runtime API; it serves one invocation at a time.

    Attributes:
        response_limit: the bytes that an answer may have if it is not streamed.
    """

    response_limit: float = RESPONSE_LIMIT

    def __init__(self, client: RuntimeClient, function: Function, log: Log, signals: Signals) -> None:
        self.client = client
        self.function = function
        self._log = log
        self._signals = signals
        self._guard = signals.guard
        self._handler = signals.guard.around(function.handler)
        self._report_of = getattr(function.handler, "report", error_reports.report)

    def serve(self) -> NoReturn:
        """Handle events until the process has to end (Terminated) or the Runtime API has failed (RuntimeApiError)."""
        while True:
            self._signals.check()
            invocation = self.client.next()
            self._log.latest = invocation
            set_variable(TRACE_VARIABLE, invocation.trace_id or None)
            self.handle(invocation)

    def handle(self, invocation: Invocation) -> None:
        """Handle one invocation, from the event to the calls that were deferred until after the answer."""
        token = handled.set(invocation)
        try:
            self._handle(invocation)
        finally:
            handled.reset(token)

    def _handle(self, invocation: Invocation) -> None:
        function = self.function
        if function.before_invoke:
            function.before_invoke(invocation=invocation)
        response: Response | None = None
        error: BaseException | None = None
        report: ErrorReport | None = None
        try:
            response = self.answer(invocation)
        except Terminated:
            raise
        except BaseException as failure:  # noqa: BLE001 - an exception of user code is an answer, not our end
            self._signals.check()  # unless it is what a library has made of our end, like sqlite3 of any exception
            error, report = failure, self.report(failure, invocation.request_id)
        else:
            error = self._send(invocation, response)
        if report is not None:
            # Not while the exception is being handled: Python would make it the context of the parser's error, in the
            # place of a signal's that came during a callback of the parser.
            self.client.fail(invocation, report)
            self._give_hint(invocation)
        if type(error) is Terminated:
            raise error
        if invocation.afterwards:
            self.run_afterwards(invocation)
        if function.after_invoke:
            function.after_invoke(invocation=invocation, response=response, error=error)

    def answer(self, invocation: Invocation) -> Response:
        """The handler's answer; the first chunk of a streamed one is taken, so failing there is an ordinary error."""
        response = self._handler(invocation)
        if not isinstance(response, Response):
            raise MarshalError(
                f"the {self.function.convention} convention returned {type(response).__name__}, not a Response"
            )
        content_type = response.content_type
        if not (isinstance(content_type, str) and content_type.isascii() and content_type.isprintable()):
            raise MarshalError(f"the content type of a Response must be one line of ASCII, not {content_type!r}")
        body = response.body
        if isinstance(body, bytearray | memoryview):
            response.body = body = bytes(body)
        if not isinstance(body, bytes):
            response.body = _Chunks(body, self._guard).begun()
        elif len(body) > self.response_limit:
            raise ResponseTooLarge(len(body))
        return response

    def report(self, error: BaseException, request_id: str = "") -> ErrorReport:
        """Log an exception of user code, and return its report in the handler's own words."""
        report = error_reports.worded(self._report_of, error, request_id)
        self._log.error(report)
        return report

    def _give_hint(self, invocation: Invocation) -> None:
        """Log what to set if the function was probably not written for the convention that `auto` chose."""
        try:
            hint = self.function.hint(invocation)
        except Terminated:
            raise
        except BaseException as error:  # noqa: BLE001 - the report has been sent, and matters more
            reason = exceptions.titled(error)
            hint = f"the hint of the {self.function.convention} convention failed: {reason}"
        if hint:
            self._log.warning(hint)

    def _send(self, invocation: Invocation, response: Response) -> BaseException | None:
        """Send the answer; if a streamed one failed midway, returns the exception, which has been reported."""
        chunks = response.body
        if isinstance(chunks, bytes):
            # If no hook has to run in between, the answer and the next poll go out together.
            poll = self.function.after_invoke is None
            between = (lambda: self.run_afterwards(invocation)) if poll and invocation.afterwards else None
            self.client.respond(invocation, response.content_type, chunks, poll, between)
            return None
        assert isinstance(chunks, _Chunks)  # noqa: S101 - `answer` has made them
        try:
            self.client.stream(
                invocation,
                response.content_type,
                chunks,
                lambda: self.report(chunks.failure, invocation.request_id) if chunks.failure is not None else None,
            )
        finally:
            self._close(chunks, invocation)
        return chunks.failure

    def _close(self, chunks: _Chunks, invocation: Invocation) -> None:
        try:
            chunks.close()
        except Terminated:
            raise
        except BaseException as error:  # noqa: BLE001 - no one is listening any more; it can only be logged
            self.report(error, invocation.request_id)

    def run_afterwards(self, invocation: Invocation) -> None:
        """Run the calls that `after_response()` has deferred, until the deadline."""
        while invocation.afterwards:
            current, function, arguments, options = invocation.afterwards.pop(0)
            if not invocation.remaining_time:
                name = getattr(function, "__qualname__", type(function).__name__)
                self._log.warning(
                    f"after_response: the deadline of {invocation.request_id} has passed; left out: {name}"
                )
                continue
            token = handled.set(current)
            try:
                with self._guard:
                    settle(function(*arguments, **options))
            except Terminated:
                raise
            except BaseException as error:  # noqa: BLE001 - the answer has been sent; it can only be logged
                self._log.error(error_reports.report(error, invocation.request_id))
            finally:
                handled.reset(token)


class _Chunks:
    """The body of a streamed answer, which ends if the user's iterator fails.

    It skips empty chunks, which would end the answer.

    Attributes:
        failure: the exception that the body raised after its first chunk.
    """

    def __init__(self, body: Any, guard: ForkGuard) -> None:
        if isinstance(body, str) or not hasattr(type(body), "__iter__"):
            raise MarshalError(
                f"the body of a Response must be bytes or an iterator of bytes, not {type(body).__name__}"
            )
        self.failure: BaseException | None = None
        self._source = iter(body)
        self._guard = guard
        self._first: Any = _END

    def begun(self) -> Self:
        """Take the first chunk and return self. Raises whatever the body raises."""
        try:
            self._first = self._take()
        except BaseException:
            self.close()
            raise
        return self

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        chunk, self._first = self._first, _END
        if chunk is _END:
            try:
                chunk = self._take()
            except BaseException as error:  # noqa: BLE001 - a started answer must end properly, whatever happened
                self.failure = error
        if chunk is _END:
            raise StopIteration
        return chunk  # type: ignore[no-any-return]

    def _take(self) -> Any:
        while True:
            with self._guard:
                chunk = next(self._source, _END)
            if chunk is not _END and not isinstance(chunk, bytes):
                raise MarshalError(f"each chunk of a Response must be bytes, not {type(chunk).__name__}")
            if chunk:
                return chunk

    def close(self) -> None:
        """Close the body, so that its `finally` blocks run."""
        with self._guard:
            stop(self._source)
