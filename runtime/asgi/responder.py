"""Answers one request to an ASGI server: what RuntimeClient does for an invocation of the Runtime API."""

from __future__ import annotations

import asyncio
import json
from functools import lru_cache

from dispatch import settle
from dispatch.error_reports import to_json
from dispatch.protocol import CLOUDEVENTS, HTTP_INTEGRATION, JSON, PRELUDE_END
from dispatch.response import HTTPResponse, check_header, check_status
from runtime.asgi.bridge import Interruptible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from dispatch.error_reports import ErrorReport
    from dispatch.invocation import Invocation

#: Statuses of responses that have neither a body nor its length (RFC 9110, sections 6.4.1 and 8.6).
_WITHOUT_BODY = frozenset({204, 304})

#: The lowest status that ends a request; lower ones announce another response (RFC 9110, section 15.2).
_FINAL = 200


@lru_cache(64)
def _type_header(content_type: str) -> tuple[bytes, bytes]:
    check_header("content-type", content_type)
    return b"content-type", content_type.encode("latin-1")


class BadHead(ValueError):
    """An answer whose content type announces a status and headers before the body does not begin with them."""


class Responder(Interruptible):
    """The response to one request; interrupted if the client leaves while it is streamed.

    Attributes:
        scope, receive: those of the server.
        failure_status: the status of an error report.
        only_events: whether the client wants no other body than a CloudEvent.
        has_begun: whether the response has been started.
        refusal: what the server has raised because it cannot send a message, or None. It has to be raised to the
            server: some would otherwise leave the client waiting.
    """

    def __init__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        super().__init__()
        self.scope = scope
        self.failure_status = 500
        self.only_events = False
        self.receive = receive
        self.refusal: Exception | None = None
        self._send = send
        self._status = 200
        self._headers: list[tuple[bytes, bytes]] | None = None
        self._whole: bytes | None = None
        self._watch: asyncio.Task[None] | None = None
        self._streams = self.has_begun = False

    def head(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        """Set the response's status and headers. Raises TypeError or ValueError if HTTP cannot carry them."""
        check_status(status)
        if status < _FINAL:
            raise ValueError(f"the status of a response must be {_FINAL} or more, not {status!r}")
        for name, value in headers:
            check_header(name, value)
        self._status = status
        self._headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]

    def keep(self, status: int, headers: Sequence[tuple[str, str]], body: bytes) -> None:
        """Keep a whole response until `finish` is called."""
        self.head(status, headers)
        self._whole = body

    def keep_report(self, report: ErrorReport) -> None:
        """Keep an error report, as `keep` does."""
        self.keep(self.failure_status, [("content-type", JSON)], to_json(report))

    # The operations of a RuntimeClient, called by an Environment

    def respond(
        self,
        _invocation: Invocation,
        content_type: str,
        body: bytes,
        poll: bool = False,
        between: Callable[[], None] | None = None,
    ) -> None:
        """Send an answer; if nothing has to follow it (`poll`), only when `finish` is called."""
        if self._is_unwanted(content_type):
            self.keep(202, [], b"")
        else:
            self._set_type(content_type)
            self._whole = body
        if not poll or between is not None:
            settle(self.finish())
        if between is not None:
            between()

    def fail(self, _invocation: Invocation | None, report: ErrorReport) -> None:
        """Send an error report."""
        self.keep_report(report)
        settle(self.finish())

    def stream(
        self,
        _invocation: Invocation,
        content_type: str,
        chunks: Iterable[bytes],
        report: Callable[[], ErrorReport | None],
    ) -> None:
        """Send an answer chunk by chunk, each when the server takes more; one that fails is broken off.

        Raises:
            BadHead: the content type is that of an HTTPResponse, but the answer does not begin as one.
        """
        if self._is_unwanted(content_type):
            self._drain(chunks, report)
            return
        if content_type != HTTP_INTEGRATION:
            self._set_type(content_type)
        self._streams = True
        try:
            for chunk in chunks:
                if self.interrupted:
                    return
                settle(self._part(chunk if self._headers is not None else self._take_head(chunk)))
            if self.interrupted or report() is not None:
                return  # without the last message the server breaks off, so that the client knows
            settle(self._part(None))
        except (asyncio.CancelledError, OSError):  # servers raise OSError if the client has left (ASGI 2.4)
            if not self.has_begun:
                raise
            self.interrupted = True
        finally:
            self._streams = False
            self.spare()  # what closes the answer, and what is deferred

    def _set_type(self, content_type: str) -> None:
        if self._headers is None:  # the handler has not set them
            self._headers = [_type_header(content_type)]

    def _is_unwanted(self, content_type: str) -> bool:
        """Whether an answer is not the CloudEvent that is wanted; an HTTPResponse may be one in binary mode."""
        return self.only_events and content_type != HTTP_INTEGRATION and not content_type.startswith(CLOUDEVENTS)

    def _drain(self, chunks: Iterable[bytes], report: Callable[[], ErrorReport | None]) -> None:
        for _ in chunks:
            pass
        failure = report()
        if failure is None:
            self.keep(202, [], b"")
        else:
            self.keep_report(failure)

    # On the server's loop

    async def finish(self) -> None:
        """Send the answer, if there is one that has not been sent, and stop watching the client."""
        if self._watch is not None:
            self._watch.cancel()
        body, self._whole = self._whole, None
        if body is None:
            return
        headers = self._headers or []
        if self._status in _WITHOUT_BODY:
            body = b""
        elif b"content-length" not in dict(headers):
            headers.append((b"content-length", b"%d" % len(body)))
        self.has_begun = True
        try:  # not by `send`, whose coroutines would cost time: most answers go this way
            await self._send({"type": "http.response.start", "status": self._status, "headers": headers})
            await self._send({"type": "http.response.body", "body": body})
        except Exception as error:
            self.refusal = error
            raise

    async def send(self, message: dict[str, Any]) -> None:
        """Send a message of ASGI."""
        self.has_begun = True
        try:
            await self._send(message)
        except Exception as error:
            self.refusal = error
            raise

    async def _part(self, part: bytes | None) -> None:
        """Send a part of a streamed answer, after the response's head; None is its end."""
        if not self.has_begun:
            self.watched = True
            self._watch = asyncio.ensure_future(self._watch_client())
            await self._start()
        if part is None or (part and self._status not in _WITHOUT_BODY):
            await self.send({"type": "http.response.body", "body": part or b"", "more_body": part is not None})

    def _take_head(self, chunk: bytes) -> bytes:
        """Take status, headers and cookies off the first chunk of an HTTPResponse; returns the rest."""
        prelude, _, rest = chunk.partition(PRELUDE_END)
        try:
            fields = json.loads(prelude)
            response = HTTPResponse(fields["statusCode"], fields.get("headers"), fields.get("cookies", ()))
            cookies = [("set-cookie", each) for each in response.cookies]
            self.head(response.status, [*response.headers.items(), *cookies])
        except (ValueError, TypeError, KeyError) as error:
            raise BadHead(f"the status and headers of the answer cannot be sent: {error}") from error
        return rest

    async def _start(self) -> None:
        await self.send({"type": "http.response.start", "status": self._status, "headers": self._headers or []})

    async def _watch_client(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass
        if self._streams:
            self.interrupt()
