"""Installs libraries for the target into a folder, on any machine, with uv.

uv resolves for the target's Python, system and processor, and takes wheels for it. A package that has only a source
distribution is built here, so it must be Python alone.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email import message_from_string
from importlib.metadata import PathDistribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.tags import Tag, parse_tag
from packaging.utils import canonicalize_name

from runtime.package import dependencies, leaks, uv_tool
from runtime.package.errors import PackageError
from runtime.package.target import BuildTarget

#: What is of no use in an archive: what names this machine, and a list of files of which some are left out.
_UNUSED = ("RECORD", *leaks.INSTALLERS)
#: The error of uv where a wheel that it has built is not for the target.
_COMPILED = re.compile(r"built wheel\s+`(?P<wheel>(?P<name>[^-`]+)-[^`]*)`\s+is\s+not\s+compatible")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Requirements, and the target to install them for.

    Attributes:
        requirements: as pip accepts them: "numpy", "num2words>=0.5", the path of a wheel.
        files: files that list requirements; see `dependencies.listed`.
        target: the Python and architecture the wheels are for.
        python: a Python of the target's version on this machine, if there is one; source distributions are built
            with it.
        own_file: the function's own file that lists requirements.
    """

    requirements: Sequence[str]
    files: Sequence[Path]
    target: BuildTarget
    python: Path | None
    own_file: Path | None = None

    @property
    def interpreter(self) -> Path:
        """The interpreter that uv builds with."""
        return self.python or Path(sys.executable)


@dataclass(slots=True)
class Installed:
    """What was installed: libraries as "name==version", sorted, and messages for the user."""

    libraries: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def install(wanted: Wanted, into: Path) -> Installed:
    """Install requirements, and all that they require, into a folder, without scripts and headers.

    Raises:
        PackageError: they cannot be resolved or have no wheel for the target, a hash differs, one compiles something,
            or two of them bring the same file with different content.
    """
    done = Installed()
    with tempfile.TemporaryDirectory() as folder:
        scratch, site = Path(folder), _Site(Path(folder) / "site", wanted.target)
        files = [*wanted.files, *([wanted.own_file] if wanted.own_file else [])]
        found = [
            dependencies.listed(file, wanted.target, wanted.interpreter, scratch, is_own=file == wanted.own_file)
            for file in files
        ]
        done.notes += [each.note for each in found if each.note]
        # What is locked is installed as it is, with its hashes; the rest must fit to it.
        for each in found:
            if each.is_locked:
                _install(each, wanted, site.folder)
                done.libraries = site.tidy()
        rest = [each for each in found if not each.is_locked]
        arguments = [argument for each in rest for argument in each.arguments] + _absolute(wanted.requirements)
        if arguments:
            arguments += dependencies.pinned(done.libraries, scratch)
            place = rest[0].folder if rest else Path.cwd()
            _install(dependencies.Listed(tuple(arguments), place), wanted, site.folder)
            done.libraries = site.tidy()
        _move(site.folder, into)
    return done


def _absolute(requirements: Sequence[str]) -> list[str]:
    """Requirements with the paths of wheels and projects made absolute, because uv runs in another folder."""
    options = [each for each in requirements if each.startswith("-")]
    if options:
        raise PackageError(f"not a requirement but an option: {options[0]}; a requirements file may have options")
    return [
        os.path.abspath(each) if os.path.exists(each) and (os.sep in each or each.endswith(".whl")) else each
        for each in requirements
    ]


def _move(site: Path, into: Path) -> None:
    into.mkdir(parents=True, exist_ok=True)
    for path in sorted(site.rglob("*")):
        place = into / path.relative_to(site)
        if "__pycache__" in path.parts:
            continue  # some wheels have it, with the paths of the machine that built them
        if path.is_dir():
            place.mkdir(exist_ok=True)
        elif not place.exists():
            path.replace(place)
        elif place.read_bytes() != path.read_bytes():
            raise PackageError(f"a library brings {path.relative_to(site)}, which already exists with other content")


def _install(listed: dependencies.Listed, wanted: Wanted, into: Path) -> None:
    target = wanted.target
    command = ["pip", "install", "--target", str(into), "--python", str(wanted.interpreter)]
    command += ["--python-version", target.release, "--python-platform", target.uv_platform, "--no-editable"]
    try:
        uv_tool.run([*command, *listed.arguments], listed.folder, constrained=not listed.is_locked)
    except uv_tool.UvError as error:
        compiled = _COMPILED.search(str(error))
        if compiled:
            raise PackageError(_only_source(compiled["name"], compiled["wheel"], target)) from None
        raise PackageError(
            f"cannot install the requirements for Python {target.python} on {target.arch} with glibc "
            f"2.{target.glibc}: {error}"
        ) from None


