"""What `dispatch build` and `dispatch publish` refuse: with no harm done, in words, and in JSON for whoever asked."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.files import write
from support.package import make_zip

from dispatch.errors import MalformedHandlerName
from dispatch.locate import locate
from runtime.cli.group import command

Run = Callable[..., Result]
APP = "def handler(event, headers): ...\n"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `dispatch` in the test's folder, with an index that has nothing."""
    monkeypatch.chdir(tmp_path)
    for name, value in (("NO_INDEX", "1"), ("CONFIG_FILE", "/dev/null")):
        monkeypatch.setenv(f"PIP_{name}", value)
    return lambda *arguments: CliRunner().invoke(command, arguments)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def error(result: Result) -> str:
    """The one object that a failed command answered in JSON; the same message is on standard error."""
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code != 0
    answer = json.loads(result.stdout)
    assert list(answer) == ["error"]
    assert answer["error"] in result.stderr
    return str(answer["error"])


@pytest.mark.parametrize(
    "arguments",
    [
        "function app.py -o app.py",
        "function app.py -o app.py --standalone",
        "function app.py -o link.zip",
        "function app.py -o hard.zip",
        "function app.py -o other.txt",
        "function src -o src/app.py",
        "function src -o src/data.zip",
        "function src -o src/data.npz",
        "function src -o src/.hidden",
        "function src -o src",
        "layer -o rq.txt -r rq.txt",
        "layer -o one-1.0-py3-none-any.whl --with ./one-1.0-py3-none-any.whl",
        "layer -o one-1.0-py3-none-any.whl -r rq.txt",
        "bootstrap -o app.py",
    ],
)
def test_what_is_there_stays(tmp_path: Path, run: Run, arguments: str) -> None:
    """An output that is an input, or anything else that no build has made, is an error, and keeps its content."""
    write(tmp_path, {"app.py": APP, "rq.txt": "./one-1.0-py3-none-any.whl\n", "other.txt": "x"})
    write(tmp_path / "src", {"app.py": APP, ".hidden": "x"})
    make_zip(tmp_path / "src/data.zip", {"data.txt": ""})
    redate(tmp_path / "src/data.zip")
    with zipfile.ZipFile(tmp_path / "src/data.npz", "w") as made, made.open("x.npy", "w") as array:
        array.write(b"written as numpy does")
    # Some tools date a wheel's members as `dispatch build` dates those of its archives.
    make_zip(tmp_path / "one-1.0-py3-none-any.whl", {"one.py": "", "one-1.0.dist-info/METADATA": "Name: one\n"})
    (tmp_path / "link.zip").symlink_to("app.py")
    (tmp_path / "hard.zip").hardlink_to(tmp_path / "app.py")
    before = contents(tmp_path)
    message = error(run("build", *arguments.split(), "--json"))
    assert "stays as it is" in message or "is a directory" in message
    assert before == contents(tmp_path)


def redate(file: Path) -> None:
    """Give an archive's members another date than make_zip does, which is that of our own archives."""
    epoch, other = b"\x00\x00\x21\x00", b"\x00\x00\x21\x50"
    content = file.read_bytes()
    assert epoch in content
    file.write_bytes(content.replace(epoch, other))


@pytest.mark.parametrize("size", [0, 1])
def test_what_is_there_is_replaced(tmp_path: Path, run: Run, size: int) -> None:
    """An archive, whoever made it, and an empty file make room."""
    write(tmp_path, {"app.py": APP, "out.zip": ""})
    if size:
        make_zip(tmp_path / "out.zip", {"data.txt": ""})
        redate(tmp_path / "out.zip")
    assert 0 == run("build", "function", "app.py", "-o", "out.zip").exit_code
    with zipfile.ZipFile(tmp_path / "out.zip") as made:
        assert "app.py" in made.namelist()


def test_a_source_that_a_build_made(tmp_path: Path, run: Run) -> None:
    """An archive of ours is replaced by a new build of its source, and never by a build of itself."""
    write(tmp_path, {"app.py": APP})
    for _ in range(2):
        assert run("build", "function", "app.py", "-o", "app.pyz").exit_code == 0
    before = contents(tmp_path)
    assert "is the source itself" in error(run("build", "function", "app.pyz", "-o", "app.pyz", "--json"))
    assert before == contents(tmp_path)


