"""Runs a program in a process group of its own, with an event as its standard input."""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # not signal: its enumerations cost a cold start
import atexit
import os
import select
import sys
import time

from dispatch.asynchrony import LONGEST_WAIT
from dispatch.errors import ExitError, ResponseTooLarge, Terminated
from dispatch.protocol import RESPONSE_LIMIT, STREAM_LIMIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from dispatch.invocation import Headers, Invocation

#: Bytes that are read at once: a pipe's usual capacity (man 7 pipe).
_READ = 65_536

#: How long before the deadline the program is killed, in seconds, because the platform may kill us at the deadline.
_EARLY = 0.025

#: How long a program may take to end after SIGTERM, and how long the output of processes that it left behind is read.
_GRACE, _LINGER = 0.1, 0.1

#: How often the end of a program is looked for on a kernel without pidfd_open (before Linux 5.3), in seconds.
_LOOK = 0.02

#: The lines of standard error, and the characters, that an error message ends with.
_LINES, _CHARACTERS = 10, 2_000

#: Headers that CGI passes under their own names; it passes others behind HTTP_ (RFC 3875, section 4.1.18).
_UNPREFIXED = ("content-type", "content-length")

_live: set[Child] = set()


class Child:
    """A running program.

    Attributes:
        name: what error messages call it.
        pid: its process, and its process group.
        output: the reading end of its standard output.
        errors: the reading end of its standard error.
        ended: a descriptor that becomes readable when it has ended; -1 if the kernel has no such thing.
    """

    def __init__(self, argv: list[str], environment: dict[bytes, bytes], stdin: int) -> None:
        """Start the program; `stdin` becomes its standard input. Raises ExitError."""
        self.name = os.path.basename(argv[0])
        self.pid = 0
        self._tail = b""
        self.output, stdout = os.pipe()
        self.errors, stderr = os.pipe()
        duplicate = os.POSIX_SPAWN_DUP2
        try:
            self.pid = os.posix_spawn(
                argv[0],
                argv,
                environment,
                file_actions=[(duplicate, stdin, 0), (duplicate, stdout, 1), (duplicate, stderr, 2)],
                setpgroup=0,
                setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],  # Python ignores them, and a child would inherit that
            )
        except OSError as error:
            os.close(self.output)
            os.close(self.errors)
            hint = "; the file exists, so its interpreter or its loader does not" if error.errno == 2 else ""
            raise ExitError(f"the program {argv[0]} cannot be started: {error.strerror}{hint}") from None
        finally:
            os.close(stdout)
            os.close(stderr)
        _live.add(self)
        try:
            self.ended = os.pidfd_open(self.pid)
        except (AttributeError, OSError):
            self.ended = -1

    def has_ended(self) -> bool:
        """Whether the program itself has ended; processes that it has started may go on."""
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            return True

    def log(self, data: bytes) -> None:
        """Write what came on standard error to the log, and keep its end for an error message."""
        self._tail = (self._tail + data)[-4 * _CHARACTERS :]
        try:
            sys.stderr.buffer.write(data)
        except AttributeError:  # a stream of text only has been put in its place
            sys.stderr.write(data.decode("utf-8", "backslashreplace"))

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to the whole process group."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return

    def end(self, *, gently: bool = False) -> int:
        """End the process group; returns the status of the program, or minus the signal that has ended it.

        Args:
            gently: whether to send SIGTERM first.
        """
        if gently:
            self.kill(signal.SIGTERM)
            until = time.monotonic() + _GRACE
            while not self.has_ended() and time.monotonic() < until:
                time.sleep(_GRACE / 20)
        self.kill()  # before its status is read: after that, its number may be given to another process
        _live.discard(self)
        try:
            status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        except ChildProcessError:  # whoever started us ignores SIGCHLD, so the kernel keeps no status
            status = 0
        for descriptor in (self.output, self.errors, self.ended):
            if descriptor >= 0:
                os.close(descriptor)
        return status

    def failure(self, how: str) -> ExitError:
        """The error of a program that has ended badly, with the last lines that it wrote to standard error."""
        lines = self._tail.decode("utf-8", "backslashreplace")[-_CHARACTERS:].splitlines()[-_LINES:]
        return ExitError("\n".join([f"{self.name} {how}" + (", after it had written:" if lines else ""), *lines]))


