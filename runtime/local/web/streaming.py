"""Responses that are a function's answer as it arrives."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from runtime.local.answer import Answer


class AnswerStream(StreamingResponse):
    """Streams an answer; once the client has left, nobody reads the answer any more."""

    def __init__(
        self,
        content: AsyncIterator[bytes] | AsyncIterator[str],
        answer: Answer,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
    ) -> None:
        super().__init__(content, status, headers, media_type)
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._answer.leave()
