"""What a cold start imports and what each import costs, measured by Python itself in a real start of the runtime."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Mapping
from typing import NamedTuple

#: Seconds that a start may take.
LIMIT = 60.0

_LINE = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \|( +)(\S+)")


class Import(NamedTuple):
    """One module's import: microseconds for itself, and with what it imported in turn."""

    module: str
    alone: int
    with_others: int
    depth: int


def measure(handler: str, root: str, environment: Mapping[str, str]) -> tuple[list[Import], str]:
    """The imports from the interpreter's start to the first poll, in the order of their ends, and what was logged.

    Args:
        handler: the handler string.
        root: the task root.
        environment: more variables for the runtime.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(LIMIT)
        variables = {
            **os.environ,
            **environment,
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.getsockname()[1]}",
            "LAMBDA_TASK_ROOT": root,
        }
        command = [sys.executable, "-X", "importtime", "-P", "-m", "runtime", handler]
        with subprocess.Popen(  # noqa: S603 - the runtime, with the user's own handler
            command,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                connection, _ = server.accept()
                connection.recv(1)  # the first poll, or the report of an init error: either way, everything is imported
                connection.close()
            finally:
                process.terminate()
            _, told = process.communicate(timeout=LIMIT)
    imports, log = [], []
    for line in told.splitlines():
        found = _LINE.match(line)
        if found:
            imports.append(Import(found[4], int(found[1]), int(found[2]), len(found[3]) // 2))
        elif not line.startswith("import time:"):
            log.append(line)
    return imports, "\n".join(log)
