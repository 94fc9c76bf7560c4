"""Fetches wheels for the target with pip, on any machine, and lays out what is in them.

First pip resolves, as it would on a machine of the target's Python; then each version is fetched as a wheel for the
target. Asked for wheels alone it would go back to an old version that needs no source distribution, and say nothing.
"""

from __future__ import annotations

import email
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from runtime.package.errors import PackageError
from runtime.package.target import Target

# pip writes these when it installs; they name the installing machine, or list files that are not laid out here.
LEFT_OUT = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")

# The lines of a requirements file that say where packages come from.
_INDEX_OPTION = re.compile(r"\s*(-i|-f|--(index-url|extra-index-url|no-index|find-links|trusted-host))\b")

# More patch releases than any version of Python has had.
_MANY = 100


@dataclass(frozen=True, slots=True)
class Pinned:
    """A distribution that the requirements come down to; `place` is its path or address if it was given by that."""

    name: str
    version: str
    place: str
    is_wheel: bool

    @property
    def requirement(self) -> str:
        """As pip takes it."""
        return self.place or f"{self.name}=={self.version}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be fetched.

    Attributes:
        requirements: as pip takes them: "numpy", "num2words>=0.5", the path of a wheel.
        files: requirements files.
        target: the Python and architecture the wheels are for.
        python: a Python of the target's version on this machine, if there is one: pip resolves for the interpreter
            that runs it.
    """

    requirements: Sequence[str]
    files: Sequence[Path]
    target: Target
    python: Path | None


def install(wanted: Wanted, into: Path) -> list[str]:
    """Fetch and lay out; the names and versions of what came, as "name==version", sorted.

    Raises:
        PackageError: as `fetch` and `unpack`.
    """
    with tempfile.TemporaryDirectory() as folder:
        wheels = fetch(wanted, Path(folder))
        into.mkdir(parents=True, exist_ok=True)
        for wheel in wheels:
            unpack(wheel, into)
        return sorted(_name(wheel) for wheel in wheels)


def _name(wheel: Path) -> str:
    name, version, *_ = wheel.name.split("-")
    return f"{name.replace('_', '-').lower()}=={version}"


def fetch(wanted: Wanted, into: Path) -> list[Path]:
    """Get the wheels of the requirements, and of what they require, that run on the target.

    Args:
        wanted: the requirements, and for what.
        into: an existing, empty folder.

    Raises:
        PackageError: pip is missing; it can't resolve the requirements; one of them has no wheel for the target, and
            its source distribution is not only Python.
    """
    given = [Path(name) for name in wanted.requirements if name.endswith(".whl") and Path(name).is_file()]
    for wheel in given:
        shutil.copyfile(wheel, into / wheel.name)
    others = [name for name in wanted.requirements if Path(name) not in given]
    others += [requirement for wheel in given for requirement in _given(wheel, wanted.target)]
    wanted = replace(wanted, requirements=others)
    pinned = _resolve(wanted) if others or wanted.files else []
    options = [line for file in wanted.files for line in file.read_text().splitlines() if _INDEX_OPTION.match(line)]
    wheels = [pin.requirement for pin in pinned if pin.is_wheel]
    if wheels:
        _download(wheels, options, wanted.target, into)
    for pin in pinned:
        if not pin.is_wheel:
            _build(pin, options, wanted, into)
    return sorted(into.glob("*.whl"))


def _resolve(wanted: Wanted) -> list[Pinned]:
    command = ["install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-"]
    arguments = [argument for file in wanted.files for argument in ("--requirement", str(file))]
    done = _pip([*command, *arguments, *wanted.requirements], wanted.python)
    if done.returncode != 0:
        raise PackageError(f"pip can't resolve the requirements: {_errors(done.stderr)}")
    return [_pinned(item) for item in json.loads(done.stdout)["install"]]


def _pinned(item: dict[str, Any]) -> Pinned:
    address = str(item["download_info"]["url"])
    place = address if item["is_direct"] else ""
    return Pinned(item["metadata"]["name"], item["metadata"]["version"], place, address.endswith(".whl"))


def allowed(specifiers: str, python: str) -> bool:
    """Whether pip takes some release of a Python, such as "3.13", for what a `requires-python` allows: ">=3.11,<4".

    Raises:
        PackageError: pip is missing, or it is no such specifier.
    """
    try:
        from pip._vendor.packaging.specifiers import InvalidSpecifier, SpecifierSet
    except ModuleNotFoundError:
        raise _no_pip() from None
    try:
        releases = SpecifierSet(specifiers)
    except InvalidSpecifier as error:
        raise PackageError(f"requires-python is a version specifier such as '>=3.11': {error}") from None
    return any(releases.contains(f"{python}.{patch}") for patch in range(_MANY))


def _given(wheel: Path, target: Target) -> list[str]:
    """What a wheel that was named by its path requires.

    pip resolves for this machine, so it would refuse a wheel for another.
    """
    platforms = wheel.stem.rpartition("-")[2]
    if platforms != "any" and target.machine not in platforms:
        raise PackageError(f"{wheel.name} is for {platforms}, not for {target.arch}")
    try:
        with zipfile.ZipFile(wheel) as archive:
            name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
            metadata = email.message_from_bytes(archive.read(name))
    except (zipfile.BadZipFile, StopIteration):
        raise PackageError(f"{wheel} is not a wheel: it is no zip archive with METADATA") from None
    return [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]


def _download(requirements: list[str], options: list[str], target: Target, into: Path) -> None:
    """Fetch one wheel for each; the target may be another system than this, so pip is told all about it."""
    listed = into / "requirements.txt"
    listed.write_text("\n".join([*options, *requirements, ""]))
    command = ["download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(into)]
    command += ["--implementation=cp", f"--python-version={target.python}", "--requirement", str(listed)]
    command += [f"--platform={platform}" for platform in target.platforms()]
    done = _pip(command, None)
    listed.unlink()
    if done.returncode != 0:
        raise PackageError(_no_wheel(done.stderr, target))


def _build(pin: Pinned, options: list[str], wanted: Wanted, into: Path) -> None:
    """Make a wheel of a source distribution, if that is only Python and so runs anywhere."""
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "requirements.txt"
        listed.write_text("\n".join([*options, pin.requirement, ""]))
        command = ["wheel", "--quiet", "--no-deps", "--wheel-dir", folder, "--requirement", str(listed)]
        done = _pip(command, wanted.python)
        built = next(Path(folder).glob("*.whl"), None)
        if built is None or done.returncode != 0:
            raise PackageError(
                f"{pin.requirement} has only a source distribution, which failed: {_errors(done.stderr)}"
            )
        if not built.name.endswith("-none-any.whl"):
            raise PackageError(
                f"{pin.requirement} has only a source distribution, and it compiles something ({built.name}); build "
                f"its wheel where Python {wanted.target.python} on {wanted.target.arch} runs, and give that file's path"
            )
        built.rename(into / built.name)


def _pip(arguments: list[str], python: Path | None) -> subprocess.CompletedProcess[str]:
    """Run pip, for another interpreter if one is named."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    if python is not None and str(python) != sys.executable:
        command += ["--python", str(python)]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)  # noqa: S603
    if "No module named pip" in done.stderr:
        raise _no_pip()
    return done


