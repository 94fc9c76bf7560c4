"""Standard input of a script: `sys.stdin`, and descriptor 0 for code that reads that instead.

`open(0)`, `/dev/stdin`, `sys.stdin.fileno()` and child processes read the descriptor. It gets the event when Python
announces such a use by an audit event, so a script that reads `sys.stdin` pays nothing for it. `os.read` and the like
are not announced; a script whose code has such names gets each event on descriptor 0 before it runs.

Descriptors 1 and 2 are restored after an event in the same way: one that `open(1, "w")` announces may be closed then,
and so may those of a script whose code has names like `os.close`.
"""

from __future__ import annotations

import io
import os
import sys

from dispatch.bytecode import mentioned
from dispatch.error_reports import warn
from dispatch.invocation import handled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType
    from typing import Any

    from dispatch.invocation import Invocation

#: The audit events before which a child process inherits descriptor 0.
_STARTS = frozenset(
    {"subprocess.Popen", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.fork", "os.forkpty", "pty.spawn"}
)

#: What names descriptor 0 in the audit event `open`.
_NAMES = frozenset({0, "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0", b"/dev/stdin", b"/dev/fd/0", b"/proc/self/fd/0"})

#: Functions of `os` and modules that use a descriptor without an audit event, and those that close or replace one.
_UNANNOUNCED = frozenset("read readv pread preadv readinto dup fstat sendfile splice".split())  # noqa: SIM905
_CLOSING = frozenset({"close", "closerange", "dup2"})
_MODULES = frozenset({"fcntl", "mmap", "select", "selectors"})


class Event(io.RawIOBase):
    """Standard input of one event. Code that keeps it from an earlier event reads the bytes of the current one."""

    name = "<stdin>"
    mode = "rb"
    _live: Event | None = None

    def __init__(self, invocation: Invocation, unannounced: tuple[int, ...] = ()) -> None:
        """Begin an event.

        Args:
            invocation: the invocation.
            unannounced: the descriptors that may be used without an audit event; if it has 0, that gets the event.
        """
        Event._live = self
        self._invocation = invocation
        self._bytes = io.BytesIO(invocation.body)
        self._shown_at = -1  # where descriptor 0 was in the event when it was put there
        self._before: dict[int, int] = {}  # copies of what the descriptors were, to be restored
        for number in unannounced:
            self._use(number)

    def _use(self, number: int) -> None:
        """Prepare for a use of descriptor 0, 1 or 2."""
        if number == 0:
            self.fileno()
        elif number not in self._before:
            try:
                self._before[number] = os.dup(number)
            except OSError:  # it is closed, or the process cannot open any more files
                return

    def _source(self) -> io.BytesIO:
        live = self._live
        return live._bytes if live is not None and handled.get() is live._invocation else self._bytes  # noqa: SLF001

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Fill the buffer; returns how many bytes there were."""
        return self._source().readinto(buffer)

    def readall(self) -> bytes:
        """The rest of the event."""
        return self._source().read()

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Change the position."""
        return self._source().seek(offset, whence)

    def tell(self) -> int:
        """The position."""
        return self._source().tell()

    def fileno(self) -> int:
        """Descriptor 0, which has the event from now on, at the position up to which it has been read."""
        if self._live is not self:
            if self._live is None:
                raise io.UnsupportedOperation("no event is being handled")
            return self._live.fileno()
        position = self._bytes.tell()
        try:
            if self._shown_at < 0:
                self._before[0] = os.dup(0)
                _put(in_memory("stdin", self._invocation.body, position), 0)
            elif self._shown_at != position:
                os.lseek(0, position, os.SEEK_SET)
        except OSError as error:
            warn(f"descriptor 0 cannot get the event: {error}; read it from sys.stdin")
        self._shown_at = position
        return 0

    def end(self) -> None:
        """End the event: the descriptors are what they were before."""
        if self._live is self:
            Event._live = None
        before, self._before = self._before, {}
        for number, copy in before.items():
            try:
                _put(copy, number)
            except OSError:  # the script has closed the copy
                _put(os.open(os.devnull, os.O_RDWR), number)

    @classmethod
    def announced(cls, event: str, arguments: tuple[Any, ...]) -> None:
        """Prepare for a use of descriptor 0, 1 or 2 if the audit event announces one."""
        number = 0
        if event == "open":
            path = arguments[0]
            if isinstance(path, int) and path in {1, 2}:
                number = path
            elif not (isinstance(path, int | str | bytes) and path in _NAMES):
                return
        elif event not in _STARTS:
            return
        if cls._live is not None:
            cls._live._use(number)  # noqa: SLF001 - an object of this class


def watch() -> None:
    """From now on, audit events show the event on descriptor 0."""
    global _watches  # noqa: PLW0603 - an audit hook stays as long as the process
    if not _watches:
        _watches = True
        sys.addaudithook(Event.announced)


_watches = False


def unannounced(code: CodeType) -> tuple[int, ...]:
    """The standard descriptors that the code, by its names, may use without an audit event."""
    names = mentioned(code)
    if "os" in names and names & _CLOSING:
        return (0, 1, 2)
    return (0,) if names & _MODULES or ("os" in names and names & _UNANNOUNCED) else ()


def in_memory(name: str, data: bytes = b"", position: int = 0) -> int:
    """The descriptor of an open file without a path that has the data."""
    if sys.platform == "linux":
        descriptor = os.memfd_create(name)
    else:
        from tempfile import mkstemp

        descriptor, path = mkstemp()
        os.unlink(path)
    try:
        left = memoryview(data)
        while left:
            left = left[os.write(descriptor, left) :]
        os.lseek(descriptor, position, os.SEEK_SET)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _put(descriptor: int, number: int) -> None:
    """Move an open file to that number."""
    if descriptor != number:
        os.dup2(descriptor, number)
        os.close(descriptor)
