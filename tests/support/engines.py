"""A real ASGI server with `runtime.asgi:app`, and what its clients get."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from support import ports
from support.process import Child, await_true
from support.web import Got
from support.wire import PATIENCE, reserved_port

_ID = re.compile("[0-9a-f]{8}-[0-9a-f-]{27}")

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
    if find_spec(server) is None:
        pytest.skip(f"{server} is not installed")
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


def beside_url(platform: str, handler: str, configuration: Path) -> dict[str, str]:
    """The requests to a port's sample that are answered in another way than behind its function URL.

    There the port was compared with the platform itself. A function URL joins repeated headers in its own way.
    """
    with (
        ports.ours(configuration, platform, handler) as server,
        engine("uvicorn", ports.SAMPLES / platform, handler, HANDLER_CONVENTION=platform) as (_, _, port),
    ):
        host = f"127.0.0.1:{port}"
        found = differing(ports.answers(host, "/lambda-url/streamed", server.host), ports.answers(host))
    return {name: both for name, both in found.items() if name != "header-twice"}


def differing(expected: Mapping[str, Got | str], found: Mapping[str, Got | str]) -> dict[str, str]:
    """The requests that are answered in another way, and both answers, without the ids of requests."""
    return {
        name: f"{answer}\n  and ours: {found[name]}"
        for name, answer in expected.items()
        if _comparable(answer) != _comparable(found[name])
    }


def _comparable(answer: Got | str) -> str:
    return (
        _ID.sub("ID", f"{answer.status} {sorted(answer.headers.items())} {answer.body!r}")
        if isinstance(answer, Got)
        else "broken off"
    )
