"""A command that serves HTTP and says on which port, and requests to it."""

from __future__ import annotations

import http.client
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from support.process import Child

#: The folder of the commands that this Python has.
SCRIPTS = Path(sys.executable).parent


@contextmanager
def serving(
    command: Sequence[str | Path], words: str, env: Mapping[str, str], cwd: Path
) -> Iterator[tuple[Child, int]]:
    """A server that writes these words before its address; its process and its port."""
    path = f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"
    child = Child([str(word) for word in command], {"PATH": path, **env}, cwd)
    try:
        child.wait_log(words)
        found = re.search(rf"{words} http://\S+:(\d+)", child.log)
        assert found
        yield child, int(found[1])
    finally:
        child.kill()


def ask(
    port: int, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    """One request to the server; its status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body, dict(headers or {}))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
