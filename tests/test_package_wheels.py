"""Fetching wheels for another machine with pip, from an index that is a folder."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support.package import make_sdist, make_wheel

from runtime.package import wheels
from runtime.package.errors import PackageError
from runtime.package.target import BuildTarget
from runtime.package.wheels import Wanted

HERE = Path(sys.executable)
V = f"{sys.version_info.major}.{sys.version_info.minor}"
CP = f"cp{sys.version_info.major}{sys.version_info.minor}"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all that pip looks at."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


def wanted(*requirements: str, files: tuple[Path, ...] = (), arch: str = "arm64") -> Wanted:
    """What is to be fetched for this Python on a processor."""
    return Wanted(requirements, files, BuildTarget(V, arch), HERE)


def installed(what: Wanted, path: Path) -> list[str]:
    """The libraries that were installed into the folder `out`."""
    return wheels.install(what, path / "out").libraries


def both(index: Path, name: str, **more: object) -> None:
    """A compiled package with a wheel for each processor; the module says which."""
    for machine in ("x86_64", "aarch64"):
        tag = f"{CP}-{CP}-manylinux_2_17_{machine}"
        make_wheel(index, name, tag=tag, files={f"{name}.py": f"machine = {machine!r}\n"}, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(("arch", "machine"), [("arm64", "aarch64"), ("x86_64", "x86_64")])
def test_the_wheel_is_for_the_target(index: Path, tmp_path: Path, arch: str, machine: str) -> None:
    """Whatever machine builds, the wheel of the processor asked for is laid out."""
    both(index, "quick")
    assert installed(wanted("quick", arch=arch), tmp_path) == ["quick==1.0"]
    assert f"machine = {machine!r}\n" == (tmp_path / "out/quick.py").read_text()


def test_dependencies_come_along(index: Path, tmp_path: Path) -> None:
    """What a requirement requires is fetched as well; a requirements file counts like the rest."""
    make_wheel(index, "top", requires=["base>=1"])
    make_wheel(index, "base", "1.5")
    make_wheel(index, "listed")
    (tmp_path / "requirements.txt").write_text("listed\n")
    got = installed(wanted("top", files=(tmp_path / "requirements.txt",)), tmp_path)
    assert got == ["base==1.5", "listed==1.0", "top==1.0"]


def test_a_wheel_that_was_replaced(index: Path, tmp_path: Path) -> None:
    """A wheel that was built again under the same version is not taken from a cache."""
    for content in ("first", "second"):
        make_wheel(index, "own", files={"own.py": content})
        installed(wanted("own"), tmp_path / content)
        assert content == (tmp_path / content / "out/own.py").read_text()


def test_nothing_of_the_machine_is_laid_out(index: Path, tmp_path: Path) -> None:
    """Metadata that installers write for themselves stays out; programs and headers too."""
    files = {
        "tool/__init__.py": "",
        "tool-1.0.data/scripts/tool": "#!python\n",
        "tool-1.0.data/purelib/more.py": "more = 1\n",
        "tool-1.0.data/headers/tool.h": "",
    }
    make_wheel(index, "tool", files=files)
    installed(wanted("tool"), tmp_path)
    out = tmp_path / "out"
    found = sorted(path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    expected = ["more.py", "tool-1.0.dist-info/METADATA", "tool-1.0.dist-info/WHEEL"]
    assert [*expected, "tool/__init__.py"] == found


def test_a_source_distribution_of_python_alone_is_built(index: Path, tmp_path: Path) -> None:
    """It runs anywhere, so it is no reason to go back to an older version that does without it."""
    make_wheel(index, "top", "1.0")
    make_wheel(index, "top", "2.0", requires=["source"])
    make_sdist(index, "source")
    assert installed(wanted("top"), tmp_path) == ["source==1.0", "top==2.0"]
    assert (tmp_path / "out/source.py").read_text() == "built = True\n"


def test_a_source_distribution_that_compiles_is_refused(index: Path, tmp_path: Path) -> None:
    """Its wheel is for this machine; the error names it and says what to do."""
    make_sdist(index, "native", tag=f"{CP}-{CP}-linux_x86_64")
    with pytest.raises(PackageError, match=r"native has only a source distribution, and it compiles"):
        installed(wanted("native"), tmp_path)


def test_no_wheel_for_the_target_is_said(index: Path, tmp_path: Path) -> None:
    """A package that has wheels, but none for the processor asked for."""
    make_wheel(index, "quick", tag=f"{CP}-{CP}-manylinux_2_17_x86_64")
    with pytest.raises(
        PackageError, match=rf"(?s)for Python {V} on arm64 with glibc 2\.\d+: .*quick==1\.0 has no wheels"
    ):
        installed(wanted("quick"), tmp_path)


def test_nothing_of_that_name_is_said(index: Path, tmp_path: Path) -> None:
    """A requirement that the index does not know."""
    with pytest.raises(PackageError, match=r"no-such-thing was not found"):
        installed(wanted("no-such-thing"), tmp_path)


def test_a_wheel_given_by_its_path(index: Path, tmp_path: Path) -> None:
    """A wheel for another machine is taken as it is, with what it requires."""
    both(index, "base")
    own = make_wheel(tmp_path, "own", tag=f"{CP}-{CP}-linux_aarch64", requires=["base", "never; extra == 'more'"])
    assert installed(wanted(str(own)), tmp_path) == ["base==1.0", "own==1.0"]
    assert (tmp_path / "out/base.py").read_text() == "machine = 'aarch64'\n"


def test_a_wheel_of_another_machine_is_refused(index: Path, tmp_path: Path) -> None:
    """A path does not make a wheel fit."""
    own = make_wheel(tmp_path, "own", tag=f"{CP}-{CP}-linux_x86_64")
    with pytest.raises(PackageError, match=r"is for .*linux_x86_64, not for Python .* on arm64"):
        installed(wanted(str(own)), tmp_path)


def test_a_file_that_is_not_named_as_a_wheel_is(tmp_path: Path) -> None:
    """Neither what it is nor what it is for could be read off."""
    (tmp_path / "own.whl").write_bytes(b"")
    with pytest.raises(PackageError, match=r"`own\.whl` is invalid"):
        installed(wanted(str(tmp_path / "own.whl")), tmp_path)


def test_extras_are_left_out(index: Path, tmp_path: Path) -> None:
    """A requirement of an extra is none of the wheel's, however its metadata is spaced."""
    own = make_wheel(tmp_path, "own", requires=["never;extra=='more'", "never ; python_version>'3' and extra == 'x'"])
    assert ["own==1.0"] == installed(wanted(str(own)), tmp_path)


