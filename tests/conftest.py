"""Fixtures that every test file shares: a scripted Runtime API, and a runtime that serves files written on the spot."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.api import FakeRuntimeApi
from support.files import Files, write
from support.runtime import COMMAND, Answer, Ask, Fail, Failed, Runtime, Serve

# Last, for the benchmarks alone: whatever is installed comes before the checkout.
sys.path.append(str(Path(__file__).parents[1]))

# A shell has what it starts in the background ignore SIGINT and SIGQUIT, and children would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)


@pytest.fixture
def api() -> Iterator[FakeRuntimeApi]:
    """A scripted Runtime API on 127.0.0.1."""
    with FakeRuntimeApi() as server:
        yield server


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Start a runtime on files or one `app.py`'s text: `serve(files, handler, convention, env={…})`.

    A setting that is empty is left out. `wrapper` is a command before the runtime's own, `arguments` are what follows it.
    """
    with ExitStack() as stack:

        def start(
            files: Files | str,
            handler: str = "app.handler",
            convention: str = "",
            *,
            root: Path | None = None,
            env: Mapping[str, str] | None = None,
            wrapper: Sequence[str] = (),
            arguments: Sequence[str] = (),
            **options: Any,
        ) -> Runtime:
            sources = {"app.py": files} if isinstance(files, str) else files
            task = root or write(tmp_path / "task", sources or {"placeholder": b""})
            settings = {"HANDLER": handler, "HANDLER_CONVENTION": convention, **(env or {})}
            given = {name: value for name, value in settings.items() if value != ""}
            return stack.enter_context(Runtime([*wrapper, *COMMAND, *arguments], task, given, **options))

        yield start


@pytest.fixture
def ask(serve: Serve) -> Ask:
    """Start a runtime, send one event, get the answer."""

    def once(
        files: Files | str,
        event: bytes = b"",
        handler: str = "app.handler",
        convention: str = "",
        *,
        headers: Mapping[str, str | None] | None = None,
        **options: Any,
    ) -> Answer:
        return serve(files, handler, convention, **options).invoke(event, headers)

    return once


@pytest.fixture
def fail(serve: Serve) -> Fail:
    """Start a runtime that can't start; how it ended."""

    def once(files: Files | str, handler: str = "app.handler", convention: str = "", **options: Any) -> Failed:
        return serve(files, handler, convention, **options).failed()

    return once