def _only_source(name: str, wheel: str, target: BuildTarget) -> str:
    return (
        f"{name} has only a source distribution, and it compiles something ({wheel}); build a wheel with Python "
        f"{target.python} on {target.arch}, and pass its path"
    )


class _Site:
    """A folder that libraries are installed to, in one or more steps."""

    def __init__(self, folder: Path, target: BuildTarget) -> None:
        folder.mkdir()
        self.folder, self._target = folder, target
        self._digests: dict[str, tuple[str, str]] = {}

    def tidy(self) -> list[str]:
        """Check what was installed, remove what is not for an archive, and return all libraries as "name==version".

        Raises:
            PackageError: two libraries bring the same file with different content; one was compiled here.
        """
        for info in sorted(self.folder.glob("*.dist-info")):
            name = info.name.partition("-")[0]
            if (info / "RECORD").is_file():
                _refuse_foreign(info, name, self._target)
                for path, digest in _recorded(info / "RECORD"):
                    self._add(path, digest, name)
                for each in _UNUSED:
                    (info / each).unlink(missing_ok=True)
        (self.folder / ".lock").unlink(missing_ok=True)
        for folder in ("bin", "include"):
            with suppress(OSError):
                (self.folder / folder).rmdir()
        return sorted(_name_and_version(info) for info in self.folder.glob("*.dist-info"))

    def _add(self, path: str, digest: str, name: str) -> None:
        if path.partition("/")[0].endswith(".dist-info"):
            return
        first, of = self._digests.setdefault(path, (digest, name))
        if first != digest:
            raise PackageError(f"{name} brings {path}, which already exists with other content, from {of}")
        parts, file = path.split("/"), self.folder / path
        if parts[0] == "bin" and os.access(file, os.X_OK):
            file.unlink(missing_ok=True)
        elif parts[0] == "include" and len(parts) > 1 and canonicalize_name(parts[1]) == canonicalize_name(name):
            shutil.rmtree(self.folder / "include" / parts[1], ignore_errors=True)


def _recorded(record: Path) -> Iterator[tuple[str, str]]:
    """The path and digest of each file that a distribution has installed."""
    with record.open(encoding="utf-8", newline="") as rows:
        for path, digest, *_ in csv.reader(rows):
            yield path, digest


def _refuse_foreign(info: Path, name: str, target: BuildTarget) -> None:
    """Refuse a wheel for another target, and one that was built here; one that the user names may be such.

    uv checks the tags of wheels that it finds on an index, but with `--refresh` not of those that are named by a path.
    """
    text = (info / "WHEEL").read_text(encoding="utf-8", errors="replace")
    tags = {tag for each in message_from_string(text).get_all("Tag", []) for tag in parse_tag(each)}
    shown = ", ".join(sorted(map(str, tags)))
    if tags and not any(_fits(tag, target) for tag in tags):
        raise PackageError(f"the wheel of {name} is for {shown}, not for Python {target.python} on {target.arch}")
    if any(tag.platform.startswith("linux_") for tag in tags) and not _given(info):
        raise PackageError(_only_source(name, f"its wheel is tagged {shown}", target))


def _fits(tag: Tag, target: BuildTarget) -> bool:
    version = int(target.python.partition(".")[2])
    python = re.fullmatch(r"(?:py|cp)3(\d*)", tag.interpreter)
    oldest = int((python and python[1]) or 0)
    is_exact = bool(python) and tag.interpreter.startswith("cp") and tag.abi not in ("abi3", "none")
    # A build without the lock of the interpreter has "cp313t".
    fits = tag.abi == f"cp3{version}" and oldest == version if is_exact else python is not None and oldest <= version
    return fits and (tag.platform == "any" or _runs_on(tag.platform, target))


def _runs_on(platform: str, target: BuildTarget) -> bool:
    """Whether the platform of a wheel's tag has the target's processor, glibc, and no newer one than the target's."""
    found = re.fullmatch(r"(?:linux|manylinux(?:1|2010|2014|_2_(?P<glibc>\d+)))_(?P<machine>\w+)", platform)
    return found is not None and found["machine"] == target.machine and int(found["glibc"] or 0) <= target.glibc


def _given(info: Path) -> bool:
    with suppress(OSError, ValueError, AttributeError):
        return str(json.loads((info / "direct_url.json").read_text()).get("url", "")).endswith(".whl")
    return False


def _name_and_version(info: Path) -> str:
    distribution = PathDistribution(info)
    return f"{canonicalize_name(distribution.metadata['Name'])}=={distribution.version}"


def without_extras(requirements: Iterable[str]) -> list[str]:
    """The requirements of a distribution, as its metadata lists them, without those of its extras."""
    return [text for text in requirements if "extra ==" not in str(Requirement(text).marker)]
