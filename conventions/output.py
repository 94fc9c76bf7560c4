"""Reads what a program that answers one event writes, until it has ended, its output is too large, or time is up."""

from __future__ import annotations

import os
import select
import time

from conventions.child import EARLY, READ, Child, ending, environment, file_of
from dispatch.errors import ResponseTooLarge, Terminated
from dispatch.invocation import INFINITY
from dispatch.protocol import RESPONSE_LIMIT, TRACE_VARIABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from dispatch.invocation import Invocation

#: How long the output of processes that a program has left behind is read, in seconds.
_LINGER = 0.1

#: The most that a pipe may hold when the program has ended (/proc/sys/fs/pipe-max-size).
_HELD = 1024 * 1024

#: How long the rest of an answer that is too large is counted, in seconds, for the size in the error.
_COUNT = 0.5


def run(argv: list[str], invocation: Invocation, name: str = "", limit: float = INFINITY) -> Iterator[bytes]:
    """The bytes that a program writes to standard output with the event on standard input, as it comes.

    The program's process group ends with this iterator, at the deadline at the latest.

    Args:
        argv: the program's path, and its arguments.
        invocation: the event.
        name: what error messages call the program; by default its file's name.
        limit: the most bytes that it may write.

    Raises:
        ExitError: the program cannot be started, ends with a status other than 0 or by a signal, or is still running
            at the deadline.
        ResponseTooLarge: it writes more than the limit.
    """
    variables = environment(invocation.headers)
    variables[b"CONTENT_LENGTH"] = b"%d" % len(invocation.body)
    if invocation.trace_id:  # several invocations at once cannot share our own variable
        variables[TRACE_VARIABLE.encode()] = variables[b"LAMBDA_RUNTIME_TRACE_ID"]
    stdin = file_of(invocation.body)
    try:
        child = Child(argv, variables, stdin, name)
    finally:
        os.close(stdin)
    gently = False
    try:
        output = _Output(child, invocation.deadline, limit)
        yield from output.while_running()
        yield from output.left_behind()
    except Terminated:
        gently = True
        raise
    finally:
        status = child.end(gently=gently)
    if status:
        raise child.failure(ending(status))
    output.check()


def whole(argv: list[str], invocation: Invocation, name: str = "") -> bytes:
    """All that a program writes. Raises what `run` does."""
    return b"".join(run(argv, invocation, name, RESPONSE_LIMIT))


class _Output:
    """The output of a running program. Standard error goes to the log."""

    def __init__(self, child: Child, deadline: float, limit: float) -> None:
        self._child = child
        self._deadline = deadline
        self._limit = limit
        self._size = 0
        self._counted = INFINITY
        self._open = {child.output, child.errors}
        self._poll = select.poll()
        for descriptor in (*self._open, child.ended):
            if descriptor >= 0:
                self._poll.register(descriptor, select.POLLIN)

    def while_running(self) -> Iterator[bytes]:
        """The output of the program itself, before it ends. Raises ExitError at the deadline."""
        child = self._child
        while True:
            left = self._deadline - EARLY - time.time()
            if left <= 0 and not child.has_ended():
                raise child.overdue("was still running", self._deadline)
            if time.monotonic() > self._counted:
                raise ResponseTooLarge(self._size)
            ready = child.ready(self._poll, left)
            for data in map(self._read, self._open & ready):
                if data:
                    yield data
            if child.ended in ready or (child.ended < 0 and child.has_ended()):
                return

    def left_behind(self) -> Iterator[bytes]:
        """The remaining output: the rest in the pipes, and the output of processes that the program has left behind.

        The program's own output may pass through one of these (bash: `exec > >(tee copy)`), so they have a moment to
        end.
        """
        if self._child.ended >= 0:
            self._poll.unregister(self._child.ended)
        until, held = time.monotonic() + _LINGER, _HELD
        while self._open:
            wait = min(until - time.monotonic(), self._deadline - EARLY - time.time())
            ready = self._open & self._child.ready(self._poll, wait)
            if wait <= 0 and (not ready or held <= 0):
                return
            for descriptor in ready:
                data = self._read(descriptor)
                held -= READ
                if data:
                    yield data

    def _read(self, descriptor: int) -> bytes:
        """The bytes of the answer that can be read from a descriptor now; none if they belong to the log."""
        data = os.read(descriptor, READ)
        if not data:
            self._poll.unregister(descriptor)
            self._open.discard(descriptor)
        elif descriptor == self._child.errors:
            self._child.log(data)
        else:
            self._size += len(data)
            if self._size <= self._limit:
                return data
            self._counted = min(self._counted, time.monotonic() + _COUNT)
        return b""

    def check(self) -> None:
        """Raise ResponseTooLarge if there was more than the limit."""
        if self._size > self._limit:
            raise ResponseTooLarge(self._size)
