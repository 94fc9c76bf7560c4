"""Runs other people's code in a process of its own, so that the command answers whatever that code does."""

from __future__ import annotations

import json
import os
import signal
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import IO, Any, NoReturn

from dispatch import exceptions
from runtime.lifecycle import leave

Work = Callable[[], Iterable[Mapping[str, Any]]]


def apart(work: Work) -> dict[str, Any]:
    """Run `work` in a child process, whose standard output is its standard error, and return all facts that it yields.

    The facts are plain values. If the work fails, `error` is added, with its type and message.
    """
    # Not a pipe: a process that the code leaves running would hold it open.
    with tempfile.TemporaryFile("w+", encoding="utf-8") as found:
        process = os.fork()
        if not process:
            _work_apart(work, found)
        try:
            status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        except KeyboardInterrupt:
            with suppress(ProcessLookupError):  # it has ended at this very moment
                os.kill(process, signal.SIGKILL)
            raise
        found.seek(0)
        facts = {name: value for line in found for name, value in json.loads(line).items()}
    ended = {"type": "Runtime.ExitError", "message": f"the loaded code ended the process with status {status}"}
    if facts.setdefault("error", ended) is None:
        del facts["error"]
    return facts


def _work_apart(work: Work, found: IO[str]) -> NoReturn:
    """Write each fact as it is found, and the error last; without one, the process was ended early."""

    def write(facts: Mapping[str, Any]) -> None:
        found.write(json.dumps(facts) + "\n")
        found.flush()

    error = None
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.dup2(2, 1)
        try:
            for facts in work():
                write(facts)
        except BaseException as raised:  # noqa: BLE001 - other people's code may raise anything
            error = {"type": exceptions.error_type(raised), "message": exceptions.text(raised)}
        write({"error": error})
    finally:
        leave(0)
