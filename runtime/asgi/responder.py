"""Answers one request to an ASGI server: what RuntimeClient does for an invocation of the Runtime API."""

from __future__ import annotations

import asyncio

from dispatch import settle
from dispatch.error_reports import to_json
from dispatch.protocol import AMZN_REMAPPED_LENGTH, JSON
from runtime.asgi.bridge import Interruptible
from runtime.local.web.prelude import PreludeSplitter
from runtime.local.web.url_event import read_head

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from dispatch.error_reports import ErrorReport
    from dispatch.invocation import Invocation

#: Statuses of responses that have neither a body nor its length (RFC 9110, section 8.6).
_WITHOUT_LENGTH = frozenset({204, 304})
_REMAPPED_LENGTH = AMZN_REMAPPED_LENGTH.lower()


class Responder(Interruptible):
    """The response to one request; interrupted if the client leaves while it is streamed.

    Attributes:
        scope, receive: those of the server.
        failure_status: the status of an error report.
        has_begun: whether the response has been started.
    """

    def __init__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        super().__init__()
        self.scope = scope
        self.failure_status = 500
        self.receive = receive
        self._send = send
        self._status = 200
        self._headers: list[tuple[str, str]] | None = None
        self._whole: bytes | None = None
        self._watch: asyncio.Task[None] | None = None
        self._streams = self.has_begun = False

    def head(self, status: int, headers: Iterable[tuple[str, str]]) -> None:
        """Set the response's status and headers, which are otherwise 200 and the content type."""
        self._status, self._headers = status, list(headers)

    def keep(self, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> None:
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
        self.keep(self._status, self._headers or [("content-type", content_type)], body)
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
            BadPrelude, BadAnswer: the content type promises a prelude, and there is none, or a wrong one.
        """
        splitter = PreludeSplitter(content_type)
        if self._headers is None and not splitter.expected:
            self._headers = [("content-type", content_type)]
        self._streams = True
        try:
            for chunk in chunks:
                part = splitter.feed(chunk)
                if self.interrupted:
                    return
                if splitter.head is not None:
                    settle(self._part(splitter.head, part))
            if self.interrupted or report() is not None:
                return  # without the last message the server breaks off, so that the client knows
            splitter.finish()
            settle(self._part(splitter.head or {}, None))
        except (asyncio.CancelledError, OSError):  # servers raise OSError if the client has left (ASGI 2.4)
            if not self.has_begun:
                raise
            self.interrupted = True
        finally:
            self._streams = False

    # On the server's loop

    async def finish(self) -> None:
        """Send the answer, if there is one that has not been sent, and stop watching the client."""
        if self._watch is not None:
            self._watch.cancel()
        body, self._whole = self._whole, None
        if body is None:
            return
        headers = self._headers or []
        if self._status not in _WITHOUT_LENGTH and not any(name.lower() == "content-length" for name, _ in headers):
            headers.append(("content-length", str(len(body))))
        await self._start(self._status, headers)
        await self.send({"type": "http.response.body", "body": body})

    async def send(self, message: dict[str, Any]) -> None:
        """Send a message of ASGI."""
        self.has_begun = True
        await self._send(message)

    async def _part(self, prelude: dict[str, Any], part: bytes | None) -> None:
        """Send a part of a streamed answer, after the response's head; None is its end."""
        if not self.has_begun:
            self._watch = asyncio.ensure_future(self._watch_client())
            await self._start(*self._head(prelude))
        if part or part is None:
            await self.send({"type": "http.response.body", "body": part or b"", "more_body": part is not None})

    def _head(self, prelude: dict[str, Any]) -> tuple[int, list[tuple[str, str]]]:
        if self._headers is not None:
            return self._status, self._headers
        head = read_head(prelude)
        return head.status, [
            ("content-length" if name == _REMAPPED_LENGTH else name, value) for name, value in head.headers
        ]

    async def _start(self, status: int, headers: list[tuple[str, str]]) -> None:
        pairs = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        await self.send({"type": "http.response.start", "status": status, "headers": pairs})

    async def _watch_client(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass
        if self._streams:
            self.interrupt()