def test_two_packages_with_the_same_file(index: Path, tmp_path: Path) -> None:
    """One would overwrite the other without a word: an error names the file."""
    make_wheel(index, "one", files={"common.py": "1"})
    make_wheel(index, "two", files={"common.py": "2"})
    with pytest.raises(PackageError, match=r"brings common.py"):
        installed(wanted("one", "two"), tmp_path)


def test_an_index_of_the_requirements_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a requirements file says packages come from, the wheels for the target come from too."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    both(folder, "quick")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    listed = tmp_path / "requirements.txt"
    listed.write_text(f"--find-links {folder}\nquick\n")
    assert installed(wanted(files=(listed,)), tmp_path) == ["quick==1.0"]


def test_platforms_of_python311_are_older() -> None:
    """AWS's Python 3.11 runs on Amazon Linux 2 with glibc 2.26, the later ones on 2023 with 2.34."""
    assert BuildTarget("3.11", "x86_64").uv_platform == "x86_64-manylinux_2_17"
    assert BuildTarget("3.12", "arm64").uv_platform == "aarch64-manylinux_2_34"


@pytest.mark.parametrize(("python", "arch"), [("2.7", "arm64"), ("3.13", "riscv")])
def test_no_such_target(python: str, arch: str) -> None:
    """What Lambda does not have is an error that lists what it has."""
    with pytest.raises(PackageError, match=r"AWS Lambda has: x86_64, arm64|available: 3\.11, "):
        BuildTarget(python, arch)
