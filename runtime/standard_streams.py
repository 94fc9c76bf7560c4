"""The process's standard streams: unbuffered, never cut short, UTF-8, and harmless if no one reads them."""

from __future__ import annotations

import io
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def write_all(descriptor: int, data: bytes) -> None:
    """Write all bytes to a log, however slowly it is read; if it is closed, drop them: no one could be told."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            import select

            select.select([], [descriptor], [])
        except OSError:
            return


def is_open(descriptor: int) -> bool:
    """Whether the process has an open file with that number."""
    try:
        os.fstat(descriptor)
    except (OSError, OverflowError):  # OverflowError: the number is too large for a descriptor
        return False
    return True


def hold_open() -> None:
    """Open the null device as each standard stream that is closed: a connection must not get its number."""
    for descriptor in (0, 1, 2):
        if not is_open(descriptor):
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


class _Printed(io.FileIO):
    """A standard stream that completes partial writes, and that raises no error if it is closed."""

    def write(self, data: Any) -> int:
        write_all(self.fileno(), data)
        return len(data)


def unbuffer() -> None:
    """Write everything that is printed at once, as UTF-8 whatever the locale is."""
    hold_open()
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        raw: Any = _Printed(descriptor, "w", closefd=False)
        raw.name = f"<{name}>"
        stream: Any = io.TextIOWrapper(raw, "utf-8", "backslashreplace", newline="\n", write_through=True)
        stream.mode = "w"
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
