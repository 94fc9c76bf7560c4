"""A byte stream handed to user code, which may close it without losing what is in it."""

from __future__ import annotations

import io


class Buffer(io.BytesIO):
    """Bytes that somebody else writes and we take. What was taken counts in positions, and cannot be gone back to."""

    def __init__(self) -> None:
        super().__init__()
        self._left = b""
        self._taken = 0

    def tell(self) -> int:
        """The position in all that was ever written."""
        return self._taken + super().tell()

    def seek(self, offset: int, whence: int = 0) -> int:
        """Change the position. Raises UnsupportedOperation for one in what was taken."""
        if whence == io.SEEK_CUR:
            offset += self.tell()
        elif whence == io.SEEK_END:
            offset += self._taken + super().seek(0, io.SEEK_END)
        return self._taken + super().seek(self._place(offset))

    def truncate(self, size: int | None = None) -> int:
        """Cut off what stands behind this position. Raises UnsupportedOperation for one in what was taken."""
        return self._taken + super().truncate(None if size is None else self._place(size))

    def _place(self, position: int) -> int:
        if 0 <= position < self._taken:
            raise io.UnsupportedOperation(f"what stands before byte {self._taken} has been sent")
        return position - self._taken

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
        super().seek(0)
        super().truncate()
        self._taken += len(taken)
        return taken
