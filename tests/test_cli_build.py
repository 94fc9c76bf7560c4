"""The command `dispatch build`: what it says, in words and in JSON, and its status."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pytest_mock import MockerFixture
from support.files import write
from support.package import make_wheel, make_zip

from runtime.cli.build import command
from runtime.package import interpreter, pythons
from runtime.package.errors import PackageError
from runtime.package.target import BuildTarget

Run = Callable[..., Result]
V = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all that pip looks at."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name, value in (("NO_INDEX", "1"), ("FIND_LINKS", str(folder)), ("CONFIG_FILE", "/dev/null")):
        monkeypatch.setenv(f"PIP_{name}", value)
    return folder


@pytest.fixture
def run(index: Path) -> Run:
    """Run `dispatch build`."""

    def once(*arguments: str | Path) -> Result:
        return CliRunner().invoke(command, [str(argument) for argument in arguments])

    return once


def read(result: Result) -> Any:
    """The answer in JSON of a command that succeeded."""
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize("name", ["", "layer", "function", "bootstrap", "check"])
def test_help_has_an_example(run: Run, name: str) -> None:
    """Each command shows how it is used."""
    assert "Example: dispatch build" in " ".join(run(*([name] if name else []), "--help").stdout.split())


def test_what_was_made_is_said(tmp_path: Path, run: Run, index: Path) -> None:
    """The file, sizes beside Lambda's limits, what is inside, the handler strings to use."""
    make_wheel(index, "one")
    source = write(tmp_path / "src", {"app.py": "def handler(event, headers): ..."})
    shown = run("function", source, "-o", tmp_path / "app.zip", "--with", "one").stdout
    for part in (
        f"{tmp_path / 'app.zip'}: ",
        "zipped",
        "50.0 MB",
        "250.0 MB",
        "inside: one==1.0",
        "handlers: app.py, app.handler",
    ):
        assert part in shown


def test_what_was_made_in_json(tmp_path: Path, run: Run) -> None:
    """The same for programs."""
    source = write(tmp_path / "src", {"app.py": "x = 1"})
    answer = read(run("function", source, "-o", tmp_path / "app.zip", "--json"))
    assert answer["file"] == str(tmp_path / "app.zip")
    assert answer["sizes"]["zipped"] == (tmp_path / "app.zip").stat().st_size
    assert (answer["libraries"], answer["interpreter"], answer["handlers"]) == ([], None, ["app.py"])


def test_a_layer(tmp_path: Path, run: Run, index: Path) -> None:
    """The runtime below python/, the wrapper with its run bit, the list of what is inside; for either processor."""
    for name, version in (("pluggy", "1.5"), ("simplejson", "3.19"), ("requests", "2.32")):
        make_wheel(index, name, version)
    tag = f"cp{V.replace('.', '')}"
    for machine in ("x86_64", "aarch64"):
        make_wheel(index, "httptools", "0.6.4", tag=f"{tag}-{tag}-manylinux_2_17_{machine}")
    answer = read(run("layer", "-o", tmp_path / "layer.zip", "--arch", "arm64", "--python", V, "--json"))
    with zipfile.ZipFile(tmp_path / "layer.zip") as made:
        names = set(made.namelist())
        assert made.getinfo("dispatch").external_attr >> 16 & 0o777 == 0o755
        listed = made.read("installed-libs.txt").decode().split()
    assert {"python/runtime/__main__.py", "python/dispatch/__init__.py", "python/pluggy.py"} <= names
    assert "bootstrap" not in names
    assert [line.partition("==")[0] for line in listed] == [
        "handler-dispatch",
        "httptools",
        "pluggy",
        "requests",
        "simplejson",
    ]
    assert answer["libraries"] == listed


def test_a_failure_has_its_reason(tmp_path: Path, run: Run) -> None:
    """No traceback, status 1, and no file."""
    source = write(tmp_path / "src", {"app.py": ""})
    result = run("function", source, "-o", tmp_path / "app.zip", "--with", "no-such-thing")
    assert result.exit_code == 1
    assert not (tmp_path / "app.zip").exists()
    assert result.output.startswith("Error: cannot install the requirements for Python ")
    assert "no-such-thing was not found" in result.output
    assert "Traceback" not in result.output


def test_no_python_for_the_standard_library(tmp_path: Path, mocker: MockerFixture) -> None:
    """An interpreter needs the library's Python part: the error says which version was looked for, and where."""
    with pytest.raises(PackageError, match=r"no Python 3\.12 on this machine .*PATH.*pyenv"):
        interpreter.add(BuildTarget("3.12", "arm64"), tmp_path, None)


