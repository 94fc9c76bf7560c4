"""An archive laid open for the checks: its members, its unpacked files, and what it seems to be made for."""

from __future__ import annotations

import re
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from runtime.package import elf
from runtime.package.errors import PackageError
from runtime.package.target import GLIBC, GLIBC_OF_RUNTIME, MACHINES

_SOABI = re.compile(r"\.cpython-3(\d+)-")
# What makes an archive a layer: docs.aws.amazon.com/lambda/latest/dg/packaging-layers.html.
_LAYER = ("python/", "extensions/", "dispatch-runtime/site/")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong, or may be.

    Attributes:
        level: "error" if it would fail in Lambda, "warning" if it may.
        check: the check's name.
        where: the member of the archive, or "".
        message: what is wrong, and what to do.
    """

    level: str
    check: str
    where: str
    message: str


@dataclass(frozen=True, slots=True)
class Inspected:
    """What the checks look at.

    Attributes:
        file: the archive.
        root: the folder it is unpacked to.
        members: the archive's members, with their permissions.
        kind: "layer" or "function".
        arch: the architecture it is for: as asked, else the one that most of its shared objects have; "" if unknown.
        python: the Python version it is for, likewise.
        runtime: Lambda's runtime that it is for, "" if not told.
        handler: the handler string, "" if not told.
        is_named: whether a handler string was told, if only an empty one.
        binaries: the ELF files in it.
    """

    file: Path
    root: Path
    members: tuple[zipfile.ZipInfo, ...]
    kind: str
    arch: str
    python: str
    runtime: str
    handler: str
    is_named: bool
    binaries: dict[str, elf.Binary]

    @property
    def machine(self) -> str:
        """The architecture as ELF headers and wheels name it."""
        return MACHINES.get(self.arch, "")

    @property
    def glibc(self) -> int:
        """The N of glibc 2.N on the system that it will run on."""
        return GLIBC_OF_RUNTIME.get(self.runtime, GLIBC)

    @property
    def modules(self) -> Path:
        """The folder that modules are imported from."""
        return self.root / "python" if self.kind == "layer" else self.root


def look(
    file: Path,
    root: Path,
    *,
    kind: str = "",
    arch: str = "",
    python: str = "",
    runtime: str = "",
    handler: str | None = None,
) -> Inspected:
    """Look at an archive that was unpacked to `root`, and fill in what was not told.

    Raises:
        PackageError: the runtime is of another Python than the one asked for.
    """
    if runtime.startswith("python") and python and runtime != f"python{python}":
        raise PackageError(f"the runtime {runtime} is not of Python {python}")
    with zipfile.ZipFile(file) as archive:
        members = tuple(archive.infolist())
    names = [member.filename for member in members]
    binaries = {name: read for name in names if (read := _read(root / name)) is not None}
    return Inspected(
        file,
        root,
        members,
        kind or _kind(names),
        arch or _arch(binaries),
        python or runtime.removeprefix("python") * runtime.startswith("python") or _python(binaries),
        runtime,
        handler or "",
        handler is not None,
        binaries,
    )


def _read(path: Path) -> elf.Binary | None:
    return elf.read(path) if path.is_file() and not path.is_symlink() else None


def _kind(names: list[str]) -> str:
    has_modules = any("/" not in name and name.endswith((".py", ".pyc")) for name in names)
    return "layer" if any(name.startswith(_LAYER) for name in names) and not has_modules else "function"


def _arch(binaries: dict[str, elf.Binary]) -> str:
    arches = {machine: arch for arch, machine in MACHINES.items()}
    return _most({name: binary.machine for name, binary in binaries.items()}, arches)


def _most(seen: dict[str, str], known: dict[str, str]) -> str:
    counted = Counter(known[value] for value in seen.values() if value in known)
    return counted.most_common(1)[0][0] if counted else ""


def _python(binaries: dict[str, elf.Binary]) -> str:
    versions = {name: f"3.{found.group(1)}" for name in binaries if (found := _SOABI.search(name))}
    return _most(versions, {version: version for version in versions.values()})