@pytest.mark.parametrize("file", ["/proc/x.zip", "app.py/x.zip", f"{'x' * 253}.zip"])
def test_an_output_that_cannot_be_written(tmp_path: Path, run: Run, file: str) -> None:
    """The error names the file and the system's reason, in words and in JSON; nothing is left behind."""
    write(tmp_path, {"app.py": APP})
    arguments = ("build", "function", "app.py", "-o", file)
    message = error(run(*arguments, "--json"))
    assert message.startswith(f"cannot write {tmp_path / file}: ")
    shown = run(*arguments)
    assert shown.exit_code == 1
    assert shown.output.startswith(f"Error: cannot write {tmp_path / file}: ")
    assert list(contents(tmp_path)) == ["app.py"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("build check nope.zip", "nope.zip"),
        ("build check src", "src"),
        ("build check", "ARCHIVE"),
        ("build check app.py --bogus", "--bogus"),
        ("build check app.py --runtime nodejs20.x", "nodejs20.x"),
        ("build function nope -o x.zip", "nope"),
        ("build function app.py", "--output"),
        ("build layer -o x.zip -r nope.txt", "nope.txt"),
        ("build nope", "nope"),
        ("publish function G nope.zip", "nope.zip"),
        ("publish layer L nope.zip", "nope.zip"),
        ("run app.handler -f nope.json", "nope.json"),
    ],
)
def test_wrong_arguments_in_json(tmp_path: Path, run: Run, arguments: str, named: str) -> None:
    """Whoever asked for JSON gets JSON where the command was called wrongly, too; else standard output stays empty."""
    write(tmp_path, {"app.py": APP})
    write(tmp_path / "src", {"app.py": APP})
    result = run(*arguments.split(), "--json")
    assert 2 == result.exit_code
    assert named in error(result)
    assert run(*arguments.split()).stdout == ""


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        (
            'requires-python = ">=3.14"',
            "{path} requires Python >=3.14, but the archive is for Python 3.11; pass --python",
        ),
        (
            'requires-python = "<3.11"',
            "{path} requires Python <3.11, but the archive is for Python 3.11; pass --python",
        ),
        ('requires-python = "three"', "requires-python must be a version specifier such as '>=3.11': "),
        ("requires-python = 3.11", "wrong script metadata in {path}: requires-python must be a string, not 3.11"),
        (
            'dependencies = "num2words"',
            "wrong script metadata in {path}: dependencies must be a list of strings, not 'num2words'",
        ),
        ("dependencies = [1]", "wrong script metadata in {path}: dependencies must be a list of strings, not [1]"),
    ],
)
def test_metadata_that_cannot_be_met(tmp_path: Path, run: Run, metadata: str, expected: str) -> None:
    """A script for another Python, or with metadata of another kind than is specified, is not built."""
    write(tmp_path, {"app.py": f"# /// script\n# {metadata}\n# ///\n"})
    message = error(run("build", "function", "app.py", "-o", "app.zip", "--python", "3.11", "--json"))
    assert message.startswith(expected.format(path=tmp_path / "app.py"))
    assert list(contents(tmp_path)) == ["app.py"]


@pytest.mark.parametrize("allowed", [">=3.11", ">=3.11.4,<4", "==3.11.*", "~=3.11"])
def test_metadata_that_is_met(tmp_path: Path, run: Run, allowed: str) -> None:
    """One release that is allowed is enough: which one there will be is Lambda's choice."""
    write(tmp_path, {"app.py": f'# /// script\n# requires-python = "{allowed}"\n# ///\n'})
    assert run("build", "function", "app.py", "-o", "app.zip", "--python", "3.11").exit_code == 0


@pytest.mark.parametrize("name", ["noext", "hello.sh", "no-ext"])
def test_a_file_that_is_no_handler(tmp_path: Path, run: Run, name: str) -> None:
    """Neither Python by its name nor executable: the build, the check and the runtime say the same of it."""
    write(tmp_path, {name: "#!/bin/sh\n"})
    (tmp_path / name).chmod(0o644)
    expected = f"the file {name} in the archive is neither Python (.py, .pyc, .pyz) nor executable; chmod +x makes it a program"
    built = json.loads(run("build", "function", name, "-o", "a.zip", "--json").stdout)
    assert ([], [expected]) == (built["handlers"], built["notes"])
    report = json.loads(run("build", "check", "a.zip", "--handler", name, "--json").stdout)
    assert [("handler", expected)] == [(finding["check"], finding["message"]) for finding in report["findings"]]
    command = [sys.executable, "-m", "runtime.cli", "explain", name, "--root", str(tmp_path), "--json"]
    explained = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False).stdout
    assert expected.replace("the archive", str(tmp_path)) in json.loads(explained)["error"]["message"]


def test_a_program(tmp_path: Path, run: Run) -> None:
    """An executable file is a handler, for the build and for the check."""
    write(tmp_path, {"noext": "#!/bin/sh\n"})
    (tmp_path / "noext").chmod(0o755)
    built = json.loads(run("build", "function", "noext", "-o", "a.zip", "--json").stdout)
    assert (["noext"], []) == (built["handlers"], built["notes"])
    report = json.loads(run("build", "check", "a.zip", "--handler", "noext", "--json").stdout)
    assert (True, []) == (report["passed"], report["findings"])


@pytest.mark.parametrize("handler", ["", " "])
def test_an_empty_handler_is_none(tmp_path: Path, run: Run, handler: str) -> None:
    """What the runtime would refuse does not pass, and the message is the runtime's."""
    make_zip(tmp_path / "a.zip", {"app.py": APP})
    report = json.loads(run("build", "check", "a.zip", "--handler", handler, "--json").stdout)
    with pytest.raises(MalformedHandlerName) as raised:
        locate(handler, str(tmp_path)).find()
    assert (False, [str(raised.value)]) == (report["passed"], [each["message"] for each in report["findings"]])


@pytest.mark.parametrize("handler", ["event", "len"])
def test_a_name_that_is_an_expression(tmp_path: Path, run: Run, handler: str) -> None:
    """A name that the runtime takes for Python source is not missed among the files."""
    make_zip(tmp_path / "a.zip", {"app.py": APP})
    assert run("build", "check", "a.zip", "--handler", handler).exit_code == 0


def test_a_file_that_is_a_folder_as_well(tmp_path: Path, run: Run) -> None:
    """An archive that no system can unpack is an error, not a traceback."""
    make_zip(tmp_path / "app.zip", {"a": "", "a/b": ""})
    assert "app.zip is not a zip archive that can be unpacked" in error(run("build", "check", "app.zip", "--json"))
