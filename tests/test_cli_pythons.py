"""Which Python runs a function, where the command is installed as a tool: the project's, without the tool's libraries."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest
from support.files import write
from support.process import Child, await_true

#: Python 2 as far as it is asked: it has neither the option -I nor `find_spec`.
TWO = f"""#!/bin/sh
[ "$1" = -I ] && exit 2
exec {sys.executable} -S -c "
import sys, importlib
sys.version_info = (2, 7, 18)
sys.modules['importlib.util'] = None
exec(sys.argv[-1])" "$@"
"""
ROOT = Path(__file__).parents[1]
LIBRARY = "ownlib.py"
HANDLER = """
import os, sys
import ownlib
def handler(event, context):
    try:
        import click
    except ImportError:
        click = None
    return {"prefix": sys.prefix, "from": ownlib.NAME, "click": bool(click), "own": os.environ.get("A")}
"""


def environment(folder: Path, **files: str) -> Path:
    """A virtual environment with these modules; its Python."""
    venv.create(folder, symlinks=True, with_pip=False)
    (packages,) = folder.glob("lib/python*/site-packages")
    write(packages, files)
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment as uv makes it for a tool, a project with an environment and a function, and another environment."""
    place = tmp_path_factory.mktemp("tools")
    libraries = sysconfig.get_paths()["purelib"]
    environment(place / "tool", **{"everything.pth": f"{ROOT}\n{libraries}\n"})
    (place / "tool" / "uv-receipt.toml").touch()
    environment(place / "project" / ".venv", **{LIBRARY: "NAME = 'project'\n"})
    environment(place / "other", **{LIBRARY: "NAME = 'other'\n"})
    write(place, {"project/src/app.py": HANDLER, "lonely/app.py": HANDLER})
    return place


