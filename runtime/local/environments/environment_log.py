"""The log of one environment: each line is passed on, and those of the event under way are kept for its caller."""

from __future__ import annotations

import time
from collections import deque
from typing import Final

from runtime.local.environments.log_lines import LogLine, WriteLog

#: Characters of one event's log that are kept for its caller: the last ones.
LOG_LIMIT: Final = 4 * 1024 * 1024


class EnvironmentLog:
    """A log stream.

    Attributes:
        stream: its name.
        request_id: the event under way, or an empty string.
    """

    def __init__(self, function: str, write_log: WriteLog, stream: str) -> None:
        self.stream = stream
        self.request_id = ""
        self._function = function
        self._write_log = write_log
        self._lines: deque[str] = deque()
        self._size = 0

    def write(self, text: str, platform: bool = False) -> None:
        """Write a line, of the function's or of the platform's."""
        self._lines.append(text)
        self._size += len(text)
        while self._size > LOG_LIMIT and len(self._lines) > 1:
            self._size -= len(self._lines.popleft())
        self._write_log(LogLine(self._function, self.stream, self.request_id, time.time(), text, platform))

    def note(self, text: str) -> None:
        """Write a line of the platform's own."""
        self.write(text, platform=True)

    def end_event(self) -> str:
        """Return the lines of the event under way, which is over."""
        text = "".join([f"{line}\n" for line in self._lines])
        self.request_id, self._size = "", 0
        self._lines.clear()
        return text
