"""Runs other people's code in a process of its own: whatever it prints, raises or ends, the command still answers."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from typing import IO, Any, NoReturn

from dispatch import error_reports
from runtime.lifecycle import leave

Work = Callable[[], Iterable[Mapping[str, Any]]]


def apart(work: Work) -> dict[str, Any]:
    """All facts, as plain values, that `work` finds out, in a process whose standard output is its standard error.

    If it could not go on, there is also `error`, with its type and message.
    """
    # Not a pipe: a process that the code leaves behind would hold it open.
    with tempfile.TemporaryFile("w+", encoding="utf-8") as told:
        process = os.fork()
        if not process:
            _tell(work, told)
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        told.seek(0)
        facts = {name: value for line in told for name, value in json.loads(line).items()}
    ended = {"type": "Runtime.ExitError", "message": f"what was loaded ended the process, with status {status}"}
    if facts.setdefault("error", ended) is None:
        del facts["error"]
    return facts


def _tell(work: Work, told: IO[str]) -> NoReturn:
    """Write each fact as it is found, and at last the error, so that its absence tells of a process that was ended."""

    def write(facts: Mapping[str, Any]) -> None:
        told.write(json.dumps(facts) + "\n")
        told.flush()

    error = None
    try:
        os.dup2(2, 1)
        try:
            for facts in work():
                write(facts)
        except BaseException as raised:  # noqa: BLE001 - other people's code may raise anything
            error = {"type": error_reports.error_type(raised), "message": error_reports.text(raised)}
        write({"error": error})
    finally:
        leave(0)
