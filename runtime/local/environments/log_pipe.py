"""A pipe that a process writes its log to, read line by line."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Final, TypeAlias

READ_SIZE: Final = 64 * 1024
#: Bytes of a line; a longer one is passed on in parts (Lambda keeps 256 KB of one log event).
LINE_LIMIT: Final = 256 * 1024

#: How many reads `drain` makes at most. A pipe holds less (1 MiB at most, pipe(7)); a child that writes without end
#: would keep `drain` from ending.
DRAIN: Final = 32

WriteText: TypeAlias = Callable[[str], None]


class LogPipe:
    """Passes each line on, without its end, as soon as it is there; `open` makes the pipe.

    Whatever was written before an answer was posted is in the pipe by then, so `drain` at the end of an invocation
    misses nothing.
    """

    def __init__(self, reader: int, writer: int, write: WriteText) -> None:
        self.writer = writer
        self._reader = reader
        self._write = write
        self._rest = b""
        self._loop = asyncio.get_running_loop()

    @classmethod
    def open(cls, write: WriteText) -> LogPipe:
        """Make a pipe and start to read it; `write` gets each line."""
        reader, writer = os.pipe()
        return cls.reading(reader, write, writer)

    @classmethod
    def reading(cls, reader: int, write: WriteText, writer: int = -1) -> LogPipe:
        """Start to read a pipe from its reading end."""
        os.set_blocking(reader, False)
        pipe = cls(reader, writer, write)
        pipe._loop.add_reader(reader, pipe._read)
        return pipe

    def close_writer(self) -> None:
        """Close our copy of the writing end, once the process has its own."""
        os.close(self.writer)
        self.writer = -1

    def drain(self) -> None:
        """Pass on everything that was written until now, also an unfinished line."""
        for _ in range(DRAIN):
            if self._reader < 0 or not self._read():
                break
        self._flush()

    def close(self) -> None:
        """Pass on the rest and close the pipe."""
        self.drain()
        self._close_reader()
        if self.writer >= 0:
            self.close_writer()

    def _read(self) -> bool:
        try:
            data = os.read(self._reader, READ_SIZE)
        except BlockingIOError:
            return False
        if not data:
            self._close_reader()
            return False
        self._pass_on(data)
        return True

    def _pass_on(self, data: bytes) -> None:
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
