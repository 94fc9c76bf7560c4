"""A log to read: its JSON records, and the frames of the telemetry descriptor."""

from __future__ import annotations

import contextlib
import json
import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

#: The setting by which each record is a JSON object.
JSON = {"AWS_LAMBDA_LOG_FORMAT": "JSON"}

#: The number of the log descriptor, as the platform might choose it.
DESCRIPTOR = 9


class Frame(NamedTuple):
    """One frame of the telemetry descriptor."""

    kind: int
    microseconds: int
    text: str


class LogPipe:
    """The reader of `_LAMBDA_TELEMETRY_LOG_FD`: a named pipe, which a shell opens as that descriptor."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = bytearray()
        os.mkfifo(path)
        self.reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        os.set_blocking(self.reader, True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.reader)

    def command(self, command: Sequence[str]) -> list[str]:
        """The command, with the pipe as its log descriptor."""
        return ["/bin/sh", "-c", f'exec {DESCRIPTOR}>"$LOG_PIPE"; exec "$@"', "sh", *command]

    @property
    def env(self) -> dict[str, str]:
        """What the command needs to find the pipe."""
        return {"LOG_PIPE": str(self.path), "_LAMBDA_TELEMETRY_LOG_FD": str(DESCRIPTOR)}

    def frames(self, piece: int = 65536) -> list[Frame]:
        """All frames, from the first writer to the last, read in pieces of that size; an error if a byte is left over."""
        while data := os.read(self.reader, piece):
            self.data += data
        return list(parsed(memoryview(self.data)))


def parsed(data: memoryview) -> Iterator[Frame]:
    """The frames of this stream of bytes."""
    while data:
        kind, length, microseconds = struct.unpack(">IIQ", data[:16])
        text, data = data[16 : 16 + length], data[16 + length :]
        assert length == len(text), f"a frame of {length} bytes has {len(text)}"
        yield Frame(kind, microseconds, str(text, "utf-8"))


def records(log: str) -> list[dict[str, Any]]:
    """The JSON records of a log that have a request id, if an empty one: not the runtime's own warnings."""
    found = []
    for line in log.splitlines():
        with contextlib.suppress(ValueError):
            value = json.loads(line)
            if isinstance(value, dict) and "requestId" in value:
                found.append(value)
    return found
