"""AWS's event stream encoding, in which `InvokeWithResponseStream` answers.

A message is its length, the length of its headers, a checksum of both, the headers, the payload, and a checksum of all
that; numbers are big-endian. A header is the length of its name, the name, the type of its value (7: text), the length
of the value, the value.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Final

CONTENT_TYPE: Final = "application/vnd.amazon.eventstream"
TEXT: Final = 7
PRELUDE: Final = 12
CHECKSUM: Final = 4


class BadEventStream(ValueError):
    """The bytes are not an event stream."""


def encode(event_type: str, content_type: str, payload: bytes) -> bytes:
    """Encode one event."""
    fields = {":event-type": event_type, ":content-type": content_type, ":message-type": "event"}
    headers = b"".join(
        struct.pack(">B", len(name)) + name.encode() + struct.pack(">BH", TEXT, len(value)) + value.encode()
        for name, value in fields.items()
    )
    lengths = struct.pack(">II", PRELUDE + len(headers) + len(payload) + CHECKSUM, len(headers))
    message = lengths + struct.pack(">I", zlib.crc32(lengths)) + headers + payload
    return message + struct.pack(">I", zlib.crc32(message))


class EventStreamDecoder:
    """Decodes events from bytes, however these are cut."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[tuple[Mapping[str, str], bytes]]:
        """Yield the headers and the payload of each event that is complete now.

        Raises:
            BadEventStream: a checksum is wrong, or a header is not text.
        """
        self._rest += data
        while len(self._rest) >= PRELUDE:
            total, headers_length, checksum = struct.unpack(">III", self._rest[:PRELUDE])
            if zlib.crc32(self._rest[:8]) != checksum:
                raise BadEventStream("the checksum of an event's lengths is wrong")
            if len(self._rest) < total:
                return
            message, self._rest = self._rest[:total], self._rest[total:]
            if zlib.crc32(message[:-CHECKSUM]) != struct.unpack(">I", message[-CHECKSUM:])[0]:
                raise BadEventStream("an event's checksum is wrong")
            end = PRELUDE + headers_length
            yield dict(_headers(message[PRELUDE:end])), message[end:-CHECKSUM]


def _headers(data: bytes) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(data):
        name_end = at + 1 + data[at]
        name = data[at + 1 : name_end].decode()
        kind, length = struct.unpack(">BH", data[name_end : name_end + 3])
        if kind != TEXT:
            raise BadEventStream(f"the header {name} is not text: type {kind}")
        at = name_end + 3 + length
        yield name, data[name_end + 3 : at].decode()
