"""Fixtures that every test file shares: task roots written on the spot, and a runtime that serves them."""

from __future__ import annotations

import signal
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from peers.api import FakeRuntimeApi
from peers.process import Answer, Failed, Runtime

SAMPLES = Path(__file__).parent / "samples"

# Last, for the benchmarks alone: whatever is installed comes before the checkout.
sys.path.append(str(Path(__file__).parents[1]))

# A shell has what it starts in the background ignore SIGINT, and children would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

Files = Mapping[str, str | bytes]
Serve = Callable[..., Runtime]
Ask = Callable[..., Answer]
Fail = Callable[..., Failed]


def write(folder: Path, files: Files) -> Path:
    """Write the files, their indentation taken off, into the folder; the folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else textwrap.dedent(content).encode())
    return folder


@pytest.fixture
def api() -> Iterator[FakeRuntimeApi]:
    """A scripted Runtime API on 127.0.0.1."""
    with FakeRuntimeApi() as server:
        yield server


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start a runtime on files or one `app.py`'s text: `serve(files, handler, convention=…, env={…})`."""
    with ExitStack() as stack:

        def start(files: Files | str, handler: str = "app.handler", convention: str = "", **options: Any) -> Runtime:
            sources = {"app.py": files} if isinstance(files, str) else files
            root = options.pop("root", None) or write(tmp_path / "task", sources or {"placeholder": b""})
            env = {"HANDLER_CONVENTION": convention, **options.pop("env", {})}
            return stack.enter_context(Runtime(handler, root, env=env, **options))

        yield start


@pytest.fixture
def ask(serve: Serve) -> Ask:
    """Start a runtime, send one event, get the answer."""

    def once(
        files: Files | str, event: bytes = b"", handler: str = "app.handler", convention: str = "", **options: Any
    ) -> Answer:
        headers = options.pop("headers", None)
        return serve(files, handler, convention, **options).invoke(event, headers)

    return once


@pytest.fixture
def fail(serve: Serve) -> Fail:
    """Start a runtime that can't start; how it ended."""

    def once(files: Files | str, handler: str = "app.handler", convention: str = "", **options: Any) -> Failed:
        return serve(files, handler, convention, **options).failed()

    return once
