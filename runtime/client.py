"""The operations of the Runtime API; how they travel is a transport's business.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import time

from dispatch import error_reports
from dispatch.errors import RuntimeApiError, Terminated
from dispatch.invocation import REQUEST_ID, Invocation
from dispatch.protocol import (
    ERROR_BODY,
    ERROR_TYPE,
    INIT_ERROR,
    INVOCATION,
    INVOCATION_ID,
    JSON,
    NEXT,
    RESPONSE_MODE,
    RESTORE_ERROR,
    RESTORE_NEXT,
    STREAMING,
    XRAY_CAUSE,
)
from dispatch.response import Response, stop
from runtime.transport import Disconnected, Reply, Transport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dispatch.types import ErrorReport
    from runtime.logs import Log

#: As `Headers.lowered` has it.
_INVOCATION_ID = INVOCATION_ID.lower()

#: How often a poll is tried in a row, and the first pause between two tries in seconds; it doubles.
TRIES = 3
PAUSE = 0.1

#: Bytes of a report in a trailer. AWS's emulator reads trailers through a buffer of 4,096 bytes and breaks off the
#: answer if they do not fit; a third of it goes to base64.
TRAILER_LIMIT = 2_800


class RuntimeClient:
    """Talks to the Runtime API on behalf of one execution environment.

    ``managed`` words error reports as AWS's managed Python runtime does.
    """

    def __init__(self, transport: Transport, log: Log, encoding: str = "utf-8", managed: bool = False) -> None:
        self._transport = transport
        self._log = log
        self._encoding = encoding
        self._managed = managed

    def next(self) -> Invocation:
        """Wait for an event. Raises RuntimeApiError when the Runtime API cannot be used any more."""
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
                    raise RuntimeApiError(f"{problem}; the execution environment cannot be used any more")
            except Disconnected as lost:
                if lost.stale:
                    continue
                problem = str(lost)
            failures += 1
            if failures == TRIES:
                raise RuntimeApiError(f"no event after {TRIES} tries: {problem}")
            self._log.warning(f"{problem}; trying again")
            time.sleep(PAUSE * 2 ** (failures - 1))

    def respond(self, invocation: Invocation, response: Response, poll: bool = False) -> BaseException | None:
        """Send an answer; with ``poll`` the next event is asked for in the same breath.

        Returns what broke off a streamed answer, which its trailers and the log have told already.
        """
        if not isinstance(response.body, bytes):
            return self._stream(invocation, response, response.body)
        headers = _echoed(invocation, {"Content-Type": response.content_type})
        self._post(invocation, "response", headers, response.body, NEXT if poll else None)
        return None

    def fail(self, invocation: Invocation, error: BaseException) -> None:
        """Log that the handler failed, and report it."""
        report = self._logged(error, invocation.request_id)
        headers = {"Content-Type": JSON}
        if not self._managed:
            headers[ERROR_TYPE] = _in_header(report["errorType"])
        cause = error_reports.xray_cause(error, self._managed)
        if cause is not None:
            headers[XRAY_CAUSE] = cause
        self._post(invocation, "error", _echoed(invocation, headers), error_reports.to_json(report))

    def init_error(self, error: BaseException, error_type: str | None = None) -> None:
        """Log that there is no function, and report it; by default with the error's own type."""
        self._report(INIT_ERROR, error, error_type)

    def restore_next(self) -> None:
        """Let the snapshot be taken, and wait until it is restored. Raises RuntimeApiError."""
        try:
            reply = self._transport.get(RESTORE_NEXT)
        except Disconnected as lost:
            raise RuntimeApiError(str(lost)) from lost
        if reply.status != 200:
            raise RuntimeApiError(_problem("/restore/next", reply))

    def restore_error(self, error: BaseException, error_type: str) -> None:
        """Log that a restored environment cannot be used, and report it."""
        self._report(RESTORE_ERROR, error, error_type)

    def close(self) -> None:
        """End the connection."""
        self._transport.close()

    def _logged(self, error: BaseException, request_id: str = "") -> ErrorReport:
        report = error_reports.report(error, request_id, self._managed)
        self._log.error(report)
        return report

    def _report(self, path: str, error: BaseException, error_type: str | None) -> None:
        report = self._logged(error)
        headers = {"Content-Type": JSON, ERROR_TYPE: _in_header(error_type or report["errorType"])}
        try:
            reply = self._transport.post(path, headers, error_reports.to_json(report))
        except Disconnected as lost:
            self._log.warning(f"the error could not be reported: {lost}")
            return
        # 403: another execution environment of this runtime has reported already.
        if reply.status not in {200, 202, 403}:
            self._log.warning(_problem(path, reply))

    def _post(
        self, invocation: Invocation, what: str, headers: Mapping[str, str], body: bytes, then: str | None = None
    ) -> None:
        try:
            reply = self._transport.post(_path(invocation, what), headers, body, then)
        except Disconnected as lost:
            self._log.warning(f"whether the {what} to {invocation.request_id} arrived is not known: {lost}")
            return
        self._judge(invocation, what, reply)

    def _judge(self, invocation: Invocation, what: str, reply: Reply) -> None:
        """Go on after a refusal: the answer is lost, the environment is not. Raises RuntimeApiError for a 500."""
        if 200 <= reply.status < 300:
            return
        problem = _problem(f"the {what} to {invocation.request_id}", reply)
        if reply.status == 500:
            raise RuntimeApiError(f"{problem}; the execution environment cannot be used any more")
        self._log.warning(problem)

    def _stream(self, invocation: Invocation, response: Response, body: Iterator[bytes]) -> BaseException | None:
        chunks = _Chunks(body)
        headers = {"Content-Type": response.content_type, RESPONSE_MODE: STREAMING}
        try:
            reply = self._transport.stream(
                _path(invocation, "response"),
                _echoed(invocation, headers),
                chunks,
                lambda: self._trailers(invocation, chunks.failure),
            )
        except Disconnected as lost:
            self._log.warning(f"the streamed response to {invocation.request_id} was broken off: {lost}")
        else:
            self._judge(invocation, "response", reply)
        finally:
            self._stop(body, invocation)
        return chunks.failure

    def _stop(self, body: Iterator[bytes], invocation: Invocation) -> None:
        try:
            stop(body)
        except Terminated:
            raise
        except BaseException as error:  # noqa: BLE001 - nobody listens any more; there is only the log
            self._logged(error, invocation.request_id)

    def _trailers(self, invocation: Invocation, failure: BaseException | None) -> Mapping[str, str]:
        if failure is None:
            return {}
        report = self._logged(failure, invocation.request_id)
        trailers = {ERROR_TYPE: _in_header(report["errorType"])}
        try:
            from binascii import b2a_base64
        except ImportError:  # no file can be opened any more
            return trailers
        return {
            **trailers,
            ERROR_BODY: b2a_base64(error_reports.to_json(report, TRAILER_LIMIT), newline=False).decode(),
        }


