"""A real ASGI server with `runtime.asgi:app`, and what its clients get."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

from support.process import Child, await_true
from support.wire import PATIENCE, reserved_port

#: How each server is started; `{port}` is the port.
SERVERS = {
    "uvicorn": ("uvicorn", "runtime.asgi:app", "--port", "{port}"),
    "granian": ("granian", "runtime.asgi:app", "--interface", "asgi", "--port", "{port}", "--backpressure", "64"),
    "hypercorn": ("hypercorn", "runtime.asgi:app", "--bind", "127.0.0.1:{port}"),
}


class Engine(NamedTuple):
    """A server that answers.

    Attributes:
        child: its process.
        client: sends requests to it.
        port: where it listens.
    """

    child: Child
    client: httpx.Client
    port: int


@contextmanager
def engine(server: str, folder: Path, handler: str, *arguments: str, **variables: str) -> Iterator[Engine]:
    """Start a server on a function of this folder, and wait until it is ready."""
    with (
        started(server, folder, handler, *arguments, **variables) as (child, port),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as client,
    ):
        await_true(lambda: _answers(child, client), "the server")
        yield Engine(child, client, port)


@contextmanager
def started(server: str, folder: Path, handler: str, *arguments: str, **variables: str) -> Iterator[tuple[Child, int]]:
    """Start a server in another folder than the function's; its process and its port."""
    elsewhere = folder.parent / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    with reserved_port() as port:
        command = [part.format(port=port) for part in SERVERS[server]]
        named = {"HANDLER": handler, "LAMBDA_TASK_ROOT": str(folder)}
        child = Child([sys.executable, "-m", *command, *arguments], {**named, **variables}, elsewhere, merged=True)
        try:
            yield child, port
        finally:
            child.kill()


def _answers(child: Child, client: httpx.Client) -> bool:
    assert child.process.poll() is None, child.log
    try:
        client.get("/health")
    except httpx.ConnectError:
        return False
    return True
