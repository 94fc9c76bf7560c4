"""Finds what would fail in AWS Lambda, in any archive for it, without running what is inside."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from runtime.package import archive, check_binaries, check_files, check_python, check_syntax
from runtime.package.errors import PackageError
from runtime.package.inspected import Finding, Inspected, look

Check = Callable[[Inspected], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class Report:
    """What the checks found.

    Attributes:
        file: the archive.
        kind: "layer" or "function".
        arch: the architecture it was checked for, "" if nothing in it tells.
        python: the Python version it was checked for, likewise.
        sizes: what it weighs.
        findings: errors first.
    """

    file: Path
    kind: str
    arch: str
    python: str
    sizes: archive.Sizes
    findings: list[Finding]

    @property
    def passed(self) -> bool:
        """Whether nothing was found that would fail."""
        return not any(finding.level == "error" for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        """For --json."""
        return {**asdict(self), "file": str(self.file), "passed": self.passed}


def check(file: Path, **told: str) -> Report:
    """Check an archive.

    Args:
        file: a zip archive, made by anyone.
        told: what is known of it: `kind`, `arch`, `python`, `runtime`, `handler` (see Inspected).

    Raises:
        PackageError: it is not there, or no zip archive.
    """
    if not file.is_file():
        raise PackageError(f"no archive {file}")
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "unpacked"
        root.mkdir()
        outside = list(_unpacked(file, root))
        if outside:
            return Report(file, told.get("kind", ""), "", "", archive.sizes(file), outside)
        inspected = look(file, root, **told)
        findings = [finding for run in CHECKS for finding in run(inspected)]
    findings.sort(key=lambda finding: (finding.level != "error", finding.check, finding.where))
    return Report(
        file,
        inspected.kind,
        inspected.arch,
        inspected.python,
        archive.sizes(file),
        findings,
    )


def has_bootstrap(file: Path) -> bool:
    """Whether an archive can be used on an OS-only runtime."""
    with zipfile.ZipFile(file) as packed:
        return "bootstrap" in packed.namelist()


def _unpacked(file: Path, root: Path) -> Iterator[Finding]:
    try:
        archive.unpack(file, root)
    except archive.LeavesFolder as error:
        yield Finding("error", "links", error.member, str(error))


def _limits(inspected: Inspected) -> Iterator[Finding]:
    for size, complaint in archive.sizes(inspected.file).complaints().items():
        yield Finding("error" if size == "unzipped" else "warning", "limits", "", complaint)


CHECKS: tuple[Check, ...] = (
    _limits,
    check_files.links,
    check_files.permissions,
    check_files.layout,
    check_files.bootstrap,
    check_binaries.architecture,
    check_binaries.libc,
    check_binaries.libraries,
    check_binaries.python_version,
    check_python.requirements,
    check_python.wheels,
    check_python.names,
    check_python.bytecode,
    check_syntax.syntax,
    check_python.handler,
)
