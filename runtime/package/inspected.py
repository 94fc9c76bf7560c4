"""An unpacked archive as the checks see it: members, files, and what it seems to be built for."""

from __future__ import annotations

import re
import zipfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from runtime.package import elf
from runtime.package.errors import PackageError
from runtime.package.members import Members
from runtime.package.target import GLIBC, GLIBC_OF_RUNTIME, MACHINES

_SOABI = re.compile(r"\.cpython-3(\d+)-[^/]*\.so$")
_FOLDER = re.compile(r"^python/lib/python3\.(\d+)/site-packages/")
_BYTECODE = re.compile(r"/?__pycache__/[^/]*\.cpython-3(\d+)\.pyc$")
#: An archive with one of these is a layer: docs.aws.amazon.com/lambda/latest/dg/packaging-layers.html.
_LAYER = ("python/", "extensions/", "dispatch-runtime/site/")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something in an archive that fails in Lambda, or may fail.

    Attributes:
        level: "error" if it fails, "warning" if it may fail.
        check: the check's name.
        where: the member of the archive; "" if it concerns the whole.
        message: what is wrong, and what to do; shown after `where`.
    """

    level: str
    check: str
    where: str
    message: str

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        # Names come from the archive, and a terminal obeys control characters.
        return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


@dataclass(frozen=True, slots=True)
class Inspected:
    """An unpacked archive, and what the caller or its contents say of it.

    Attributes:
        file: the archive.
        root: the folder that it is unpacked to.
        members: the archive's members, with their permissions.
        found: the members with the links among them.
        kind: "layer" or "function".
        is_guessed: whether the kind is a guess from the contents.
        arch: the architecture it is for: the caller's, else that of most shared objects; "" if unknown.
        python: the Python version it is for, found in the same way.
        runtime: the runtime of Lambda's that it is for; "" if unknown.
        handler: the handler string; "" if unknown.
        convention: the convention's name; "" if unknown.
        is_named: whether the caller passed a handler string, even an empty one.
        binaries: its ELF files, by member name.
        damaged: the names of files that begin like an ELF file and cannot be read as one.
    """

    file: Path
    root: Path
    members: tuple[zipfile.ZipInfo, ...]
    found: Members
    kind: str
    is_guessed: bool
    arch: str
    python: str
    runtime: str
    handler: str
    convention: str
    is_named: bool
    binaries: dict[str, elf.Binary]
    damaged: tuple[str, ...] = ()

    @classmethod
    def from_archive(
        cls,
        file: Path,
        root: Path,
        found: Members,
        *,
        kind: str = "",
        arch: str = "",
        python: str = "",
        runtime: str = "",
        handler: str | None = None,
        convention: str = "",
    ) -> Self:
        """Inspect an archive that is unpacked to `root`; its contents supply what the caller leaves out.

        Raises:
            PackageError: `runtime` and `python` name different versions.
        """
        if runtime.startswith("python") and python and runtime != f"python{python}":
            raise PackageError(
                f"--runtime {runtime} does not run Python {python}; pass only one of --runtime and --python"
            )
        names = [
            member.filename for member in found.infos if not member.is_dir() and member.filename not in found.links
        ]
        budget = elf.Budget()
        read = {name: elf.Binary.read(root / name, budget) for name in names if elf.is_elf(root / name)}
        binaries = {name: binary for name, binary in read.items() if binary is not None}
        return cls(
            file,
            root,
            found.infos,
            found,
            kind or _kind(names),
            not kind,
            arch or _arch(binaries),
            python or runtime.removeprefix("python") * runtime.startswith("python") or _python(names),
            runtime,
            handler or "",
            convention,
            handler is not None,
            binaries,
            tuple(name for name, binary in read.items() if binary is None),
        )

    @property
    def machine(self) -> str:
        """The architecture as ELF headers and wheels name it."""
        return MACHINES.get(self.arch, "")

    @property
    def glibc(self) -> int:
        """The N of glibc 2.N on the system that it is for."""
        return GLIBC_OF_RUNTIME.get(self.runtime, GLIBC)

    @property
    def modules(self) -> Path:
        """The folder that modules are imported from."""
        return self.root / "python" if self.kind == "layer" else self.root


def _kind(names: list[str]) -> str:
    has_modules = any("/" not in name and name.endswith((".py", ".pyc")) for name in names)
    return "layer" if any(name.startswith(_LAYER) for name in names) and not has_modules else "function"


def _arch(binaries: dict[str, elf.Binary]) -> str:
    arches = {machine: arch for arch, machine in MACHINES.items()}
    return _most({name: binary.machine for name, binary in binaries.items()}, arches)


def _most(seen: dict[str, str], known: dict[str, str]) -> str:
    counted = Counter(known[value] for value in seen.values() if value in known)
    return counted.most_common(1)[0][0] if counted else ""


def _python(names: list[str]) -> str:
    """The Python of most extension modules, else of a layer's folder, else of most bytecode."""
    for pattern in (_SOABI, _FOLDER, _BYTECODE):
        versions = {name: f"3.{found[1]}" for name in names if (found := pattern.search(name))}
        if versions:
            return _most(versions, {version: version for version in versions.values()})
    return ""