@atexit.register
def _end_all() -> None:
    """End the programs of all threads: this process is ending, and would leave them behind."""
    for child in [*_live]:
        child.kill()


def run(argv: list[str], invocation: Invocation) -> Iterator[bytes]:
    """What a program writes to standard output with the event on standard input, as it comes.

    The program's process group ends with this iterator, at the deadline at the latest.

    Raises:
        ExitError: the program cannot be started, ends with a status other than 0 or by a signal, or is still running
            at the deadline.
    """
    stdin = file_of(invocation.body)
    try:
        child = Child(argv, environment(invocation.headers), stdin)
    finally:
        os.close(stdin)
    gently = False
    try:
        yield from _output(child, invocation.deadline)
    except Terminated:
        gently = True
        raise
    finally:
        status = child.end(gently=gently)
    if status:
        raise child.failure(ending(status))


def ending(status: int) -> str:
    """How a program has ended, from its status, as the rest of a sentence."""
    if status >= 0:
        return f"ended with status {status}"
    from signal import Signals

    return f"was ended by {Signals(-status).name}"


def _output(child: Child, deadline: float) -> Iterator[bytes]:
    poll, alive, until = select.poll(), True, 0.0
    watched = {child.output, child.errors}
    for descriptor in (*watched, child.ended):
        if descriptor >= 0:
            poll.register(descriptor, select.POLLIN)
    while alive or (watched and time.monotonic() < until):
        left = deadline - _EARLY - time.time()
        if left <= 0:
            child.kill()
            time.sleep(max(0.0, deadline - time.time()))
            raise child.failure("was still running at the deadline, so it was ended by SIGKILL")
        wait = min(left, LONGEST_WAIT if child.ended >= 0 else _LOOK) if alive else _LINGER
        ready = [descriptor for descriptor, _ in poll.poll(wait * 1000)]
        for descriptor in watched.intersection(ready):
            data = os.read(descriptor, _READ)
            if not data:
                poll.unregister(descriptor)
                watched.discard(descriptor)
            elif descriptor == child.errors:
                child.log(data)
            else:
                yield data
        if alive and (child.ended in ready or (child.ended < 0 and child.has_ended())):
            alive, until = False, time.monotonic() + _LINGER
            if child.ended >= 0:
                poll.unregister(child.ended)


def whole(parts: Iterator[bytes]) -> bytes:
    """All of an answer that is not streamed. Raises ResponseTooLarge with its size, or once that exceeds any limit."""
    kept: list[bytes] = []
    size = 0
    for part in parts:
        size += len(part)
        if size <= RESPONSE_LIMIT:
            kept.append(part)
        elif size > STREAM_LIMIT:
            break
        else:
            kept.clear()
    if size > RESPONSE_LIMIT:
        parts.close()  # type: ignore[attr-defined]
        raise ResponseTooLarge(size)
    return b"".join(kept)


def file_of(data: bytes) -> int:
    """A file in memory with this content, open for reading from its start.

    Not a pipe: a program that does not read its input, or leaves a process behind that holds it, disturbs nothing.
    """
    try:
        descriptor = os.memfd_create("event")
    except (AttributeError, OSError):
        import tempfile

        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def environment(headers: Headers) -> dict[bytes, bytes]:
    """The environment of a program: our own, and the headers.

    A header of the Runtime API keeps its name (`LAMBDA_RUNTIME_AWS_REQUEST_ID`). Any other may come from a stranger,
    so it is passed as CGI does, behind HTTP_: as `PATH` or `LD_PRELOAD` it would run the stranger's code. `Proxy` is
    left out, because many programs take HTTP_PROXY for their own setting (https://httpoxy.org).
    """
    variables = dict(os.environb)
    for name, value in headers.lowered.items():
        variable = name.upper().replace("-", "_")
        if name == "proxy" or not variable.isidentifier() or "\0" in value:
            continue
        if not name.startswith("lambda-runtime-") and name not in _UNPREFIXED:
            variable = f"HTTP_{variable}"
        variables[variable.encode()] = value.encode("utf-8", "backslashreplace")
    return variables
