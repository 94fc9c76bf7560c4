"""Runs a program in a process group of its own, with an event as its standard input."""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # not signal: its enumerations cost a cold start
import atexit
import os
import select
import sys
import time

from dispatch.asynchrony import LONGEST_WAIT
from dispatch.errors import ExitError
from dispatch.protocol import OWN_HEADERS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

#: How long before the deadline the group is killed, in seconds: the platform may kill us at the deadline, and then no
#: one would end it.
EARLY = 0.025

#: How long after the deadline the error is reported, in seconds, so that a platform that keeps deadlines comes first.
_LATE = 0.25

#: How often the end of a program is looked for on a kernel without pidfd_open (before Linux 5.3), in seconds.
_LOOK = 0.02

#: How long the end of a killed process is waited for between two attempts to collect it, in seconds.
_PAUSE = 0.001

#: How many attempts there are: on a busy machine, killed processes take a while to end, and each attempt collects one.
_ATTEMPTS = 1_000

#: The lines of standard error, and the characters, that an error message ends with.
_LINES, _CHARACTERS = 10, 2_000

#: Signals that would raise an exception in the middle of starting a program, which no one would end then.
_HELD = (signal.SIGTERM, signal.SIGINT)

#: The names of all signals.
_SIGNALS = frozenset(name for name in dir(signal) if name.startswith("SIG") and not name.startswith("SIG_"))

#: Bytes that are read at once: a pipe's usual capacity (man 7 pipe).
READ = 65_536

_OWN_HEADERS = OWN_HEADERS.lower()

#: Headers that are not passed. Many programs read HTTP_PROXY as a setting of their own (https://httpoxy.org), and AWS
#: sets LAMBDA_RUNTIME_DIR.
_LEFT_OUT = frozenset({"proxy", f"{_OWN_HEADERS}dir"})

#: The characters of a header that is passed. Web servers also leave out names with an underscore, because as a variable
#: such a header is the same as one with a hyphen, for which it could be sent.
_PASSED = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")

_live: set[Child] = set()


