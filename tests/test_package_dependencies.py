"""What lists a function's dependencies: requirements files in all their forms, lock files, pyproject.toml."""

from __future__ import annotations

import hashlib
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from support.files import Files, write
from support.package import make_wheel

from runtime.package import function, layer, own_runtime, uv_tool
from runtime.package.errors import PackageError
from runtime.package.staging import Built
from runtime.package.target import BuildTarget

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
#: A Python that does not run the tests.
OTHER = "3.12" if HERE != "3.12" else "3.13"
APP = "def handler(event, context): ...\n"
PROJECT = '[project]\nname = "svc"\nversion = "0.1"\nrequires-python = ">=3.11"\ndependencies = ["one"]\n'
POETRY = '[tool.poetry]\nname = "svc"\nversion = "0.1"\n[tool.poetry.dependencies]\npython = "^3.11"\none = "^1.0"\n'


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with packages of several versions, some for one Python or processor only."""
    folder = tmp_path_factory.mktemp("index")
    for version in ("1.0", "2.0"):
        make_wheel(folder, "one", version)
    backport = f"backport; python_version < '3.{int(OTHER[2:]) + 1}' and python_version >= '{OTHER}'"
    arm = "arm; platform_machine == 'aarch64'"
    make_wheel(folder, "chooses", requires=[backport, arm, "mac; sys_platform == 'darwin'"])
    for name in ("backport", "arm", "mac", "dev", "old", "new"):
        make_wheel(folder, name)
    make_wheel(folder, "middle", requires=["one"])
    for requirement in map(Requirement, own_runtime.required()):
        make_wheel(
            folder, requirement.name, next(each.version for each in requirement.specifier if each.operator == ">=")
        )
    return folder


@pytest.fixture(autouse=True)
def only(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is all that there is, by settings of pip; a setting that breaks pip breaks nothing here."""
    constraint = write(index.parent, {"constraint.txt": "unrelated<=1\n"}) / "constraint.txt"
    settings = {
        "CONSTRAINT": str(constraint),
        "TARGET": "/x",
        "NO_INDEX": "1",
        "FIND_LINKS": str(index),
        "CONFIG_FILE": "/dev/null",
        "REQUIRE_VIRTUALENV": "1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    for name in ("UV_NO_BINARY", "UV_SYSTEM_PYTHON", "UV_REQUIRE_HASHES", "UV_COMPILE_BYTECODE"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("UV_PYTHON", "2.7")


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., Built]:
    """Build an archive of files for Python OTHER on arm64."""

    def once(content: Files, python: str = OTHER, **more: object) -> Built:
        source = write(tmp_path / "src", {"app.py": APP, **content})
        return function.build_function(source, tmp_path / "app.zip", BuildTarget(python, "arm64"), **more)  # type: ignore[arg-type]

    return once


def digest(index: Path, wheel: str) -> str:
    """The option with a wheel's hash."""
    return f"--hash=sha256:{hashlib.sha256((index / f'{wheel}-py3-none-any.whl').read_bytes()).hexdigest()}"


@pytest.mark.parametrize("python", [OTHER, "3.14"])
def test_markers_have_the_values_of_the_target(build: Callable[..., Built], python: str) -> None:
    """Whatever Python and processor build: those of requirements, and those of what these require."""
    listed = f"chooses\nold; python_version < '{OTHER}'\nnew; python_version >= '{OTHER}'\n"
    got = build({"requirements.txt": listed}, python).libraries
    backport = ["backport==1.0"] if python == OTHER else []
    assert ["arm==1.0", *backport, "chooses==1.0", "old==1.0" if python < OTHER else "new==1.0"] == sorted(
        got, key=lambda each: (each[:3] in ("old", "new"), each)
    )


def test_markers_have_the_patch_release_of_the_runtime(build: Callable[..., Built], index: Path) -> None:
    """AWS's runtimes are not 3.12.0; `redis` and others ask for a patch release."""
    make_wheel(index, "asks", requires=["old; python_full_version < '3.12.3'", "new; python_full_version >= '3.12.4'"])
    assert ["asks==1.0", "new==1.0"] == build({"requirements.txt": "asks"}, "3.12").libraries


