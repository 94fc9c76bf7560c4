"""A byte stream for user code to write to, which keeps its contents when it is closed."""

from __future__ import annotations

import io


class Buffer(io.BytesIO):
    """Bytes that user code writes and we take. Taken bytes still count in positions, but cannot be reached again."""

    def __init__(self) -> None:
        super().__init__()
        self._left = b""
        self._taken = 0

    def tell(self) -> int:
        """The position, counted from the first byte ever written."""
        return self._taken + super().tell()

    def seek(self, offset: int, whence: int = 0) -> int:
        """Change the position. Raises UnsupportedOperation for a position in the taken bytes."""
        if whence == io.SEEK_CUR:
            offset += self.tell()
        elif whence == io.SEEK_END:
            offset += self._taken + super().seek(0, io.SEEK_END)
        return self._taken + super().seek(self._place(offset))

    def truncate(self, size: int | None = None) -> int:
        """Cut off the bytes after a position. Raises UnsupportedOperation for a position in the taken bytes."""
        return self._taken + super().truncate(None if size is None else self._place(size))

    def _place(self, position: int) -> int:
        if 0 <= position < self._taken:
            raise io.UnsupportedOperation(f"the first {self._taken} bytes have been sent already")
        return position - self._taken

    def close(self) -> None:
        """Close the stream; the remaining bytes can still be taken."""
        if not self.closed:
            self._left = self.getvalue()
        super().close()

    def take(self) -> bytes:
        """Take the bytes that were written since the last call."""
        if self.closed:
            taken, self._left = self._left, b""
            return taken
        taken = self.getvalue()
        super().seek(0)
        super().truncate()
        self._taken += len(taken)
        return taken
