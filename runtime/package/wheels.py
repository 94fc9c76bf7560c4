"""Fetches wheels for the target with pip, on any machine, and lays out their contents.

First pip resolves with the target's Python; then it downloads a wheel for the target of each version. In one
step, asked for wheels only, it would fall back without a word to an old version that needs no source distribution.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from email import message_from_bytes
from pathlib import Path, PurePosixPath
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from runtime.package.errors import PackageError
from runtime.package.target import BuildTarget

#: Metadata of an installer: it names the installing machine, or lists files that are not laid out here.
OF_AN_INSTALLER = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")

#: The lines of a requirements file that name an index.
_INDEX_OPTION = re.compile(r"\s*(-i|-f|--(index-url|extra-index-url|no-index|find-links|trusted-host))\b")

#: More patch releases than any version of Python has had.
_MANY = 100


@dataclass(frozen=True, slots=True)
class Pinned:
    """A distribution that pip has resolved to; `place` is its path or address if the requirement was one."""

    name: str
    version: str
    place: str
    is_wheel: bool

    @property
    def requirement(self) -> str:
        """The requirement as pip takes it."""
        return self.place or f"{self.name}=={self.version}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Requirements, and the target to fetch their wheels for.

    Attributes:
        requirements: as pip takes them: "numpy", "num2words>=0.5", the path of a wheel.
        files: requirements files.
        target: the Python and architecture the wheels are for.
        python: a Python of the target's version on this machine, if there is one; pip resolves for the interpreter
            that runs it.
    """

    requirements: Sequence[str]
    files: Sequence[Path]
    target: BuildTarget
    python: Path | None


def install(wanted: Wanted, into: Path) -> list[str]:
    """Fetch wheels, lay them out in a folder, and return them as "name==version", sorted.

    Raises:
        PackageError: see `fetch` and `lay_out`.
    """
    with tempfile.TemporaryDirectory() as folder:
        wheels = fetch(wanted, Path(folder))
        into.mkdir(parents=True, exist_ok=True)
        for wheel in wheels:
            lay_out(wheel, into)
        return sorted(name_and_version(wheel) for wheel in wheels)


def name_and_version(wheel: Path) -> str:
    """The distribution in a wheel, as "name==version".

    Raises:
        PackageError: the file does not have the name of a wheel.
    """
    name, version, _ = _parsed(wheel)
    return f"{name}=={version}"


def _parsed(wheel: Path) -> tuple[str, str, frozenset[Tag]]:
    """The name, version and tags in a wheel's file name."""
    try:
        name, version, _, tags = parse_wheel_filename(wheel.name)
    except InvalidWheelFilename as error:
        raise PackageError(f"{wheel.name} is not the name of a wheel: {error}") from None
    return name, str(version), tags


def fetch(wanted: Wanted, into: Path) -> list[Path]:
    """Fetch wheels for the target: of the requirements, and of all that they require.

    Args:
        wanted: the requirements and the target.
        into: an existing, empty folder.

    Raises:
        PackageError: pip is missing or cannot resolve the requirements; one of them has no wheel for the target, and
            its source distribution is not Python alone.
    """
    given = [Path(name) for name in wanted.requirements if name.endswith(".whl") and Path(name).is_file()]
    for wheel in given:
        shutil.copyfile(wheel, into / wheel.name)
    others = [name for name in wanted.requirements if Path(name) not in given]
    others += [requirement for wheel in given for requirement in _required(wheel, wanted.target)]
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
        raise PackageError(f"pip cannot resolve the requirements: {_errors(done.stderr)}")
    return [_pinned(item) for item in json.loads(done.stdout)["install"]]


def _pinned(item: dict[str, Any]) -> Pinned:
    address = str(item["download_info"]["url"])
    place = address if item["is_direct"] else ""
    return Pinned(item["metadata"]["name"], item["metadata"]["version"], place, address.endswith(".whl"))


def allowed(specifiers: str, python: str) -> bool:
    """Whether a `requires-python` such as ">=3.11,<4" allows any release of a Python such as "3.13".

    Raises:
        PackageError: `specifiers` is not a version specifier.
    """
    try:
        releases = SpecifierSet(specifiers)
    except InvalidSpecifier as error:
        raise PackageError(f"requires-python must be a version specifier such as '>=3.11': {error}") from None
    return any(releases.contains(f"{python}.{patch}") for patch in range(_MANY))


def without_extras(requirements: Iterable[str]) -> list[str]:
    """The requirements of a distribution, as its metadata lists them, without those of its extras."""
    return [text for text in requirements if "extra ==" not in str(Requirement(text).marker)]


