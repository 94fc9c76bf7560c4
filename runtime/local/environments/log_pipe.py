"""A pipe that a process writes its log to, read a line at a time."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Final, TypeAlias

READ_SIZE: Final = 64 * 1024
#: A line longer than this is passed on in parts (Lambda keeps 256 KB of one log event).
LINE_LIMIT: Final = 256 * 1024

#: More reads than a pipe can hold (1 MiB at most, pipe(7)): a child that writes without end does not hold us up.
DRAIN: Final = 32

Write: TypeAlias = Callable[[str], None]


class LogPipe:
    """Passes each line on, without its end, as soon as it is there.

    Whatever was written before an answer was posted is in the pipe by then, so `drain` at the end of an invocation
    misses nothing.
    """

    def __init__(self, write: Write) -> None:
        self._write = write
        self._reader, self.writer = os.pipe()
        self._rest = b""
        os.set_blocking(self._reader, False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._reader, self._read)

    def started(self) -> None:
        """The process has its own copy of the writing end."""
        os.close(self.writer)
        self.writer = -1

    def drain(self) -> None:
        """Pass on all that was written until now, an unfinished line too."""
        for _ in range(DRAIN):
            if self._reader < 0 or not self._read():
                break
        self._flush()

    def close(self) -> None:
        """Pass on the rest and close."""
        self.drain()
        self._close_reader()
        if self.writer >= 0:
            self.started()

    def _read(self) -> bool:
        try:
            data = os.read(self._reader, READ_SIZE)
        except BlockingIOError:
            return False
        if not data:
            self._close_reader()
            return False
        self._take(data)
        return True

    def _take(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._write(line.decode(errors="replace"))
        if len(self._rest) > LINE_LIMIT:
            self._flush()

    def _flush(self) -> None:
        rest, self._rest = self._rest, b""
        if rest:
            self._write(rest.decode(errors="replace"))

    def _close_reader(self) -> None:
        if self._reader >= 0:
            self._loop.remove_reader(self._reader)
            os.close(self._reader)
            self._reader = -1
