"""Reads what a shared object or a program needs of its system: processor, libraries, glibc."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, Self, cast

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

#: The processors of ELF headers, as wheels name them.
_MACHINES = {
    "EM_X86_64": "x86_64",
    "EM_AARCH64": "aarch64",
    "EM_386": "i386",
    "EM_ARM": "arm",
}
#: Bytes that are read of one file, where each reading counts as so many at least; a large library needs 1 MB.
_BUDGET, _LEAST = 16 * 1024 * 1024, 512
#: The same for all files of an archive.
_BUDGET_OF_ALL = 512 * 1024 * 1024
#: Real files have some 40.
_MAX_SECTIONS = 1000
_GLIBC = re.compile(r"GLIBC_2\.(\d+)")


@dataclass(frozen=True, slots=True)
class Binary:
    """An ELF file.

    Attributes:
        machine: its processor, as wheels name it.
        needs: the libraries that it is linked with.
        glibc: the N of glibc 2.N, the oldest that it runs with; 0 if it needs none.
        libc: "glibc", "musl", or "" if it is linked statically or unknown.
        paths: the folders that it searches first; `$ORIGIN` is its own.
    """

    machine: str
    needs: tuple[str, ...]
    glibc: int
    libc: str
    paths: tuple[str, ...]

    @classmethod
    def read(cls, path: Path, budget: Budget | None = None) -> Self | None:
        """Read a file; None if it is not an ELF file, or not a readable one, or the budget of its archive is spent."""
        if not is_elf(path):
            return None
        with path.open("rb") as file:
            try:
                elf = ELFFile(cast("IO[bytes]", _Metered(file, budget or Budget())))
                if elf.num_sections() > _MAX_SECTIONS:
                    return None
                needs, paths = _dynamic(elf)
                glibc = _glibc(elf)
                machine = _MACHINES.get(elf["e_machine"], str(elf["e_machine"]))
            except Exception:  # noqa: BLE001 - pyelftools raises whatever the damage leads to
                return None
        return cls(machine, needs, glibc, _libc(needs, glibc), paths)


@dataclass(slots=True)
class Budget:
    """How many bytes may still be read of all files of an archive."""

    left: int = _BUDGET_OF_ALL


def is_elf(path: Path) -> bool:
    """Whether a file begins like an ELF file."""
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


class _Metered:
    """A file that ends the reading of damaged files, whose sizes and offsets may lead in circles, after a while."""

    def __init__(self, file: BinaryIO, of_all: Budget) -> None:
        self._file, self._of_all = file, of_all
        self._left = min(_BUDGET, of_all.left)
        self.seek, self.tell, self.close = file.seek, file.tell, file.close

    def read(self, size: int = -1) -> bytes:
        cost = max(size, _LEAST) if size >= 0 else _BUDGET
        self._left -= cost
        self._of_all.left -= cost
        if self._left < 0:
            raise ELFError("too much to read")
        return self._file.read(size)


def _dynamic(elf: ELFFile) -> tuple[tuple[str, ...], tuple[str, ...]]:
    section = elf.get_section_by_name(".dynamic")
    if not isinstance(section, DynamicSection):
        return (), ()
    # pyelftools names an attribute of each tag after its kind.
    found: dict[str, list[str]] = {"needed": [], "rpath": [], "runpath": []}
    for tag in section.iter_tags():
        kind = str(tag.entry.d_tag).removeprefix("DT_").lower()
        if kind in found:
            found[kind].append(str(getattr(tag, kind)))
    paths = [path for joined in (*found["rpath"], *found["runpath"]) for path in joined.split(":") if path]
    return tuple(found["needed"]), tuple(paths)


def _glibc(elf: ELFFile) -> int:
    section = elf.get_section_by_name(".gnu.version_r")
    if not isinstance(section, GNUVerNeedSection):
        return 0
    names = [version.name for _, versions in section.iter_versions() for version in versions]
    return max(
        (int(found.group(1)) for name in names if (found := _GLIBC.match(name))),
        default=0,
    )


def _libc(needs: tuple[str, ...], glibc: int) -> str:
    if any("musl" in name for name in needs) or "libc.so" in needs:
        return "musl"
    return "glibc" if glibc or "libc.so.6" in needs else ""
