"""What docs/start.md tells to type works, step by step, but for the clone; tests/test_docs.py runs its console blocks."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from support.local import ServerProcess
from support.serving import SCRIPTS, serving

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "start.md").read_text()

#: The page's `sh` blocks, in order.
INSTALL, SERVE, CALL, TEST, WEB, ASK, BUILD = re.findall(r"^```sh\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def first(tmp_path: Path) -> Path:
    """The reader's folder, with all files of the page."""
    for name, text in re.findall(r"^```python\n# (\S+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        (tmp_path / name).write_text(text)
    return tmp_path


def typed(text: str, folder: Path) -> str:
    """What these commands print; each must succeed."""
    path = f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
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


def test_what_is_installed() -> None:
    """The extras that the page installs exist, and with them everything that it types."""
    [extras] = re.findall(r"pip install '\.\[(.*)\]'", INSTALL)

    assert ["local", "build", "asgi", "pytest"] == extras.split(",")
    assert "first" == INSTALL.splitlines()[-2].removeprefix("cd ../")


def test_serving(first: Path) -> None:
    """The server of one block answers the clients of the next."""
    with ServerProcess(first, *shlex.split(SERVE)[2:], "--no-reload") as server:
        address = f"AWS_ENDPOINT_URL_LAMBDA={server.address}\nexport AWS_ENDPOINT_URL_LAMBDA\n"
        printed = typed(address + CALL.replace("127.0.0.1:9000", server.host), first)

    assert '{"total":5,"due":"2026-12-24"}{"total":0,"due":"2026-12-24"}' == printed


def test_testing(first: Path) -> None:
    """The page's tests pass, and the second would fail if the order were accepted."""
    assert "2 passed" in typed(TEST, first)

    (first / "shop.py").write_text("def total(order, headers):\n    return {'total': 600}\n")
    with pytest.raises(AssertionError):
        typed(TEST, first)


def test_a_web_service(first: Path) -> None:
    """The function under uvicorn answers the page's request."""
    *settings, server, application = shlex.split(WEB)
    env = dict(setting.split("=", 1) for setting in settings)
    with serving([server, application, "--port", "0"], "Uvicorn running on", env, first) as (_, port):
        assert '{"total":1000,"due":"2026-12-24"}' == typed(ASK.replace(":8000", f":{port}"), first)


def test_an_archive(first: Path) -> None:
    """The archive is built and has no fault; the dry run shows the call that would make the function."""
    printed = typed(BUILD, first)

    assert "found nothing that would fail" in printed
    assert "aws lambda create-function --function-name shop" in printed
    assert (first / "shop.zip").exists()
