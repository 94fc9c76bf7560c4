"""What holds the architecture together: every hook is documented, and a cold start imports what it needs."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from dispatch import hookspecs

ROOT = Path(__file__).resolve().parent.parent

#: What no run needs that handles a plain function: see CONTRACT, budgets.
HEAVY = {"requests", "click", "rich", "starlette", "uvicorn", "h11", "pluggy", "importlib.metadata", "asyncio",
         "simplejson", "json", "logging", "inspect", "dataclasses", "traceback", "subprocess", "threading", "typing",
         "re"}  # fmt: skip

#: What a convention may need of it.
OF_A_CONVENTION = {
    "standard": set(),
    "script": set(),
    "json": {"simplejson", "json", "re"},
    "lambda": {"simplejson", "json", "re"},
    "stream": {"threading"},
}

#: The same for the conventions whose handler is a program, which cannot list our modules.
OF_A_PROGRAM = {
    "process": set(),
    "coprocess": {"simplejson", "json", "re"},
}


def test_hooks_are_documented() -> None:
    """The plugin author's page has every hook with its exact arguments."""
    page = (ROOT / "docs" / "plugins.md").read_text()
    hooks = {name: hook for name, hook in vars(hookspecs).items() if name.startswith("dispatch_")}
    shown = {name: f"`{name}({', '.join(inspect.signature(hook).parameters)})`" for name, hook in hooks.items()}
    assert [] == [text for text in shown.values() if text not in page]


@pytest.mark.parametrize("convention", sorted(OF_A_CONVENTION))
def test_cold_start_imports(convention: str, tmp_path: Path) -> None:
    """When the function is loaded and the first poll fails, nothing was imported that the convention does not need."""
    (tmp_path / "app.py").write_text(
        "import atexit, sys\ndef main(*args): pass\natexit.register(lambda: print('AT THE END', *sys.modules))\n"
    )
    line = _started(tmp_path, "app.py" if convention == "script" else "app.main", convention)
    assert OF_A_CONVENTION[convention] == OF_A_CONVENTION[convention] | (set(line.split()) & HEAVY)


@pytest.mark.parametrize("convention", sorted(OF_A_PROGRAM))
def test_cold_start_imports_for_a_program(convention: str, tmp_path: Path) -> None:
    """A program that is started, or could be, needs no module beyond those of its convention."""
    done = _run(tmp_path, "cat", convention, options=["-X", "importtime"])
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "conventions.programs" in imported
    assert OF_A_PROGRAM[convention] == OF_A_PROGRAM[convention] | (imported & HEAVY)


def test_user_code_gets_the_real_typing(tmp_path: Path) -> None:
    """What stands in for typing while httptools is imported is gone before anybody else imports either."""
    (tmp_path / "app.py").write_text(
        "import atexit, httptools, typing\n"
        "def main(*args): pass\n"
        "atexit.register(lambda: print('AT THE END', typing.Protocol, typing.Optional[int], httptools.HTTPProtocol.on_body))\n"
    )
    assert "<class 'typing.Protocol'> typing.Optional[int] <function HTTPProtocol.on_body" in _started(
        tmp_path, "app.main"
    )


@pytest.mark.parametrize("convention", sorted(OF_A_CONVENTION))
def test_cold_start_beside_a_plugin(convention: str, tmp_path: Path) -> None:
    """A plugin that is asked for brings no other built-in convention than the one that is."""
    (tmp_path / "own.py").write_text("def dispatch_startup(function): pass\n")
    (tmp_path / "app.py").write_text(
        "import atexit, sys\ndef main(*args): pass\natexit.register(lambda: print('AT THE END', *sys.modules))\n"
    )
    handler = "app.py" if convention == "script" else "app.main"
    line = _started(tmp_path, handler, convention, HANDLER_PLUGINS="own")
    modules = {
        f"conventions.{name.removesuffix('_')}" for name in ("script", "json", "lambda_", "stream", "expression")
    }
    expected = {f"conventions.{convention}"} - {"conventions.standard"}
    assert expected == modules & {name.removesuffix("_") for name in line.split()}


def _started(root: Path, handler: str, convention: str = "standard", **settings: str) -> str:
    """What a runtime that loads this and cannot poll prints at its end."""
    done = _run(root, handler, convention, **settings)
    return next(line for line in done.stdout.splitlines() if line.startswith("AT THE END"))


def _run(
    root: Path, handler: str, convention: str, options: Sequence[str] = (), **settings: str
) -> subprocess.CompletedProcess[str]:
    """A runtime that loads this and cannot poll."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV"))},
        "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1",
        "HANDLER_CONVENTION": convention,
        "LAMBDA_TASK_ROOT": str(root),
        **settings,
    }
    return subprocess.run(
        [sys.executable, *options, "-P", "-m", "runtime", handler],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
