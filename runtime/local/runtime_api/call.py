"""One call of a runtime or of an extension, and the responses that several routes give."""

from __future__ import annotations

import json
from typing import Final, NamedTuple

from dispatch import protocol
from runtime.local.runtime_api.connection import Connection, HeaderPairs, RequestHead

JSON_TYPE: Final = (("Content-Type", protocol.JSON),)
TEXT_TYPE: Final = (("Content-Type", "text/plain; charset=utf-8"),)


class ApiResponse(NamedTuple):
    """What a call is answered with."""

    status: int
    headers: HeaderPairs
    body: bytes


ACCEPTED: Final = ApiResponse(202, JSON_TYPE, b'{"status":"OK"}\n')
NOT_FOUND: Final = ApiResponse(404, TEXT_TYPE, b"404 page not found\n")


class CallRefused(Exception):
    """A call that is answered with a status of 400 and up."""

    def __init__(self, status: int, error_type: str, message: str) -> None:
        super().__init__(message)
        body = json.dumps({"errorMessage": message, "errorType": error_type}, separators=(",", ":"))
        self.response = ApiResponse(status, JSON_TYPE, f"{body}\n".encode())

    @classmethod
    def too_large(cls, limit: int) -> CallRefused:
        """Make the refusal of a body of more than `limit` bytes."""
        return cls(413, "RequestEntityTooLarge", protocol.EXCEEDED.format(limit).capitalize())


class ApiCall:
    """One call: its method, path and headers, and its body as it arrives.

    Attributes:
        path: the path without the query, `{id}` in the place of the request id.
        request_id: the request id from the path, or an empty string.
        headers: the values by their names in lower case.
    """

    def __init__(self, connection: Connection, head: RequestHead) -> None:
        self.connection = connection
        self.method = head.method
        self.path, self.request_id = _split(head.target.partition("?")[0])
        self.headers = head.headers
        self._is_read = False

    def header(self, name: str, default: str = "") -> str:
        """Return a header's value; the name may be in any case."""
        return self.headers.get(name.lower(), default)

    def trailer(self, name: str) -> str:
        """Return the value of a trailer, once the body is read, or an empty string."""
        return self.connection.trailers.get(name.lower(), "")

    async def part(self) -> bytes | None:
        """Return the next part of the body as it arrives; None at its end."""
        if self._is_read:
            return None
        part = await self.connection.part()
        self._is_read = part is None
        return part

    async def drain(self) -> None:
        """Read the rest of the body and drop it."""
        while not self._is_read:
            await self.part()

    async def read(self) -> bytes:
        """Return the whole body; one that is too large is read to its end all the same.

        Raises:
            CallRefused: the body is larger than an answer may be.
        """
        parts, size = [], 0
        while (part := await self.part()) is not None:
            size += len(part)
            if size <= protocol.RESPONSE_LIMIT:
                parts.append(part)
        if size > protocol.RESPONSE_LIMIT:
            raise CallRefused.too_large(protocol.RESPONSE_LIMIT)
        return b"".join(parts)


def _split(path: str) -> tuple[str, str]:
    """Take the request id out of a path."""
    head, _, rest = path.partition(f"{protocol.INVOCATION}/")
    request_id, separator, action = rest.partition("/")
    if head or not separator:
        return path, ""
    return f"{protocol.INVOCATION}/{{id}}/{action}", _unquoted(request_id)


def _unquoted(text: str) -> str:
    if "%" not in text:
        return text
    from urllib.parse import unquote

    return unquote(text)
