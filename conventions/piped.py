"""A program that is fed line by line over pipes and stays; its standard error goes to the log at any time."""

from __future__ import annotations

import fcntl
import os
import select
import sys
import termios
import time
from _thread import allocate_lock, start_new_thread

from conventions.child import EARLY, READ, Child, ending
from dispatch.errors import MarshalError
from dispatch.protocol import RESPONSE_LIMIT, TRACE_VARIABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dispatch.errors import ExitError

#: The longest line, in bytes: an answer of the largest size, each of its characters written as an escape like \u0041.
LONGEST_LINE = 6 * RESPONSE_LIMIT

#: How long a program that has closed a pipe may take to end, and how long pipes of one that has ended are read.
_LINGER = 0.1

#: The trace of the event during which the program is started is not that of the events it gets.
_LEFT_OUT = TRACE_VARIABLE.encode()


class Piped(Child):
    """A running program that reads lines from standard input and writes lines to standard output.

    Attributes:
        input: the writing end of its standard input.
        end_reason: why it could not answer, as the rest of a sentence; empty while it can.
        missed: whether it was gone before it had read anything of the line that was sent.
    """

    #: Half the usual time, because the end of standard input gets the other half.
    grace = 0.05

    def __init__(self, argv: list[str]) -> None:
        """Start the program. Raises ExitError."""
        self.end_reason = ""
        self.missed = False
        self._sent = 0
        self._status: int | None = None
        self._data = b""  # output that is not read yet
        self._rest = memoryview(b"")  # input that is not written yet
        self._deaf = False  # whether it has closed its input
        self._lock = allocate_lock()  # held while standard error is read and logged
        self._silent = allocate_lock()  # held until standard error ends
        self._silent.acquire()
        variables = {name: value for name, value in os.environb.items() if name != _LEFT_OUT}
        stdin, self.input = os.pipe()
        try:
            super().__init__(argv, variables, stdin)
        except BaseException:
            os.close(self.input)
            raise
        finally:
            os.close(stdin)
        self._errors, self.errors = self.errors, -1  # the thread below closes it, not end()
        for descriptor in (self.input, self.output, self._errors):
            os.set_blocking(descriptor, False)
        self._poll, self._poll_output = select.poll(), select.poll()
        self._poll.register(self.input, 0)
        for descriptor in (self.output, self.ended):
            if descriptor >= 0:
                self._poll.register(descriptor, select.POLLIN)
        self._poll_output.register(self.output, select.POLLIN)
        start_new_thread(self._follow_errors, ())

    def _follow_errors(self) -> None:
        """Log standard error as it comes, also between events: a full pipe would stop the program."""
        poll = select.poll()
        poll.register(self._errors, select.POLLIN)
        while self._errors >= 0:
            poll.poll()
            self.read_errors()
        self._silent.release()

    def read_errors(self) -> None:
        """Log the text that is waiting on standard error; its lines come before those that the caller logs next."""
        with self._lock:
            if self._errors < 0:
                return
            try:
                data = os.read(self._errors, READ)
            except BlockingIOError:
                return
            if not data:
                os.close(self._errors)
                self._errors = -1
                return
            try:
                self.log(data)
            except (OSError, ValueError):  # the log is closed; the program must be able to go on all the same
                return

    def disturbance(self) -> str:
        """Why it cannot get the next line, as the rest of a sentence; empty if it can."""
        ready = {descriptor for descriptor, _ in self._poll.poll(0)}
        if self._has_ended(ready):
            return ending(self.end())
        if self._data or self.output in ready:
            data = self._data or os.read(self.output, READ)
            return f"wrote more than its answer: {data[:80]!r}" if data else "closed its standard output"
        return "closed its standard input" if self._deaf or self.input in ready else ""

    def _has_ended(self, ready: set[int]) -> bool:
        return self.ended in ready or (self.ended < 0 and self.has_ended())

    def send(self, line: bytes) -> None:
        """Begin to write a line; `line()` writes the rest."""
        self._rest, self._sent = memoryview(line), len(line)
        self._poll.modify(self.input, select.POLLOUT)
        self._write()

    def line(self, deadline: float) -> bytes:
        """The next line, without its end, as an answer to the line that was sent.

        Raises:
            ExitError: the program has ended, has closed a pipe, or has not written a line at the deadline.
            MarshalError: the line is too long, or was written before the program had read its input.
        """
        parts: list[bytes] = []
        size, found = 0, b""
        while not found:
            part, found, self._data = (self._data or self._more(deadline)).partition(b"\n")
            parts.append(part)
            size += len(part)
            if size > LONGEST_LINE:
                raise MarshalError(f"{self.name} wrote a line of more than {LONGEST_LINE} bytes: {parts[0][:80]!r}…")
        line = b"".join(parts)
        # A reader that stops at the end of the JSON text leaves the line's end.
        if self._rest or self._unread() > 1:
            raise MarshalError(f"{self.name} answered before it had read the event: {line[:80]!r}")
        self.read_errors()
        return line

    def _more(self, deadline: float) -> bytes:
        """The next bytes of its output; meanwhile its input is written."""
        while True:
            left = deadline - EARLY - time.time()
            if left <= 0:
                self.end_reason = "had not answered at the deadline"
                raise self.overdue("had not answered", deadline)
            ready = self.ready(self._poll, left)
            if self.input in ready:
                self._write()
            if self.output in ready:
                data = os.read(self.output, READ)
                if data:
                    return data
                raise self._gone("closed its standard output")
            # Once it has ended, processes that it has left behind may hold its output, and write the rest.
            if self._has_ended(ready) and not self.ready(self._poll_output, _LINGER):
                raise self._gone("ended")

    def _write(self) -> None:
        if not self._rest:  # there was nothing to write, so this is an error: it has closed its input
            if self._unread() > 1:
                raise self._gone("closed its standard input")
            self._deaf = True
            self._poll.unregister(self.input)
            return
        try:
            while self._rest:
                self._rest = self._rest[os.write(self.input, self._rest) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            raise self._gone("closed its standard input") from None
        self._poll.modify(self.input, 0)

    def _gone(self, how: str) -> ExitError:
        """The error of a program that has ended, or has closed a pipe."""
        self.missed = self._unread() + len(self._rest) >= self._sent
        if self.wait(_LINGER):
            how = ending(self.end())
        else:
            self.end()
        self.end_reason = how
        return self.failure(f"{how} before it had answered")

    def _unread(self) -> int:
        """How many bytes it has not read."""
        count = fcntl.ioctl(self.input, termios.FIONREAD, bytes(4))
        return int.from_bytes(count, sys.byteorder)

    def end(self, *, gently: bool = False) -> int:
        """As for any Child; it may be called again. The end of standard input precedes the signal."""
        if self._status is None:
            if self.input >= 0:
                os.close(self.input)
                self.input = -1
            if gently:
                self.wait(self.grace)
            self._status = super().end(gently=gently)
            self._silent.acquire(timeout=_LINGER)
        return self._status

    def leave(self) -> None:
        """End the program because this process is ending."""
        self.end(gently=True)

    def forget(self) -> None:
        """Close its pipes, because it belongs to the process from which this one was forked."""
        for descriptor in (self.input, self.output, self._errors, self.ended):
            if descriptor >= 0:
                os.close(descriptor)
        self._status = 0