@pytest.mark.parametrize("tag", ["musllinux_1_2_aarch64", "manylinux_2_39_aarch64", "manylinux_2_17_x86_64", "t"])
def test_a_wheel_for_another_system(build: Callable[..., Built], tmp_path: Path, tag: str) -> None:
    """It is refused also where a path names it: uv does not look at its tags then."""
    kind = "cp312t-manylinux_2_17_aarch64" if tag == "t" else f"cp312-{tag}"
    wheel = make_wheel(tmp_path, "native", tag=f"cp312-{kind}")
    with pytest.raises(PackageError, match=r"the wheel of native is for|compatible"):
        build({"requirements.txt": str(wheel)}, "3.12")


def test_encodings(build: Callable[..., Built]) -> None:
    """PowerShell writes UTF-16, Notepad a mark before UTF-8; pip reads both."""
    files = {
        "requirements.txt": "one==1.0\n-r big.txt\n".encode("utf-16"),
        "big.txt": "\ufeffold\n-r marked.txt\n".encode("utf-16-be"),
        "marked.txt": "new\n".encode("utf-8-sig"),
    }
    assert ["new==1.0", "old==1.0", "one==1.0"] == build(files).libraries


def test_options_in_nested_files(build: Callable[..., Built], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths are relative to the file that has them, wherever the build is started."""
    monkeypatch.delenv("PIP_FIND_LINKS")
    (tmp_path / "src/nested/wheels").mkdir(parents=True)
    make_wheel(tmp_path / "src/nested/wheels", "inner")
    make_wheel(tmp_path / "src", "beside")
    nested = "--no-index\n--find-links ./wheels\ninner  # a comment\n"
    listed = "-r nested/base.txt\n./beside-1.0-py3-none-any.whl\n"
    built = build({"requirements.txt": listed, "nested/base.txt": nested})
    assert ["beside==1.0", "inner==1.0"] == built.libraries


@pytest.mark.parametrize("line", ["--find-links ./missing", "./missing-1.0-py3-none-any.whl", "idna @ ./missing"])
def test_paths_that_are_not_there(build: Callable[..., Built], line: str) -> None:
    """The error says so."""
    with pytest.raises(PackageError, match=r"no such file|not found"):
        build({"requirements.txt": f"{line}\n"})


@pytest.mark.parametrize("place", ["requirements.txt", "nested.txt"])
def test_hashes(build: Callable[..., Built], index: Path, place: str) -> None:
    """The version that is listed, if its hash is."""
    files = {"requirements.txt": "-r nested.txt\n", place: f"one==1.0 \\\n    {digest(index, 'one-1.0')}\n"}
    assert ["one==1.0"] == build(files).libraries


@pytest.mark.parametrize("place", ["c.txt", "deep/c.txt"])
def test_hashes_in_constraints(build: Callable[..., Built], index: Path, place: str) -> None:
    """A constraint's hash counts as a requirement's does, also that of what a requirement requires."""
    files = {
        "requirements.txt": f"-r more.txt\nmiddle==1.0 {digest(index, 'middle-1.0')}\n",
        "more.txt": f"old==1.0\n-c {place}\n",
        place: f"one==1.0 {digest(index, 'one-1.0')}\nold==1.0 {digest(index, 'old-1.0')}\n",
    }
    assert ["middle==1.0", "old==1.0", "one==1.0"] == build(files).libraries


@pytest.mark.parametrize("requirement", ["one", "one==1.0"])
def test_a_wrong_hash_in_constraints(build: Callable[..., Built], index: Path, requirement: str) -> None:
    """A wheel without the constraint's hash is not packed."""
    constraint = f"one==1.0 {digest(index, 'one-2.0')}\n"
    with pytest.raises(PackageError, match=r"(?s)cannot install the requirements .*(hash|Hash mismatch)"):
        build({"requirements.txt": f"{requirement}\n-c c.txt\n", "c.txt": constraint})


@pytest.mark.parametrize(
    "line",
    ["-r 'a b.txt'\nold", '--requirement="a b.txt"\nold', "-r a\\ b.txt\nold", "-c 'a b.txt'\nold", "old\r-r a b.txt"],
)
def test_hashes_in_a_file_whose_name_is_quoted(build: Callable[..., Built], index: Path, line: str) -> None:
    """A hash in any included file makes those of all others necessary."""
    with pytest.raises(PackageError, match="pinned"):
        build({"requirements.txt": line, "a b.txt": f"one==1.0 {digest(index, 'one-1.0')}\n"})


def test_hashes_in_a_file_that_a_variable_names(
    build: Callable[..., Built], index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables in braces are expanded, as pip does."""
    monkeypatch.setenv("NAME", "a")
    with pytest.raises(PackageError, match="pinned"):
        build({"requirements.txt": "-r ${NAME}.txt\nold\n", "a.txt": f"one==1.0 {digest(index, 'one-1.0')}\n"})


@pytest.mark.parametrize(
    ("requirement", "reason"),
    [
        ("one==1.0 {two}", "Hash mismatch for `one==1.0`"),
        ("one==1.0 {one}\nold==1.0", "hash"),
        ("middle==1.0 {middle}", "hash"),
        ("one {one}", "pinned"),
        ("--require-hashes\none==1.0", "hash"),
    ],
)
def test_a_hash_that_is_not_listed(
    build: Callable[..., Built], index: Path, tmp_path: Path, requirement: str, reason: str
) -> None:
    """Nothing is packed if one hash is wrong or missing, also that of what a requirement requires."""
    wheels = {"one": "one-1.0", "two": "one-2.0", "middle": "middle-1.0"}
    text = requirement.format(**{name: digest(index, wheel) for name, wheel in wheels.items()})
    with pytest.raises(PackageError, match=f"(?s)cannot install the requirements .*{reason}"):
        build({"requirements.txt": text})
    assert not (tmp_path / "app.zip").exists()


def test_hashes_for_a_layer(tmp_path: Path, index: Path) -> None:
    """The runtime's own requirements have none, and come along; what is locked stays at its version."""
    listed = write(tmp_path, {"rq.txt": f"one==1.0 {digest(index, 'one-1.0')}\n"}) / "rq.txt"
    built = layer.build_layer(tmp_path / "l.zip", BuildTarget(OTHER, "arm64"), requirements=["middle"], files=[listed])
    assert {"one==1.0", "middle==1.0"} <= set(built.libraries)
    assert {"httptools", "pluggy"} <= {each.partition("==")[0] for each in built.libraries}


PYLOCK = """lock-version = "1.0"
created-by = "test"
[[packages]]
name = "one"
version = "1.0"
wheels = [{{ path = "{index}/one-1.0-py3-none-any.whl", hashes = {{ sha256 = "{digest}" }} }}]
[[packages]]
name = "mac"
version = "1.0"
marker = "sys_platform == 'darwin'"
wheels = [{{ path = "{index}/mac-1.0-py3-none-any.whl", hashes = {{ sha256 = "{digest}" }} }}]
"""

POETRY_LOCK = """
[[package]]
name = "middle"
version = "1.0"
groups = ["main"]
files = [{{file = "middle-1.0-py3-none-any.whl", hash = "{middle}"}}]
[package.dependencies]
one = ">=1"
mac = {{version = "*", markers = "sys_platform == 'darwin'"}}
[[package]]
name = "One"
version = "1.0"
files = [{{file = "one-1.0-py3-none-any.whl", hash = "{one}"}}]
[[package]]
name = "dev"
version = "1.0"
groups = ["dev"]
files = []
[metadata]
lock-version = "2.1"
"""


def test_pylock(build: Callable[..., Built], index: Path, tmp_path: Path) -> None:
    """PEP 751: what applies to the target, at its version, if its hash is right."""
    sha = digest(index, "one-1.0").partition(":")[2]
    assert ["one==1.0"] == build({"pylock.toml": PYLOCK.format(index=index, digest=sha)}).libraries
    wrong = write(tmp_path, {"pylock.dev.toml": PYLOCK.format(index=index, digest="0" * 64)}) / "pylock.dev.toml"
    with pytest.raises(PackageError, match=r"(?s)cannot install .*[Hh]ash"):
        build({}, files=[wrong])


@pytest.mark.parametrize("project", [PROJECT.replace('"one"', '"middle"'), POETRY.replace("one =", "middle =")])
def test_poetry_lock(build: Callable[..., Built], index: Path, project: str) -> None:
    """What the project requires, and what this requires, at the versions of the lock file; no group but its own."""
    hashes = {name: digest(index, f"{name}-1.0").partition("=")[2] for name in ("one", "middle")}
    built = build({"pyproject.toml": project, "poetry.lock": POETRY_LOCK.format(**hashes)})
    assert ["middle==1.0", "one==1.0"] == built.libraries
    hashes["one"] = hashes["middle"]
    with pytest.raises(PackageError, match=r"Hash mismatch for `one==1\.0`"):
        build({"pyproject.toml": project, "poetry.lock": POETRY_LOCK.format(**hashes)})
    with pytest.raises(PackageError, match=r"poetry\.lock does not have old.*poetry lock"):
        build({"pyproject.toml": PROJECT.replace("one", "old"), "poetry.lock": POETRY_LOCK.format(**hashes)})


@pytest.mark.parametrize(
    ("need", "expected"),
    [
        ("{version = '*', python = '<3.12'}", []),
        ("{version = '*', python = '^3.12 || 2.7.*'}", ["old==1.0"]),
        ("{version = '*', python = '~3.11'}", []),
        ("{version = '*', python = '>= 3.11, != 3.12.*'}", []),
        ("{version = '*', platform = 'win32'}", []),
        ("{version = '*', platform = 'linux'}", ["old==1.0"]),
        ("[{version = '1', python = '<3.12'}, {version = '2', python = '3.13'}]", []),
    ],
)
def test_requirements_of_poetry_for_some_pythons(build: Callable[..., Built], need: str, expected: list[str]) -> None:
    """Poetry's own fields beside the version, in its own notation."""
    lock = "[[package]]\nname = 'old'\nversion = '1.0'\nfiles = []\n"
    files = {"pyproject.toml": POETRY.replace('one = "^1.0"', f"old = {need}"), "poetry.lock": lock}
    assert expected == build(files, "3.12").libraries


def test_dependencies_of_other_tools(build: Callable[..., Built]) -> None:
    """A note says what is not read."""
    assert any("Pipfile cannot be read" in note for note in build({"Pipfile": ""}).notes)
    assert any("not the pins of pdm.lock" in note for note in build({"pyproject.toml": PROJECT, "pdm.lock": ""}).notes)


def test_uv_lock(build: Callable[..., Built], index: Path, tmp_path: Path) -> None:
    """The lock file of uv: its versions, without the group `dev`; one that is behind pyproject.toml is said."""
    groups = '[dependency-groups]\ndev = ["dev"]\n'
    source = write(tmp_path / "src", {"pyproject.toml": PROJECT.replace('"one"', '"one<2"') + groups})
    uv_tool.run(["lock"], source)
    write(source, {"pyproject.toml": PROJECT.replace('"one"', '"one<2"') + groups})
    built = build({})
    assert (["one==1.0"], []) == (built.libraries, built.notes[1:])
    lock = (source / "uv.lock").read_bytes()
    built = build({"pyproject.toml": PROJECT.replace('"one"', '"one", "old"')})
    assert ["old==1.0", "one==1.0"] == built.libraries
    assert any("uv.lock does not fit pyproject.toml" in note for note in built.notes)
    assert lock == (source / "uv.lock").read_bytes()
    built = build({"uv.lock": 'version = 1\nrequires-python = ">=3.11"\n'})
    assert "old==1.0" in built.libraries


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"pyproject.toml": PROJECT}, ["one==2.0"]),
        ({"pyproject.toml": "[tool.ruff]\nline-length = 9\n"}, []),
        ({"pyproject.toml": "tool = 1\n"}, []),
        ({"pyproject.toml": "\ufeff" + PROJECT}, ["one==2.0"]),
        ({"pyproject.toml": PROJECT, "requirements.txt": "one<2"}, ["one==1.0"]),
    ],
)
def test_pyproject(build: Callable[..., Built], files: Files, expected: list[str]) -> None:
    """The project's dependencies, unless the file only configures tools or there is a requirements.txt, which is said."""
    built = build(files)
    assert expected == built.libraries
    assert ("requirements.txt" in files) == any("-r chooses" in note for note in built.notes)


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"pyproject.toml": PROJECT.replace(">=3.11", ">=3.99")}, "requires Python >=3.99, but the archive is for"),
        ({"pyproject.toml": POETRY}, r"has no \[project\]; run `poetry lock`"),
        ({"pyproject.toml": POETRY.replace("^3.11", "~3.9"), "poetry.lock": ""}, "requires Python ~3.9"),
        ({"pyproject.toml": "[project"}, "pyproject.toml is not valid TOML"),
        ({"pyproject.toml": PROJECT, "poetry.lock": "[[package]]\n"}, "poetry.lock cannot be read"),
        ({"pyproject.toml": PROJECT, "uv.lock": "no"}, "uv.lock"),
        ({"uv.lock": "version = 1"}, "belongs to a pyproject.toml"),
        ({"pylock.toml": "lock-version = 1"}, "pylock.toml"),
        ({"requirements.txt": "one ==== 1"}, "one"),
        ({"requirements.txt": b"\xff\xfe\x00"}, "requirements.txt"),
        ({"requirements.txt": "-r nowhere.txt"}, "nowhere.txt"),
    ],
)
def test_what_cannot_be_used(build: Callable[..., Built], files: Files, reason: str) -> None:
    """The error says which file, and why."""
    with pytest.raises(PackageError, match=f"(?s){reason}"):
        build(files)