class _Chunks:
    """A streamed body that ends where it fails, keeps the failure, and leaves out empty chunks, which would end it."""

    def __init__(self, body: Iterator[bytes]) -> None:
        self.failure: BaseException | None = None
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        while True:
            try:
                data = next(self._body, None)
            except BaseException as error:  # noqa: BLE001 - a started answer must be ended properly, whatever happened
                self.failure = error
                return
            if data is None:
                return
            if data:
                yield data


def _path(invocation: Invocation, what: str) -> str:
    request_id = invocation.request_id
    if not request_id.replace("-", "").isalnum() or not request_id.isascii():
        from urllib.parse import quote

        request_id = quote(request_id, safe="")
    return f"{INVOCATION}/{request_id}/{what}"


def _echoed(invocation: Invocation, headers: dict[str, str]) -> dict[str, str]:
    """The headers, with the id by which the platform tells a late answer from the one that it waits for."""
    invocation_id = invocation.headers.lowered.get(_INVOCATION_ID)
    if invocation_id:
        headers[INVOCATION_ID] = invocation_id
    return headers


def _in_header(text: str) -> str:
    """Text as one line of ASCII."""
    return text.encode("ascii", "backslashreplace").decode().replace("\r", " ").replace("\n", " ")


def _problem(what: str, reply: Reply) -> str:
    told = reply.body[:200].decode("utf-8", "replace")
    return f"the Runtime API answered {what} with status {reply.status} {told}".rstrip()
