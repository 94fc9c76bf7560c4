"""The files for deploying: the template, the images, and their entry point on Lambda and under its emulator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.api import FakeRuntimeApi, event
from support.process import Child
from support.serving import SCRIPTS, ask, serving

DEPLOY = Path(__file__).parents[1] / "examples" / "deploy"
EVENT = b'{"name": "World"}'


def lint(template: Path) -> subprocess.CompletedProcess[str]:
    """What cfn-lint says of a template."""
    command: list[str | Path] = [SCRIPTS / "cfn-lint", "--format", "parseable", template]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_template_is_valid() -> None:
    """cfn-lint has nothing to say, SAM's own resources included."""
    done = lint(DEPLOY / "template.yaml")
    assert (done.stdout, done.returncode) == ("", 0)


def test_the_lint_sees_the_functions(tmp_path: Path) -> None:
    """It would say something: a property that SAM's functions have not is found."""
    text = (DEPLOY / "template.yaml").read_text().replace("Handler: hello.py", "Handlr: hello.py")
    (tmp_path / "template.yaml").write_text(text)
    assert "'Handlr' was unexpected" in lint(tmp_path / "template.yaml").stdout


@contextmanager
def started(
    *command: str | Path, env: Mapping[str, str] | None = None, cwd: Path = DEPLOY
) -> Iterator[tuple[Child, int]]:
    """A server that says on which port it serves."""
    with serving(command, "Serving on", env or {}, cwd) as served:
        yield served


@pytest.mark.parametrize(
    ("name", "body", "expected"),
    [
        ("Hello", EVENT, b"Hello, World!\n"),
        ("Invoice", b'{"lines": [{"price": "0.10", "count": 3}]}', b'{"total":0.30}'),
        ("Reverse", b'"stressed"', b'"desserts"\n'),
    ],
)
def test_dispatch_serve_reads_the_template(tmp_path: Path, name: str, body: bytes, expected: bytes) -> None:
    """The functions of the template answer here as they will on Lambda."""
    command = [sys.executable, "-m", "runtime.cli", "serve", "--config", "template.yaml", "--port", "0", "--no-reload"]
    with started(*command, env={"XDG_STATE_HOME": str(tmp_path)}) as (_, port):
        assert ask(port, "POST", f"/2015-03-31/functions/{name}/invocations", body) == (200, expected)


def test_the_entry_point_in_lambda() -> None:
    """Where a Runtime API is named, the runtime itself starts, with the image's command as the handler."""
    with FakeRuntimeApi() as api:
        env = {"AWS_LAMBDA_RUNTIME_API": api.address, "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"}
        child = Child([str(DEPLOY / "entrypoint.sh"), "hello.py"], env, DEPLOY / "functions")
        try:
            api.hand_out(event(EVENT, "1"))
            (answer,) = api.wait_for("POST", "invocation/1/response")
            assert answer.body == b"Hello, World!\n"
        finally:
            child.kill()


def test_the_entry_point_under_an_emulator(tmp_path: Path) -> None:
    """Where AWS's emulator lies in the image, it starts, and is told to start the runtime."""
    emulator = tmp_path / "emulator"
    emulator.write_text('#!/bin/sh\necho "$@"\n')
    emulator.chmod(0o755)
    env = {"PATH": os.environ["PATH"], "EMULATOR": str(emulator)}
    done = subprocess.run([DEPLOY / "entrypoint.sh", "hello.py"], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "python -P -m runtime hello.py\n"


@pytest.mark.parametrize("name", ["Dockerfile.slim", "Dockerfile.al2023"])
def test_what_the_images_copy_is_there(name: str) -> None:
    """Every file that a Dockerfile copies out of the checkout exists; the last stage has a command in exec form."""
    lines = (DEPLOY / name).read_text().splitlines()
    root = DEPLOY.parents[1]
    copied = [line.split() for line in lines if line.startswith("COPY") and "--from" not in line]
    sources = [word for words in copied for word in words[1:-1] if not word.startswith("--")]
    assert sources
    assert [] == [source for source in sources if not (root / source).exists()]
    assert json.loads(lines[-1].removeprefix("CMD ")) == ["hello.py"]
