"""Checks of shared objects and programs: processor, C library, other libraries, Python version."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from runtime.package.inspected import Finding, Inspected

_EXTENSION = re.compile(r"\.cpython-3(\d+[a-z]*)-(?P<machine>[a-z0-9_]+)-linux-(?P<libc>gnu|musl)\.so$")

#: The libraries in the minimal image of Amazon Linux 2023: those of glibc, of gcc, and zlib.
_IN_SYSTEM = re.compile(
    r"(ld-linux.*|libc|libm|libdl|librt|libpthread|libutil|libresolv|libnsl|libanl|libcrypt|libgcc_s|libstdc\+\+|libz)"
    r"\.so\.\d+|linux-vdso\.so\.1"
)


def unreadable(inspected: Inspected) -> Iterator[Finding]:
    """A shared object or program that is damaged."""
    for name in inspected.damaged:
        message = "begins like a shared object or program, and cannot be read as one; it may be damaged"
        yield Finding("error" if name.endswith(".so") or name == "bootstrap" else "warning", "libraries", name, message)


def foreign_processors(inspected: Inspected) -> Iterator[Finding]:
    """An ELF file for another processor."""
    for name, binary in inspected.binaries.items():
        if inspected.machine and binary.machine != inspected.machine:
            message = f"built for {binary.machine}, but the archive is for {inspected.arch} ({inspected.machine})"
            yield Finding("error", "architecture", name, message)


def foreign_libc(inspected: Inspected) -> Iterator[Finding]:
    """A C library that Lambda's systems do not have, or not in that version."""
    for name, binary in inspected.binaries.items():
        if binary.libc == "musl":
            message = "linked with musl, but Lambda's systems have glibc; use a manylinux wheel"
            yield Finding("error", "libc", name, message)
        elif binary.glibc > inspected.glibc:
            system = inspected.runtime or "Amazon Linux 2023"
            message = f"needs glibc 2.{binary.glibc}, but {system} has 2.{inspected.glibc}; use a manylinux wheel"
            yield Finding("error", "libc", name, message)


def missing_libraries(inspected: Inspected) -> Iterator[Finding]:
    """A library that is neither in the archive nor in the system."""
    inside = {PurePosixPath(name).name for name in inspected.binaries}
    for name, binary in inspected.binaries.items():
        missing = [need for need in binary.needs if need not in inside and not _IN_SYSTEM.fullmatch(need)]
        if missing and binary.libc != "musl":
            message = f"needs {', '.join(missing)}, which the archive does not have; another layer must provide it"
            yield Finding("warning", "libraries", name, message)


def foreign_extensions(inspected: Inspected) -> Iterator[Finding]:
    """An extension module for another version of Python."""
    for name in inspected.binaries:
        found = _EXTENSION.search(name)
        if found and inspected.python and f"3.{found.group(1)}" != inspected.python:
            message = f"extension module for Python 3.{found.group(1)}, but the archive is for {inspected.python}"
            yield Finding("error", "python", name, message)
