"""The prelude of a streamed HTTP answer: a JSON object, eight NUL bytes, then the body."""

from __future__ import annotations

import json
from typing import Any, Final

from dispatch.protocol import HTTP_INTEGRATION, PRELUDE_END

#: A prelude longer than this is not one. Lambda's own limit is not documented.
LIMIT: Final = 1024 * 1024


class BadPrelude(ValueError):
    """The answer says that it has a prelude, and has none."""


class Splitter:
    """Takes the prelude off an answer, wherever its chunks are cut; `head` is the object once it is complete."""

    def __init__(self, content_type: str) -> None:
        self.expected = content_type.partition(";")[0].strip().lower() == HTTP_INTEGRATION
        self.head: dict[str, Any] | None = None if self.expected else {}
        self._start = b""

    def feed(self, chunk: bytes) -> bytes:
        """Return what of this chunk belongs to the body; raise `BadPrelude`."""
        if self.head is not None:
            return chunk
        self._start += chunk
        prelude, separator, body = self._start.partition(PRELUDE_END)
        if not separator:
            if len(self._start) > LIMIT:
                raise BadPrelude(f"no prelude within {LIMIT} bytes")
            return b""
        self.head = self._parse(prelude)
        return body

    def finish(self) -> None:
        """The answer is complete; raise `BadPrelude` if its prelude is not."""
        if self.head is None:
            raise BadPrelude("the answer ended before its prelude was complete")

    @staticmethod
    def _parse(prelude: bytes) -> dict[str, Any]:
        try:
            head = json.loads(prelude)
        except ValueError as error:
            raise BadPrelude(f"the prelude is not JSON: {error}") from error
        if not isinstance(head, dict):
            raise BadPrelude(f"the prelude is a JSON object, not {type(head).__name__}")
        return head
