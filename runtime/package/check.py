"""Finds what would fail in AWS Lambda, in any archive for it, without running what is inside."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dispatch.locate import locate
from runtime.package import archive, check_binaries, check_files, check_python, check_syntax
from runtime.package.errors import PackageError
from runtime.package.inspected import Finding, Inspected
from runtime.package.recognition import Recognised, recognised

Check = Callable[[Inspected], Iterable[Finding]]


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The result of all checks of one archive.

    Attributes:
        file: the archive.
        kind: "layer" or "function".
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
        raise PackageError(f"no such archive: {file}")
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "unpacked"
        root.mkdir()
        outside = list(_unpacked(file, root))
        if outside:
            return CheckReport(file, known.get("kind", ""), "", "", archive.sizes(file), outside)
        inspected = Inspected.from_archive(file, root, **known)
        findings = [finding for run in CHECKS for finding in run(inspected)]
        handler = inspected.handler
        convention = locate(handler, str(root)).convention if handler else ""
        written_for = recognised(handler, str(root))
    findings.sort(key=lambda finding: (finding.level != "error", finding.check, finding.where))
    of = (inspected.kind, inspected.arch, inspected.python)
    return CheckReport(file, *of, archive.sizes(file), findings, convention, written_for)


def has_bootstrap(file: Path) -> bool:
    """Whether an archive can be used on an OS-only runtime."""
    with zipfile.ZipFile(file) as packed:
        return "bootstrap" in packed.namelist()


def _unpacked(file: Path, root: Path) -> Iterator[Finding]:
    try:
        archive.unpack(file, root)
    except archive.LeavesFolder as error:
        yield Finding("error", "links", error.member, str(error))


def exceeded_limits(inspected: Inspected) -> Iterator[Finding]:
    """A size above one of Lambda's limits."""
    for size, complaint in archive.sizes(inspected.file).complaints().items():
        yield Finding("error" if size == "unzipped" else "warning", "limits", "", complaint)


CHECKS: tuple[Check, ...] = (
    exceeded_limits,
    check_files.foreign_links,
    check_files.wrong_permissions,
    check_files.misplaced_modules,
    check_files.unusable_bootstrap,
    check_binaries.foreign_processors,
    check_binaries.foreign_libc,
    check_binaries.missing_libraries,
    check_binaries.foreign_extensions,
    check_python.missing_requirements,
    check_python.unusable_wheels,
    check_python.hidden_packages,
    check_python.foreign_bytecode,
    check_syntax.wrong_syntax,
    check_python.missing_handler,
)