def test_no_interpreter_for_the_target(tmp_path: Path, index: Path) -> None:
    """Where the index has no wheel of the carrier for that processor, the error names what was looked for."""
    make_wheel(
        index, "freeze_core", "0.8.1", tag=f"cp{V.replace('.', '')}-cp{V.replace('.', '')}-manylinux_2_17_x86_64"
    )
    with pytest.raises(
        PackageError, match=r"(?s)no interpreter for Python .* on arm64: .*freeze-core==0\.8\.1 has no wheels"
    ):
        interpreter.add(BuildTarget(V, "arm64"), tmp_path, Path(sys.executable))


def test_pythons_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On PATH, then among pyenv's the newest; one that does not start, or is of another version, is passed over."""
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin:/usr/bin")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    for place, text in {
        "bin/python3.99": "exit 1",
        "versions/3.99.9/bin/python": "echo 3.99",
        "versions/3.99.10/bin/python": "echo 3.99",
        "versions/3.99.11/bin/python": "echo 3.98",
    }.items():
        write(tmp_path, {place: f"#!/bin/sh\n{text}\n"})
        (tmp_path / place).chmod(0o755)
    assert pythons.find_python("3.99") == tmp_path / "versions/3.99.10/bin/python"
    assert pythons.find_python("3.97") is None
    assert pythons.find_python(V) == Path(sys.executable)


def test_check_says_what_would_fail(tmp_path: Path, run: Run) -> None:
    """Findings with their level, check and place; status 1."""
    file = make_zip(tmp_path / "app.zip", {"app.py": "def handler(event, headers): ...", "runtime.py": ""})
    result = run("check", file, "--handler", "app.handlr")
    assert result.exit_code == 1
    assert "error (handler): app.handlr: no 'handlr' in app.py; it has: handler" in result.stdout
    assert "warning (names): runtime.py: same name as" in result.stdout


def test_check_of_what_is_fine(tmp_path: Path, run: Run) -> None:
    """Status 0 and a word; warnings alone are no failure."""
    file = make_zip(tmp_path / "app.zip", {"app.py": "def handler(event, headers): ..."})
    result = run("check", file, "--handler", "app.handler")
    assert result.exit_code == 0
    assert "found nothing that would fail" in result.stdout
    make_zip(file, {"app.py": "", "runtime.py": ""})
    assert read(run("check", file, "--json"))["passed"] is True


def test_check_of_no_archive(tmp_path: Path, run: Run) -> None:
    """A file that is no zip archive is an error, not a traceback."""
    (tmp_path / "app.zip").write_text("no")
    result = run("check", tmp_path / "app.zip")
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")


@pytest.mark.parametrize("make", ["app.zip is not a zip archive", "Bad CRC-32", "encrypted"])
def test_check_of_no_archive_in_json(tmp_path: Path, run: Run, make: str) -> None:
    """Whoever asked for JSON gets JSON, whatever is wrong with the file."""
    file = make_zip(tmp_path / "app.zip", {"app.py": "x = 1"})
    data = bytearray(file.read_bytes())
    if make == "Bad CRC-32":
        data[data.index(b"app.py") + 10] ^= 1
    elif make == "encrypted":
        data[6] |= 1  # the general purpose flags of the local header, and of the central directory
        data[data.index(b"PK\1\2") + 8] |= 1
    else:
        data[:] = b"no"
    file.write_bytes(data)
    result = run("check", file, "--json")
    assert result.exit_code == 1
    assert make in json.loads(result.stdout)["error"]


def test_check_of_what_cannot_be_compiled(tmp_path: Path, run: Run) -> None:
    """Status 1, and the line."""
    file = make_zip(tmp_path / "app.zip", {"app.py": "def handler(e,c:"})
    result = run("check", file, "--handler", "app.handler", "--json")
    report = json.loads(result.stdout)
    assert (result.exit_code, report["passed"]) == (1, False)
    expected = f"cannot be compiled by Python {V}: line 1: '(' was never closed"
    assert [expected] == [finding["message"] for finding in report["findings"]]


@pytest.mark.parametrize("name", ["nonsense", "nodejs20.x"])
def test_check_for_a_runtime_that_runs_no_python(tmp_path: Path, run: Run, name: str) -> None:
    """The runtimes that there are, are named."""
    file = make_zip(tmp_path / "app.zip", {"app.py": "x = 1"})
    result = run("check", file, "--runtime", name)
    assert result.exit_code == 2
    assert "'provided.al2023'" in result.stderr
