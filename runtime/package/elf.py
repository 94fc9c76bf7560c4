"""Reads what a shared object or a program needs of its system: processor, libraries, glibc."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

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
    def read(cls, path: Path) -> Self | None:
        """Read a file; None if it is not an ELF file, or not a readable one."""
        with path.open("rb") as file:
            if file.read(4) != b"\x7fELF":
                return None
            try:
                elf = ELFFile(file)
                needs, paths = _dynamic(elf)
                glibc = _glibc(elf)
                machine = _MACHINES.get(elf["e_machine"], str(elf["e_machine"]))
            except (ELFError, KeyError, AttributeError):
                return None
        return cls(machine, needs, glibc, _libc(needs, glibc), paths)


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
