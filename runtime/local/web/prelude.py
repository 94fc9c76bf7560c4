"""The prelude of a streamed HTTP answer: a JSON object, eight NUL bytes, then the body."""

from __future__ import annotations

from typing import Any, Final

from dispatch.protocol import HTTP_INTEGRATION, PRELUDE_END
from runtime.local.values import parse_json

#: Bytes that a prelude may have. Lambda's own limit is not documented.
PRELUDE_LIMIT: Final = 1024 * 1024


class BadPrelude(ValueError):
    """An answer whose content type announces a prelude has none."""


class PreludeSplitter:
    """Takes the prelude off an answer, wherever its chunks are cut.

    Attributes:
        expected: whether the content type announces a prelude.
        head: the prelude; None until it is complete, empty if none is expected.
    """

    def __init__(self, content_type: str) -> None:
        self.expected = content_type.partition(";")[0].strip().lower() == HTTP_INTEGRATION
        self.head: dict[str, Any] | None = None if self.expected else {}
        self._start = b""

    def feed(self, chunk: bytes) -> bytes:
        """Return the part of this chunk that belongs to the body.

        Raises:
            BadPrelude: the prelude is too long, or not a JSON object.
        """
        if self.head is not None:
            return chunk
        self._start += chunk
        prelude, separator, body = self._start.partition(PRELUDE_END)
        if not separator:
            if len(self._start) > PRELUDE_LIMIT:
                raise BadPrelude(f"no prelude within {PRELUDE_LIMIT} bytes")
            return b""
        self.head = self._parse(prelude)
        return body

    def finish(self) -> None:
        """Note the end of the answer.

        Raises:
            BadPrelude: the prelude is not complete.
        """
        if self.head is None:
            raise BadPrelude("the answer ended before its prelude was complete")

    @staticmethod
    def _parse(prelude: bytes) -> dict[str, Any]:
        try:
            head = parse_json(prelude)
        except ValueError as error:
            raise BadPrelude(f"the prelude is not JSON: {error}") from error
        if not isinstance(head, dict):
            raise BadPrelude(f"the prelude must be a JSON object, not {type(head).__name__}")
        return head
