"""What docs/guides/local-platform.md and templates.md say to type works: servers start, clients succeed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from support.local import ServerProcess, client

GUIDES = Path(__file__).resolve().parent.parent / "docs" / "guides"


def blocks(language: str, page: str = "local-platform.md") -> list[str]:
    """The blocks of a page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", (GUIDES / page).read_text(), re.MULTILINE | re.DOTALL)


def test_the_commands_of_the_page(tmp_path: Path) -> None:
    """The server of the first block answers the clients of the second, on whatever port it has."""
    pytest.importorskip("awscli", reason="the AWS command line is not installed: pip install awscli")
    serve, clients = blocks("sh")
    (tmp_path / "app.py").write_text(blocks("python")[0])
    scripts = Path(sys.executable).parent
    with ServerProcess(tmp_path, *shlex.split(serve)[2:], "--no-reload") as server:
        done = subprocess.run(
            ["sh", "-e", "-c", clients.replace("127.0.0.1:9000", server.host)],
            cwd=tmp_path,
            env={**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    assert 0 == done.returncode, done.stderr
    assert '{"id": 7, "items": 0}' == (tmp_path / "out.json").read_text()
    assert '{"id": 7, "items": 1}' in done.stdout


def test_the_file_of_the_page(tmp_path: Path) -> None:
    """The page's dispatch.toml serves its functions."""
    (tmp_path / "app.py").write_text(blocks("python")[0])
    (tmp_path / "dispatch.toml").write_text(blocks("toml")[0])
    with ServerProcess(tmp_path, "--no-reload") as server, client(server.host) as one:
        invoke = "/2015-03-31/functions/{}/invocations"
        assert b'"TEA"' == one.call("POST", invoke.format("shout"), '"tea"').body
        assert {"id": 1, "items": 1} == one.call("POST", invoke.format("orders"), '{"id": 1, "items": [1]}').json


def test_the_template_of_the_page(tmp_path: Path) -> None:
    """The template of its page serves its route, with the parameter of the page's command."""
    page = "templates.md"
    (tmp_path / "app.py").write_text(blocks("python", page)[0])
    (tmp_path / "template.yaml").write_text(blocks("yaml", page)[0])
    serve, curl = blocks("sh", page)
    with ServerProcess(tmp_path, *shlex.split(serve)[2:], "--no-reload") as server, client(server.host) as one:
        assert b"tea: 3 pounds" == one.call("GET", curl.strip().partition(":9000")[2]).body
