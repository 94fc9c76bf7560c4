"""Finds what would fail in AWS Lambda, in any archive for it, without running what is inside."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from dispatch.locate import locate
from runtime.package import (
    archive,
    check_binaries,
    check_files,
    check_python,
    check_requirements,
    check_syntax,
    members,
)
from runtime.package.errors import PackageError
from runtime.package.inspected import Finding, Inspected
from runtime.package.recognition import Recognised, recognised

Check = Callable[[Inspected], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The result of all checks of one archive.

    Attributes:
        file: the archive.
        kind: "layer" or "function"; "" if it cannot be one.
        arch: the architecture it was checked for; "" if unknown.
        python: the Python version it was checked for; "" if unknown.
        sizes: its sizes.
        findings: errors first.
        convention: the convention that `auto` picks for the handler string; "" if unknown.
        written_for: what the function was written for, if it is recognised.
    """

    file: Path
    kind: str
    arch: str
    python: str
    sizes: archive.Sizes
    findings: list[Finding]
    convention: str = ""
    written_for: Recognised | None = None

    @property
    def passed(self) -> bool:
        """Whether no check found an error."""
        return not any(finding.level == "error" for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        """The report for --json."""
        return {**asdict(self), "file": str(self.file), "passed": self.passed}


def check_archive(file: Path, **known: str) -> CheckReport:
    """Check an archive.

    Args:
        file: a zip archive, built by any tool.
        known: what the caller knows of it: `kind`, `arch`, `python`, `runtime`, `handler`, `convention`; see
            `Inspected`.

    Raises:
        PackageError: there is no such file, or it is not a zip archive.
    """
    if not file.is_file():
        raise PackageError(f"not a file: {file}" if file.exists() else f"no such archive: {file}")
    found = members.read(file)
    sizes = archive.Sizes(file.stat().st_size, found.unzipped, sum(not info.is_dir() for info in found.infos))
    refused = [*exceeded_limits(sizes), *_outside(found, file)]
    if any(finding.level == "error" for finding in refused):
        refused.sort(key=_order)
        return CheckReport(file, known.get("kind", ""), "", "", sizes, refused)
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "unpacked"
        root.mkdir()
        archive.unpack(file, root)
        inspected = Inspected.from_archive(file, root, found, **known)
        findings = refused + [finding for run in CHECKS for finding in _guarded(run, inspected)]
        handler = inspected.handler
        convention = locate(handler, str(root)).convention if handler else ""
        written_for = recognised(handler, str(root))
    findings.sort(key=_order)
    of = (inspected.kind, inspected.arch, inspected.python)
    return CheckReport(file, *of, sizes, findings, convention, written_for)


def _order(finding: Finding) -> tuple[bool, str, str]:
    return finding.level != "error", finding.check, finding.where


def _guarded(run: Check, inspected: Inspected) -> list[Finding]:
    """The findings of one check; source that is nested too deeply for it is a finding."""
    try:
        return list(islice(run(inspected), _SHOWN))
    except (RecursionError, MemoryError) as error:
        name = run.__name__.replace("_", " ")
        return [Finding("warning", "syntax", "", f"cannot be checked for {name}: {error or type(error).__name__}")]


def has_bootstrap(file: Path) -> bool:
    """Whether an archive can be used on an OS-only runtime."""
    with zipfile.ZipFile(file) as packed:
        return "bootstrap" in packed.namelist()


def _outside(found: members.Members, file: Path) -> Iterator[Finding]:
    for name in found.outside[:_SHOWN]:
        yield Finding("error", "links", name, str(archive.LeavesFolder(file, name)))


def exceeded_limits(sizes: archive.Sizes) -> Iterator[Finding]:
    """A size above one of Lambda's limits."""
    for size, complaint in sizes.complaints().items():
        yield Finding("error" if size == "unzipped" else "warning", "limits", "", complaint)


#: How many findings of one check are listed.
_SHOWN = 1000

CHECKS: tuple[Check, ...] = (
    check_files.foreign_links,
    check_files.foreign_names,
    check_files.wrong_permissions,
    check_files.misplaced_modules,
    check_files.unusable_bootstrap,
    check_binaries.unreadable,
    check_binaries.foreign_processors,
    check_binaries.foreign_libc,
    check_binaries.missing_libraries,
    check_binaries.foreign_extensions,
    check_requirements.missing_requirements,
    check_python.unusable_wheels,
    check_python.hidden_packages,
    check_python.foreign_bytecode,
    check_syntax.wrong_syntax,
    check_python.missing_handler,
)
