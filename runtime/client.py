"""The operations of the Runtime API; a transport carries them.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import time

from dispatch.error_reports import in_header, to_json
from dispatch.errors import RuntimeApiError
from dispatch.invocation import REQUEST_ID, Invocation
from dispatch.protocol import (
    ERROR_BODY,
    ERROR_TYPE,
    INIT_ERROR,
    INVOCATION,
    INVOCATION_ID,
    JSON,
    NEXT,
    RESPONSE_LIMIT,
    RESPONSE_MODE,
    RESTORE_ERROR,
    RESTORE_NEXT,
    STREAMING,
)
from runtime.transport import Disconnected, Reply, Transport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from dispatch.error_reports import ErrorReport
    from runtime.logs import Log

#: The header's name in lower case, as in `Headers.lowered`.
_INVOCATION_ID = INVOCATION_ID.lower()

#: How often a failing poll is tried, and the first pause between two tries in seconds; each pause is twice the last.
TRIES = 3
PAUSE = 0.1

#: The largest report in a trailer, in bytes. AWS's emulator reads trailers into a buffer of 4,096 bytes and cuts off
#: the answer if they do not fit; base64 adds a third.
TRAILER_LIMIT = 2_800


class RuntimeClient:
    """A client of the Runtime API for one execution environment."""

    def __init__(self, transport: Transport, log: Log, encoding: str = "utf-8") -> None:
        self._transport = transport
        self._log = log
        self._encoding = encoding

    def next(self) -> Invocation:
        """Wait for an event. Raises RuntimeApiError if the Runtime API can no longer be used."""
        failures = 0
        while True:
            try:
                reply = self._transport.get(NEXT)
                if reply.status == 200 and REQUEST_ID in reply.headers.lowered:
                    return Invocation(reply.body, reply.headers, self._encoding)
                problem = _problem("/next", reply)
                if reply.status == 204:
                    failures = 0
                    continue
                if reply.status == 500:
                    raise RuntimeApiError(f"{problem}; the execution environment can no longer be used")
                if reply.status < 300:  # no reply to a poll: the connection is out of step
                    self._transport.close()
            except Disconnected as lost:
                if lost.stale:
                    continue
                problem = str(lost)
            failures += 1
            if failures == TRIES:
                raise RuntimeApiError(f"no event after {TRIES} tries: {problem}")
            self._log.warning(f"{problem}; trying again")
            time.sleep(PAUSE * 2 ** (failures - 1))

    def respond(
        self,
        invocation: Invocation,
        content_type: str,
        body: bytes,
        poll: bool = False,
        between: Callable[[], None] | None = None,
    ) -> None:
        """Send a buffered answer; with `poll` the next poll is sent along with it, `between` called before the poll."""
        headers = _echoed(invocation, {"Content-Type": content_type})
        self._post(invocation, "response", headers, body, then=NEXT if poll else None, between=between)

    def stream(
        self,
        invocation: Invocation,
        content_type: str,
        chunks: Iterable[bytes],
        failure: Callable[[], ErrorReport | None],
    ) -> None:
        """Send an answer chunk by chunk; if the chunks failed midway, the trailers carry the report of the failure."""
        headers = _echoed(invocation, {"Content-Type": content_type, RESPONSE_MODE: STREAMING})
        try:
            reply = self._transport.stream(_path(invocation, "response"), headers, chunks, lambda: _trailers(failure()))
        except Disconnected as lost:
            self._log.warning(f"the streamed response to {invocation.request_id} was cut off: {lost}")
        else:
            self._judge(invocation, "response", reply)

    def fail(self, invocation: Invocation, report: ErrorReport) -> None:
        """Report that the handler failed."""
        headers = _echoed(invocation, {"Content-Type": JSON, **report.headers})
        self._post(invocation, "error", headers, to_json(report, at_most=RESPONSE_LIMIT))

    def init_error(self, report: ErrorReport, error_type: str | None = None) -> None:
        """Report that the function could not be loaded, by default with the error's own type."""
        self._report(INIT_ERROR, report, error_type)

    def restore_next(self) -> None:
        """Let the snapshot be taken, and wait until it is restored. Raises RuntimeApiError."""
        try:
            reply = self._transport.get(RESTORE_NEXT)
        except Disconnected as lost:
            raise RuntimeApiError(str(lost)) from lost
        if reply.status != 200:
            raise RuntimeApiError(_problem("/restore/next", reply))

    def restore_error(self, report: ErrorReport, error_type: str) -> None:
        """Report that a restored environment cannot be used."""
        self._report(RESTORE_ERROR, report, error_type)

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def _report(self, path: str, report: ErrorReport, error_type: str | None) -> None:
        headers = {"Content-Type": JSON, ERROR_TYPE: in_header(error_type or report["errorType"])}
        try:
            reply = self._delivered(path, headers, to_json(report, at_most=RESPONSE_LIMIT))
        except Disconnected as lost:
            self._log.warning(f"the error could not be reported: {lost}")
            return
        # 403: another execution environment of this runtime has reported already.
        if reply.status not in {200, 202, 403}:
            self._log.warning(_problem(path, reply))

    def _post(
        self,
        invocation: Invocation,
        what: str,
        headers: Mapping[str, str],
        body: bytes,
        *,
        then: str | None = None,
        between: Callable[[], None] | None = None,
    ) -> None:
        try:
            reply = self._delivered(_path(invocation, what), headers, body, then, between)
        except Disconnected as lost:
            whether = "could not be sent" if lost.unsent else "may not have arrived"
            self._log.warning(f"the {what} to {invocation.request_id} {whether}: {lost}")
            return
        self._judge(invocation, what, reply)

    def _delivered(
        self,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        then: str | None = None,
        between: Callable[[], None] | None = None,
    ) -> Reply:
        """Post a body; as long as the server cannot have got all of it, it is tried up to TRIES times."""
        failures = 0
        while True:
            try:
                return self._transport.post(path, headers, body, then, between)
            except Disconnected as lost:
                failures += 1
                if not lost.unsent or failures == TRIES:
                    raise
                self._log.warning(f"{lost}; trying again")
            time.sleep(PAUSE * 2 ** (failures - 1))

    def _judge(self, invocation: Invocation, what: str, reply: Reply) -> None:
        """Log a refusal, which loses only this answer, not the environment. Raises RuntimeApiError for a 500."""
        if 200 <= reply.status < 300:
            return
        problem = _problem(f"the {what} to {invocation.request_id}", reply)
        if reply.status == 500:
            raise RuntimeApiError(f"{problem}; the execution environment can no longer be used")
        self._log.warning(problem)


def _trailers(report: ErrorReport | None) -> Mapping[str, str]:
    if report is None:
        return {}
    trailers = {ERROR_TYPE: in_header(report["errorType"])}
    try:
        from binascii import b2a_base64
    except ImportError:  # the process cannot open any more files
        return trailers
    return {**trailers, ERROR_BODY: b2a_base64(to_json(report, TRAILER_LIMIT), newline=False).decode()}


def _path(invocation: Invocation, what: str) -> str:
    request_id = invocation.request_id
    if not request_id.replace("-", "").isalnum() or not request_id.isascii():
        from urllib.parse import quote

        request_id = quote(request_id, safe="")
    return f"{INVOCATION}/{request_id}/{what}"


def _echoed(invocation: Invocation, headers: dict[str, str]) -> dict[str, str]:
    """The headers, plus the id that lets the platform tell a late answer from the one that it is waiting for."""
    invocation_id = invocation.headers.lowered.get(_INVOCATION_ID)
    if invocation_id:
        headers[INVOCATION_ID] = invocation_id
    return headers


def _problem(what: str, reply: Reply) -> str:
    told = reply.body[:200].decode("utf-8", "replace")
    return f"the Runtime API answered {what} with status {reply.status} {told}".rstrip()
