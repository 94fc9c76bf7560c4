"""What docs/start.md tells to type works, step by step, but for the clone; tests/test_docs.py runs its console blocks."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support.local import ServerProcess
from support.serving import SCRIPTS, serving

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "start.md").read_text()

#: Keeps modules from being found, as if the distributions that have them were not installed.
HIDING = """
import sys
from importlib.abc import MetaPathFinder


class Hidden(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)


sys.meta_path.insert(0, Hidden())
"""

#: The page's `sh` blocks, in order.
INSTALL, SERVE, CALL, TEST, WEB, ASK, BUILD = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """The variables with which nothing is found but what the page installs."""
    [extras] = re.findall(r"pip install '\.\[(.*)\]'", INSTALL)
    pending, there = [("handler-dispatch", frozenset(extras.split(",")))], set()
    while pending:
        name, wanted = pending.pop()
        there.add(canonicalize_name(name))
        for requirement in map(Requirement, metadata.requires(name) or ()):
            marker = requirement.marker
            asked = marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *wanted))
            if asked and canonicalize_name(requirement.name) not in there:
                pending.append((requirement.name, frozenset(requirement.extras)))
    hidden = {
        module
        for module, names in metadata.packages_distributions().items()
        if not {canonicalize_name(name) for name in names} & there
    }
    assert "playwright" in hidden
    folder = tmp_path / "hiding"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(HIDING.format(names=hidden))
    return {"PYTHONPATH": str(folder)}


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """The reader's folder, with all files of the page."""
    for name, text in re.findall(r"^```python\n# (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        (tmp_path / name).write_text(text)
    return tmp_path


def typed(text: str, folder: Path, variables: Mapping[str, str] | None = None) -> str:
    """What these commands print; each must succeed."""
    path = f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONDONTWRITEBYTECODE": "1", **(variables or {})}
    command = ["sh", "-e", "-c", text]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_page_is_ten_steps() -> None:
    """And ends with a deployment."""
    steps = re.findall(r"^## (\d+)\. (.*)$", PAGE, re.MULTILINE)

    assert [str(number) for number in range(1, 11)] == [number for number, _ in steps]
    assert ("10", "Deploy it") == steps[-1]


def test_serving(first: Path, installed: dict[str, str]) -> None:
    """The server of one block answers the clients of the next."""
    with ServerProcess(first, *shlex.split(SERVE)[2:], "--no-reload", environment=installed) as server:
        address = f"AWS_ENDPOINT_URL_LAMBDA={server.address}\nexport AWS_ENDPOINT_URL_LAMBDA\n"
        printed = typed(address + CALL.replace("127.0.0.1:9000", server.host), first, installed)

    assert '{"total":5,"due":"2026-12-24"}{"total":0,"due":"2026-12-24"}' == printed


def test_testing(first: Path) -> None:
    """The page's tests pass, and the second would fail if the order were accepted."""
    assert "2 passed" in typed(TEST, first)

    (first / "shop.py").write_text("def total(order, headers):\n    return {'total': 600}\n")
    with pytest.raises(AssertionError):
        typed(TEST, first)


def test_a_web_service(first: Path, installed: dict[str, str]) -> None:
    """The function under uvicorn answers the page's request."""
    *settings, server, application = shlex.split(WEB)
    env = installed | dict(setting.split("=", 1) for setting in settings)
    with serving([server, application, "--port", "0"], "Uvicorn running on", env, first) as (_, port):
        assert '{"total":1000,"due":"2026-12-24"}' == typed(ASK.replace(":8000", f":{port}"), first)


def test_an_archive(first: Path, installed: dict[str, str]) -> None:
    """The archive is built and has no fault; the dry run shows the call that would make the function."""
    printed = typed(BUILD, first, installed)

    assert "found nothing that would fail" in printed
    assert "aws lambda create-function --function-name shop" in printed
    assert (first / "shop.zip").exists()
