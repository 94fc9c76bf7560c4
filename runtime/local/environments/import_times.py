"""What a cold start imports and what each import costs, measured by Python itself in a real start of the runtime."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import NamedTuple

from runtime.local.environments import log_lines as words
from runtime.local.environments.environment import LAST_WORDS, first_of
from runtime.local.environments.log_pipe import Write
from runtime.local.environments.process import OWN_RUNTIME, Process
from runtime.local.environments.variables import variables
from runtime.local.function import Function
from runtime.local.invocation import FunctionError
from runtime.local.runtime_api.server import RuntimeApi

#: Seconds that a start may take.
LIMIT = 60.0

_LINE = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \|( +)(\S+)")


class Import(NamedTuple):
    """One module's import: microseconds for itself, and with what it imported in turn."""

    module: str
    alone: int
    with_others: int
    depth: int


def measure(function: Function) -> tuple[list[Import], str, FunctionError | None]:
    """The imports from the interpreter's start to the first poll, in the order of their ends.

    With them comes what was logged, and why there was no poll if there was none.
    """
    python, *arguments = OWN_RUNTIME
    told: list[str] = []
    failure = asyncio.run(_start(replace(function, command=(python, "-X", "importtime", *arguments)), told.append))
    imports, log = [], []
    for line in told:
        found = _LINE.search(line)
        if found:
            imports.append(Import(found[4], int(found[1]), int(found[2]), len(found[3]) // 2))
            line = line[: found.start()]  # noqa: PLW2901 - what was printed without a line end
        if line and not line.startswith("import time:"):
            log.append(line.replace("\r", "\n"))
    return imports, "\n".join(log), failure


async def _start(function: Function, write: Write) -> FunctionError | None:
    """Start the runtime, and end it when it polls or can't; return why it can't."""
    api = RuntimeApi(function)
    process = await Process.start(function, variables(function, await api.start(), words.log_stream()), write)
    try:
        if not await first_of(LIMIT, api.started, process.exited):
            return FunctionError.make("Runtime.Timedout", f"the runtime asked for no event within {LIMIT:g} seconds")
        if not api.started.done():
            return FunctionError.make("Runtime.ExitError", process.how_it_ended())
        failure = api.started.result()
        if failure:
            await first_of(LAST_WORDS, process.exited)
        return failure
    finally:
        await process.stop()
        await api.close()
