"""The process's standard streams: at once, whole, as UTF-8, and harmless where nobody reads them."""

from __future__ import annotations

import io
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def write_all(descriptor: int, data: bytes) -> None:
    """Write bytes to a log, however slowly it is read; to one that is closed nothing, as there is nobody to tell."""
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
    """Whether the process has a file of that number."""
    try:
        os.fstat(descriptor)
    except (OSError, OverflowError):  # a number larger than descriptors can be
        return False
    return True


class _Printed(io.FileIO):
    """A standard stream, which is not cut short where a write takes a part and fails nobody where it is closed."""

    def write(self, data: Any) -> int:
        write_all(self.fileno(), data)
        return len(data)


def unbuffer() -> None:
    """Let everything that is printed out at once, as UTF-8 whatever the locale says."""
    for name, descriptor in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        if not is_open(descriptor):  # its number must not become a connection's
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        if not descriptor:
            continue
        raw: Any = _Printed(descriptor, "w", closefd=False)
        raw.name = f"<{name}>"
        stream: Any = io.TextIOWrapper(raw, "utf-8", "backslashreplace", newline="\n", write_through=True)
        stream.mode = "w"
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
