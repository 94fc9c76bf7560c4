"""What a cold start imports and what each import costs, measured by Python itself in a real start of the runtime."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from typing import Final, NamedTuple

from runtime.local.environments.launch import OWN_RUNTIME
from runtime.local.environments.local_runtime import LAST_WORDS, first_of
from runtime.local.environments.log_pipe import WriteText
from runtime.local.environments.process import Process, to_the_end
from runtime.local.environments.variables import new_log_stream, variables
from runtime.local.function import FunctionConfig
from runtime.local.function_error import EXIT_ERROR, FunctionError
from runtime.local.runtime_api.server import RuntimeApiServer
from runtime.local.runtime_api.session import RuntimeSession

#: Seconds that a start may take.
LIMIT: Final = 60.0

LINE: Final = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \|( +)(\S+)")


class ImportTime(NamedTuple):
    """One module's import: microseconds for the module alone, and with the modules that it imported."""

    module: str
    alone: int
    with_others: int
    depth: int


async def measure(function: FunctionConfig) -> tuple[list[ImportTime], str, FunctionError | None]:
    """Start the runtime and end it at its first poll.

    Returns:
        The imports in the order in which they ended, the log, and the error if there was no poll.
    """
    command = (function.python or sys.executable, "-X", "importtime", *OWN_RUNTIME)
    lines: list[str] = []
    failure = await _start(replace(function, command=command), lines.append)
    imports, log = [], []
    for line in lines:
        found = LINE.search(line)
        if found:
            imports.append(ImportTime(found[4], int(found[1]), int(found[2]), len(found[3]) // 2))
            line = line[: found.start()]  # noqa: PLW2901 - what was printed without a line end
        if line and not line.startswith("import time:"):
            log.append(line.replace("\r", "\n"))
    return imports, "\n".join(log), failure


async def _start(function: FunctionConfig, write: WriteText) -> FunctionError | None:
    """Start the runtime, and end it when it polls or cannot; return why it cannot."""
    session = RuntimeSession(function)
    server = RuntimeApiServer(session)
    environment = variables(function, await server.listen(), new_log_stream())
    process = Process.start(function, environment, write)
    try:
        if not await first_of(LIMIT, session.started, process.exited):
            return FunctionError.of(
                "Runtime.Timedout", f"the runtime did not ask for an event within {LIMIT:g} seconds"
            )
        if not session.started.done():
            return FunctionError.of(EXIT_ERROR, process.exit_reason())
        failure = session.started.result()
        if failure:
            await first_of(LAST_WORDS, process.exited)
        return failure
    finally:
        await to_the_end(process.stop())
        await to_the_end(server.close())
