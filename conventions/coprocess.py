"""The `coprocess` convention: a program of any language, started once, that gets each event as a line of JSON."""

from __future__ import annotations

import os

from conventions import programs
from conventions.json_lines import CHUNK, ERROR, RESULT, ReportedError, answered, asked
from conventions.piped import Piped
from dispatch import variables
from dispatch.error_reports import warn
from dispatch.errors import DispatchError, ResponseTooLarge, Terminated
from dispatch.protocol import JSON, RESPONSE_LIMIT
from dispatch.response import Response, chunks, to_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from dispatch.invocation import Invocation
    from dispatch.types import Conventions, Handler


def coprocess(user_object: Any) -> Handler:
    """A program that reads lines `{"event": …, "headers": {…}}` and answers each one, such as by `{"result": …}`."""
    argv = programs.argv(user_object)
    streams = variables.streams()
    program = _Program(argv)

    def handle(invocation: Invocation) -> Response:
        parts = program.answer(asked(invocation), invocation.deadline)
        kind, first = next(parts)
        if kind == RESULT:
            return Response(first if invocation.encoding == "utf-8" else to_bytes(first.decode()), JSON)
        body = chunks(_texts(first, parts), str)
        return Response(body if streams else _joined(body))

    #: The program gets one event after another.
    handle.one_at_a_time = True  # type: ignore[attr-defined]
    handle.report = _report  # type: ignore[attr-defined]
    handle.startup = program.start  # type: ignore[attr-defined]
    return handle


coprocess.accepts_object = True  # type: ignore[attr-defined]
coprocess.locate = programs.command_line  # type: ignore[attr-defined]


class _Program:
    """The program, which is started again for the next event when it has ended or has broken the rules."""

    def __init__(self, argv: list[str]) -> None:
        self._argv = argv
        self._process = os.getpid()
        self._restarts = 0
        self._ended = ""
        self._child: Piped | None = None

    def __del__(self) -> None:
        if self._child is not None and self._process == os.getpid():
            self._child.end()

    def start(self) -> None:
        """Start it before there is an event. Raises ExitError."""
        self._child = self._ready()

    def answer(self, line: bytes, deadline: float) -> Iterator[tuple[str, Any]]:
        """The lines with which the program answers this one: chunks, then a result, each with its kind.

        Unless it is read to the end, the program is ended. Raises the error that the program reports.
        """
        waiting = self._child
        child, self._child = self._ready(), None
        complete, why = False, "was ended because its answer was not read to the end"
        try:
            child.send(line)
            while not complete:
                kind, value = answered(child.line(deadline), child.name)
                if kind != CHUNK:
                    complete = True
                    self._keep(child)
                if kind == ERROR:
                    raise value
                yield kind, value
        except Terminated:
            complete = True  # it has a moment to end when this process does
            raise
        except DispatchError as error:
            why = child.end_reason or f"was ended because of {error.error_type}"
            # It has been ending since its last answer and has read nothing: its successor gets the line.
            if not child.missed or child is not waiting:
                raise
        finally:
            if not complete:
                self._ended = why
                child.end()
        if not complete:
            yield from self.answer(line, deadline)

    def _ready(self) -> Piped:
        """The program, waiting for a line."""
        if self._process != os.getpid():  # it belongs to the process from which this one was forked
            if self._child is not None:
                self._child.forget()
            self._process, self._child = os.getpid(), None
        if self._child is not None:
            self._ended = self._child.disturbance()
            if not self._ended:
                return self._child
            self._child.end()
        if self._ended:
            self._restarts += 1
            name, count = os.path.basename(self._argv[0]), self._restarts
            warn(f"coprocess {name} {self._ended}; starting it again (restart {count})")
        return Piped(self._argv)

    def _keep(self, child: Piped) -> None:
        """Keep the program for the next event. A caller that asks before it has read an answer has started a second."""
        if self._child is None:
            self._child = child
        else:
            child.end()


def _report(error: BaseException, _request_id: str) -> Mapping[str, Any]:
    """The program's own words for its errors."""
    return error.fields if isinstance(error, ReportedError) else {}


def _texts(first: str, parts: Iterator[tuple[str, Any]]) -> Iterator[str]:
    """The text of all chunks, and of the result unless it is null."""
    try:
        yield first
        for kind, value in parts:
            if kind == CHUNK:
                yield value
            elif value != b"null":
                yield value.decode()
    finally:
        parts.close()  # type: ignore[attr-defined]


def _joined(body: Iterator[bytes]) -> bytes:
    """All of an answer that is not streamed. Raises ResponseTooLarge."""
    kept: list[bytes] = []
    size = 0
    for part in body:
        kept.append(part)
        size += len(part)
        if size > RESPONSE_LIMIT:
            body.close()  # type: ignore[attr-defined]
            raise ResponseTooLarge(size)
    return b"".join(kept)


def dispatch_conventions() -> Conventions:
    """The convention for a program that stays."""
    return {"coprocess": coprocess}