def test_settings_of_pip_in_a_file(
    build: Callable[..., Built], index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where pip finds packages, a build does; a variable of uv's wins."""
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.delenv("PIP_NO_INDEX")
    conf = (
        write(tmp_path, {"pip.conf": f"[global]\nno-index = true\n[install]\nfind-links =\n    {index}\n"}) / "pip.conf"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(conf))
    assert ["old==1.0"] == build({"requirements.txt": "old"}).libraries
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path))
    with pytest.raises(PackageError, match="old was not found"):
        build({"requirements.txt": "old"})


def test_nothing_of_the_installer_is_packed(build: Callable[..., Built], tmp_path: Path) -> None:
    """An editable project is packed as its files, not as a link to this machine; no file names the machine."""
    backend = 'import zipfile\ndef build_wheel(folder, *_):\n  with zipfile.ZipFile(f"{folder}/lib-1-py3-none-any.whl", "w") as w:\n'
    backend += '    w.writestr("lib.py", "")\n    w.writestr("lib-1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: lib\\nVersion: 1\\n")\n'
    backend += (
        '    w.writestr("lib-1.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")\n'
    )
    backend += '    w.writestr("lib-1.dist-info/RECORD", "")\n  return "lib-1-py3-none-any.whl"\n'
    system = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n[project]\nname = "lib"\nversion = "1"\n'
    write(tmp_path / "lib", {"pyproject.toml": system, "backend.py": backend})
    build({"requirements.txt": "-e ../lib\n"})
    with zipfile.ZipFile(tmp_path / "app.zip") as made:
        names = sorted(name for name in made.namelist() if "__pycache__" not in name)
        assert ["app.py", "lib-1.dist-info/METADATA", "lib-1.dist-info/WHEEL", "lib.py", "requirements.txt"] == names
        assert [] == [name for name in names if str(tmp_path).encode() in made.read(name)]