def tool(place: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the tool in the project."""
    return subprocess.run(
        [place / "tool" / "bin" / "python", "-m", "runtime.cli", *arguments],
        cwd=place / "project",
        env={**{name: value for name, value in os.environ.items() if name not in ABSENT}, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


ABSENT = ("VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH")
RUN = ("run", "app.handler", "--root", "src", "--convention", "lambda", "-e", "{}")


@pytest.mark.parametrize(
    ("arguments", "variables", "expected"),
    [
        ((), {}, "project"),
        ((), {"VIRTUAL_ENV": "other"}, "other"),
        ((), {"CONDA_PREFIX": "other"}, "other"),
        ((), {"VIRTUAL_ENV": "tool"}, "project"),
        ((), {"VIRTUAL_ENV": "nowhere"}, "project"),
        (("--python", ".venv"), {"VIRTUAL_ENV": "other"}, "project"),
        (("--python", "../other/bin/python"), {}, "other"),
    ],
    ids=str,
)
def test_the_python_of_the_project(
    place: Path, arguments: tuple[str, ...], variables: dict[str, str], expected: str
) -> None:
    """That of --python, else of the active environment, else of `.venv` above the function; -v says which."""
    done = tool(place, *RUN, "-v", *arguments, **{name: str(place / value) for name, value in variables.items()})
    answer = json.loads(done.stdout)

    assert (expected, False) == (answer["from"], answer["click"])
    assert f"dispatch: app.handler runs on {answer['prefix']}/bin/python: " in done.stderr


def test_a_path_of_the_functions_own(place: Path) -> None:
    """PYTHONPATH and other variables of the function still count, and nothing is left behind."""
    (place / "more").mkdir()
    (place / "more" / "ownlib.py").write_text("NAME = 'more'\n")
    (place / "temporary").mkdir()
    own = ("--env", f"PYTHONPATH={place / 'more'}", "--env", "A=1")
    done = tool(place, *RUN, *own, TMPDIR=str(place / "temporary"))

    assert ("more", "1", "") == (json.loads(done.stdout)["from"], json.loads(done.stdout)["own"], done.stderr)
    assert [] == [*(place / "temporary").iterdir()]


def test_without_a_python_of_the_project(place: Path) -> None:
    """The command says which Python it takes, and what to do."""
    done = tool(place, "run", "app.handler", "--root", str(place / "lonely"), "-e", "{}")

    assert f"app.handler runs on {place / 'tool' / 'bin' / 'python'}, which has this command's libraries" in done.stderr
    assert "No module named 'ownlib'" in done.stderr
    explained = tool(place, "explain", "app.handler", "--root", "src")
    assert f"explained on {place / 'tool' / 'bin' / 'python'}" in explained.stderr


def test_a_command_of_the_project_is_not_a_tool(place: Path) -> None:
    """It runs functions on its own Python, whatever environment is active."""
    (place / "own.py").write_text("import sys, json; print(json.dumps(sys.prefix))")
    done = subprocess.run(
        [sys.executable, "-m", "runtime.cli", "run", "own.py", "--root", str(place)],
        env={**os.environ, "VIRTUAL_ENV": str(place / "other")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (sys.prefix, "") == (json.loads(done.stdout), done.stderr)


@pytest.mark.parametrize(
    ("which", "words"),
    [
        ("nosuch", "--python: no Python 'nosuch'; pass a file, a virtual environment, or a name on your PATH"),
        ("src/app.py", "src/app.py: Permission denied"),
        ("true", "true is not a Python; pass another with --python"),
        ("false", "false is not a Python; pass another with --python ("),
        ("two", "two is Python 2.7; the runtime needs 3.11 or newer"),
        ("old", "old is Python 3.9; the runtime needs 3.11 or newer"),
    ],
)
def test_a_python_that_cannot_be_used(place: Path, which: str, words: str) -> None:
    """It is a usage error in one sentence."""
    write(place / "project", {"old": "#!/bin/sh\necho '[[3, 9], []]'\n", "two": TWO})
    done = tool(place, *RUN, "--python", which)

    assert ("", 2) == (done.stdout, done.returncode)
    assert words in " ".join(done.stderr.split())
    assert "--bootstrap starts a runtime of its own" in tool(place, *RUN, "--python", "x", "--bootstrap", "old").stderr


def test_a_server(place: Path) -> None:
    """`dispatch serve` says which Python runs each function, and uses it."""
    write(
        place / "project", {"dispatch.toml": "[functions.a]\nhandler='app.handler'\nroot='src'\nconvention='lambda'\n"}
    )
    command = [str(place / "tool" / "bin" / "python"), "-m", "runtime.cli", "serve", "--port", "0"]
    server = Child(command, {"XDG_STATE_HOME": str(place / "state")}, place / "project")
    try:
        server.wait_log(f"app.handler runs on {place}/project/.venv/bin/python: the project's .venv")
        await_true(lambda: b"\n" in server.output["stdout"])
        address = server.output["stdout"].decode().split()[-1]
        done = tool(place, "invoke", "a", "-e", "{}", "--endpoint", address)
        assert "project" == json.loads(done.stdout)["from"]
    finally:
        server.signal()
        server.wait()
        server.kill()


@pytest.fixture(params=["on PATH", "beside the command"])
def uv(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The program uv, without a network."""
    beside = pytest.importorskip("uv", reason="uv installs a script's libraries").find_uv_bin()
    found = tmp_path if request.param == "beside the command" else Path(shutil.which("uv") or beside).parent
    monkeypatch.setenv("PATH", f"{found}{os.pathsep}/usr/bin{os.pathsep}/bin")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_PYTHON", sys.executable)


def wheel(folder: Path) -> Path:
    """A library as a wheel."""
    folder.mkdir(exist_ok=True)
    file, info = folder / "ownlib-1.0-py3-none-any.whl", "ownlib-1.0.dist-info"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(LIBRARY, "NAME = 'script'\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: ownlib\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return file


def script(place: Path, metadata: Any) -> None:
    """A script of the project with inline metadata."""
    text = f"# /// script\n# dependencies = {metadata}\n# ///\nimport ownlib\nprint(ownlib.NAME, end='')\n"
    write(place / "project", {"script.py": text})


@pytest.mark.usefixtures("uv")
def test_a_script_with_metadata(place: Path, tmp_path: Path) -> None:
    """Its libraries come from the environment that `uv run` would use; it wins over the active one."""
    script(place, json.dumps([f"ownlib @ {wheel(tmp_path / 'wheels').as_uri()}"]))
    done = tool(place, "run", "script.py", "-e", "", VIRTUAL_ENV=str(place / "other"))
    assert ("script", "") == (done.stdout, done.stderr)

    script(place, '["no-such-library-anywhere"]')
    done = tool(place, "run", "script.py", "-e", "")
    assert 2 == done.returncode
    assert "no-such-library-anywhere" in done.stderr


def test_a_script_with_metadata_without_uv(place: Path, tmp_path: Path) -> None:
    """The command says what is missing, and takes the project's Python."""
    script(place, '["ownlib"]')
    write(tmp_path, {"uv.py": "raise ImportError"})
    done = tool(place, "run", "script.py", "-e", "", PATH="/nowhere", PYTHONPATH=str(tmp_path))

    assert "project" == done.stdout
    assert "names libraries in its inline metadata, but uv, which installs them, is missing" in done.stderr
