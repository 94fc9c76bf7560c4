"""A byte stream handed to user code, which may close it without losing what is in it."""

from __future__ import annotations

import io


class Buffer(io.BytesIO):
    """Bytes that somebody else writes and we take."""

    def __init__(self) -> None:
        super().__init__()
        self._left = b""

    def close(self) -> None:
        """Close the stream; what was not taken can still be."""
        if not self.closed:
            self._left = self.getvalue()
        super().close()

    def take(self) -> bytes:
        """What was written since the last call."""
        if self.closed:
            taken, self._left = self._left, b""
            return taken
        taken = self.getvalue()
        self.seek(0)
        self.truncate()
        return taken