def _required(wheel: Path, target: BuildTarget) -> list[str]:
    """The requirements of a wheel that the user passed as a path.

    pip resolves for this machine, so it would refuse a wheel for another.
    """
    platforms = sorted({tag.platform for tag in _parsed(wheel)[2]})
    if not any(platform == "any" or target.machine in platform for platform in platforms):
        raise PackageError(f"{wheel.name} is for {', '.join(platforms)}, not for {target.arch}")
    try:
        with zipfile.ZipFile(wheel) as archive:
            name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
            metadata = message_from_bytes(archive.read(name))
    except (zipfile.BadZipFile, StopIteration):
        raise PackageError(f"{wheel} is not a wheel: it is not a zip archive with METADATA") from None
    try:
        return without_extras(metadata.get_all("Requires-Dist", []))
    except InvalidRequirement as error:
        raise PackageError(f"{wheel.name} has a requirement that is not valid: {error}") from None


def _download(requirements: list[str], options: list[str], target: BuildTarget, into: Path) -> None:
    """Fetch a wheel of each requirement; pip is passed every property of the target, which may be another system."""
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
    """Build a wheel from a source distribution, which must be Python alone, so that it runs anywhere."""
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "requirements.txt"
        listed.write_text("\n".join([*options, pin.requirement, ""]))
        command = ["wheel", "--quiet", "--no-deps", "--wheel-dir", folder, "--requirement", str(listed)]
        done = _pip(command, wanted.python)
        built = next(Path(folder).glob("*.whl"), None)
        if built is None or done.returncode != 0:
            raise PackageError(
                f"{pin.requirement} has only a source distribution, and building it failed: {_errors(done.stderr)}"
            )
        if not all(tag.abi == "none" and tag.platform == "any" for tag in _parsed(built)[2]):
            raise PackageError(
                f"{pin.requirement} has only a source distribution, and it compiles something ({built.name}); build a "
                f"wheel with Python {wanted.target.python} on {wanted.target.arch}, and pass its path"
            )
        built.rename(into / built.name)


def _pip(arguments: list[str], python: Path | None) -> subprocess.CompletedProcess[str]:
    """Run pip, for another interpreter if there is one."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    if python is not None and str(python) != sys.executable:
        command += ["--python", str(python)]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)  # noqa: S603
    if "No module named pip" in done.stderr:
        raise PackageError(
            f"no pip in the environment of {sys.executable}, and wheels are fetched with it; install it with the extra "
            "handler-dispatch[build]"
        )
    return done


def _errors(output: str) -> str:
    errors = [line.removeprefix("ERROR: ") for line in output.splitlines() if line.startswith("ERROR: ")]
    return "; ".join(errors) or output.strip()[-500:]


def _no_wheel(output: str, target: BuildTarget) -> str:
    errors = _errors(output)
    missing = re.search(r"satisfies the requirement (\S+)", errors)
    glibc = target.platforms()[0].split("_")[2]
    return (
        f"no wheel of {missing.group(1) if missing else 'a requirement'} for Python {target.python} on {target.arch} "
        f"with glibc 2.{glibc}; build one on such a system and pass its path. pip reports: {errors}"
    )


def lay_out(wheel: Path, into: Path) -> None:
    """Lay out a wheel's packages and metadata in a folder, as an installer does, without scripts and headers.

    Raises:
        PackageError: the folder has a file of the wheel with other content, or the file is not a wheel.
    """
    try:
        archive = zipfile.ZipFile(wheel)
    except zipfile.BadZipFile:
        raise PackageError(f"{wheel.name} is not a wheel: it is not a zip archive") from None
    with archive:
        for member, place in _places(archive):
            path = into / place
            if not path.resolve().is_relative_to(into.resolve()):
                raise PackageError(
                    f"{wheel.name} has a file outside the folder that it is unpacked to: {member.filename}"
                )
            content = archive.read(member)
            if path.exists() and path.read_bytes() != content:
                raise PackageError(f"{wheel.name} brings {place}, which already exists with other content")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            if member.external_attr >> 16 & 0o111:
                path.chmod(0o755)


def _places(archive: zipfile.ZipFile) -> Iterator[tuple[zipfile.ZipInfo, str]]:
    """Each file to lay out, with its place; the two library folders of `NAME.data` go to the top."""
    for member in archive.infolist():
        parts = PurePosixPath(member.filename).parts
        if member.is_dir() or (len(parts) == 2 and parts[0].endswith(".dist-info") and parts[1] in OF_AN_INSTALLER):
            continue
        if not parts[0].endswith(".data"):
            yield member, member.filename
        elif len(parts) > 2 and parts[1] in ("purelib", "platlib"):
            yield member, "/".join(parts[2:])