def _no_pip() -> PackageError:
    return PackageError(
        f"no pip in the environment of {sys.executable}, and wheels are fetched with it; "
        "pip install 'handler-dispatch[build]' brings it"
    )


def _errors(output: str) -> str:
    errors = [line.removeprefix("ERROR: ") for line in output.splitlines() if line.startswith("ERROR: ")]
    return "; ".join(errors) or output.strip()[-500:]


def _no_wheel(output: str, target: Target) -> str:
    errors = _errors(output)
    missing = re.search(r"satisfies the requirement (\S+)", errors)
    glibc = target.platforms()[0].split("_")[2]
    return (
        f"no wheel of {missing.group(1) if missing else 'a requirement'} for Python {target.python} on {target.arch} "
        f"with glibc 2.{glibc}; build one where that runs, and give that file's path. pip says: {errors}"
    )


def unpack(wheel: Path, into: Path) -> None:
    """Lay out a wheel's packages and metadata in a folder, as an installer would, without scripts and headers.

    Raises:
        PackageError: two wheels bring the same file with different content, or the wheel is no wheel.
    """
    try:
        archive = zipfile.ZipFile(wheel)
    except zipfile.BadZipFile:
        raise PackageError(f"{wheel.name} is not a wheel: it is no zip archive") from None
    with archive:
        for member, place in _places(archive):
            path = into / place
            if not path.resolve().is_relative_to(into.resolve()):
                raise PackageError(f"{wheel.name} has a file that would leave the folder: {member.filename}")
            content = archive.read(member)
            if path.exists() and path.read_bytes() != content:
                raise PackageError(f"{wheel.name} brings {place}, which is there already with other content")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            if member.external_attr >> 16 & 0o111:
                path.chmod(0o755)


def _places(archive: zipfile.ZipFile) -> Iterator[tuple[zipfile.ZipInfo, str]]:
    """Each file to lay out, with its place: the two library folders of ``NAME.data`` belong to the top."""
    for member in archive.infolist():
        parts = PurePosixPath(member.filename).parts
        if member.is_dir() or (len(parts) == 2 and parts[0].endswith(".dist-info") and parts[1] in LEFT_OUT):
            continue
        if not parts[0].endswith(".data"):
            yield member, member.filename
        elif len(parts) > 2 and parts[1] in ("purelib", "platlib"):
            yield member, "/".join(parts[2:])