class Child:
    """A running program.

    Attributes:
        name: what error messages call it.
        pid: its process, and its process group.
        output: the reading end of its standard output.
        errors: the reading end of its standard error.
        ended: a descriptor that becomes readable when it has ended; -1 if the kernel has no such thing.
        grace: how long it may take to end after SIGTERM, in seconds.
    """

    grace = 0.1

    def __init__(self, argv: list[str], environment: Mapping[bytes, bytes], stdin: int, name: str = "") -> None:
        """Start the program; `stdin` becomes its standard input. Raises ExitError."""
        self.name = name or os.path.basename(argv[0])
        self.pid = 0
        self.ended = -1
        self._tail = b""
        _keep_statuses()
        self.output, stdout = os.pipe()
        try:
            self.errors, stderr = os.pipe()
        except OSError:
            os.close(self.output)
            os.close(stdout)
            raise
        try:
            self._spawn(argv, environment, (stdin, stdout, stderr))
        except OSError as error:
            os.close(self.output)
            os.close(self.errors)
            lacks_loader = isinstance(error, FileNotFoundError) and os.path.exists(argv[0])
            hint = "; the file exists, so its interpreter or its loader does not" if lacks_loader else ""
            raise ExitError(f"the program {argv[0]} cannot be started: {error.strerror}{hint}") from None
        finally:
            os.close(stdout)
            os.close(stderr)

    def _spawn(self, argv: list[str], environment: Mapping[bytes, bytes], streams: tuple[int, int, int]) -> None:
        """Start the program. A signal that comes meanwhile is noticed after it is in the list of those to be ended."""
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, _HELD)
        try:
            self.pid = os.posix_spawn(
                argv[0],
                argv,
                environment,
                file_actions=[(os.POSIX_SPAWN_DUP2, descriptor, number) for number, descriptor in enumerate(streams)],
                setpgroup=0,
                setsigmask=mask,
                setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],  # Python ignores them, and a child would inherit that
            )
            _live.add(self)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        try:
            self.ended = os.pidfd_open(self.pid)
        except (AttributeError, OSError):
            self.ended = -1

    def ready(self, poll: select.poll, seconds: float) -> set[int]:
        """The descriptors that can be read, after at most so many seconds, and never after more than LONGEST_WAIT."""
        longest = LONGEST_WAIT if self.ended >= 0 else _LOOK
        return {descriptor for descriptor, _ in poll.poll(max(0.0, min(seconds, longest)) * 1000)}

    def has_ended(self) -> bool:
        """Whether the program itself has ended; processes that it has started may go on."""
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            return True

    def wait(self, seconds: float) -> bool:
        """Wait at most so long for the end of the program; returns whether it has ended."""
        until = time.monotonic() + seconds
        while not self.has_ended():
            if time.monotonic() >= until:
                return False
            time.sleep(seconds / 20)
        return True

    def log(self, data: bytes) -> None:
        """Write what came on standard error to the log, and keep its end for an error message."""
        self._tail = (self._tail + data)[-4 * _CHARACTERS :]
        stream = sys.stderr
        if hasattr(stream, "buffer"):
            stream.buffer.write(data)
        elif stream is not None:  # a stream of text only has been put in its place
            stream.write(data.decode("utf-8", "backslashreplace"))

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal to the whole process group."""
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):  # PermissionError: macOS, if only zombies are left
            return

    def end(self, *, gently: bool = False) -> int:
        """End the process group; returns the status of the program, or minus the signal that has ended it.

        Args:
            gently: whether to send SIGTERM first.
        """
        if gently:
            self.kill(signal.SIGTERM)
            self.wait(self.grace)
        self.kill()  # before its status is read: after that, its number may be given to another process
        _live.discard(self)
        try:
            status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        except ChildProcessError:  # other code in this process has taken the status
            status = 0
        self._reap()
        for descriptor in (self.output, self.errors, self.ended):
            if descriptor >= 0:
                os.close(descriptor)
        return status

    def _reap(self) -> None:
        """Collect the rest of the group, if it falls to us: as process 1 of a container we inherit all orphans."""
        for _ in range(_ATTEMPTS):
            try:
                if not os.waitpid(-self.pid, os.WNOHANG)[0]:
                    time.sleep(_PAUSE)
            except ChildProcessError:
                return

    def leave(self) -> None:
        """End the group because this process is ending."""
        self.kill()

    def overdue(self, how: str, deadline: float) -> ExitError:
        """Kill the group, and return the error, late enough for a platform that keeps deadlines to come first."""
        self.kill()
        time.sleep(max(0.0, min(deadline + _LATE - time.time(), EARLY + _LATE)))
        return self.failure(f"{how} at the deadline, so it was ended by SIGKILL")

    def failure(self, how: str) -> ExitError:
        """The error of a program that has ended badly, with the last lines that it wrote to standard error."""
        lines = self._tail.decode("utf-8", "backslashreplace")[-_CHARACTERS:].splitlines()[-_LINES:]
        return ExitError("\n".join([f"{self.name} {how}" + (", after it had written:" if lines else ""), *lines]))


def _keep_statuses() -> None:
    """Undo that SIGCHLD is ignored, which a parent may have passed on: the kernel would keep no program's status."""
    if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
        try:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        except ValueError:  # only the main thread can
            return


@atexit.register
def _end_all() -> None:
    """End the programs of all threads: this process is ending, and would leave them behind."""
    for child in [*_live]:
        child.leave()


# A process that is forked meanwhile must not end the programs of its parent.
os.register_at_fork(after_in_child=_live.clear)


def ending(status: int) -> str:
    """How a program has ended, from its status, as the rest of a sentence."""
    if status >= 0:
        return f"ended with status {status}"
    # Not the module signal: the task root may have one of that name. SIGABRT comes before SIGIOT, its older name.
    names = {getattr(signal, name): name for name in sorted(_SIGNALS, reverse=True)}
    return f"was ended by {names.get(-status, f'signal {-status}')}"


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
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.lseek(descriptor, 0, os.SEEK_SET)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def environment(headers: Mapping[str, str]) -> dict[bytes, bytes]:
    """The environment of a program: our own, and the headers.

    A header of the Runtime API keeps its name (`LAMBDA_RUNTIME_AWS_REQUEST_ID`). Any other may come from a stranger,
    so it is passed as CGI does (RFC 3875, section 4.1.18), behind `HTTP_`: as `PATH`, `LD_PRELOAD` or `NODE_OPTIONS` it
    would run the stranger's code. `Content-Type` is also `CONTENT_TYPE`.
    """
    variables = dict(os.environb)
    for name, value in headers.items():
        lowered = name.lower()
        if lowered in _LEFT_OUT or not _PASSED.issuperset(lowered) or "\0" in value:
            continue
        variable, data = lowered.upper().replace("-", "_").encode(), value.encode("utf-8", "backslashreplace")
        if lowered == "content-type":
            variables[variable] = data
        variables[variable if lowered.startswith(_OWN_HEADERS) else b"HTTP_" + variable] = data
    return variables
