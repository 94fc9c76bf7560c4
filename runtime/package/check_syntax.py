"""Checks that what is Python can be compiled; nothing of it is run.

The handler's own module has to be, and whatever lies in the root or in a package; any other file may be a template.
"""

from __future__ import annotations

import ast
import csv
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

from dispatch.locate import locate
from runtime.package.inspected import Finding, Inspected

# What `dispatch build` put there was compiled by it.
_OURS = "dispatch-runtime/"


def syntax(inspected: Inspected) -> Iterator[Finding]:
    """Modules that can't be compiled; of libraries, only the handler's."""
    here, wanted = sys.version_info.minor, int(inspected.python.rpartition(".")[2] or sys.version_info.minor)
    libraries, handler = _installed(inspected.root), _handlers(inspected)
    for path in sorted(inspected.modules.rglob("*.py")):
        name = path.relative_to(inspected.root).as_posix()
        is_own = not name.startswith(_OURS) and (name not in libraries or name in handler)
        reason = is_own and path.is_file() and not path.is_symlink() and _reason(path, min(here, wanted))
        if reason and wanted > here:
            message = f"can't be compiled by Python 3.{here}, and perhaps not by {inspected.python}: {reason}"
            yield Finding("warning", "syntax", name, message)
        elif reason:
            level = "error" if name in handler or _is_importable(path, inspected.modules) else "warning"
            yield Finding(level, "syntax", name, f"can't be compiled by Python 3.{wanted}: {reason}")


def _is_importable(path: Path, root: Path) -> bool:
    folders = path.relative_to(root).parents
    return all((root / folder / "__init__.py").exists() for folder in folders if folder.name)


def _installed(root: Path) -> set[str]:
    """The files that distributions say they have installed, below the root."""
    found = set()
    for record in root.rglob("*.dist-info/RECORD"):
        base = record.parent.parent.relative_to(root)
        with record.open(encoding="utf-8", errors="replace", newline="") as rows:
            found |= {os.path.normpath(base / row[0]) for row in csv.reader(rows) if row}
    return found


def _handlers(inspected: Inspected) -> tuple[str, ...]:
    """Where the handler's own module may be."""
    root = os.path.realpath(inspected.root)
    path = locate(inspected.handler, root).path
    if path is not None:
        return (os.path.relpath(path, root),)
    module = inspected.handler.rpartition(".")[0].replace(".", "/")
    return (f"{module}.py", f"{module}/__init__.py")


def _reason(path: Path, minor: int) -> str:
    """Why Python 3.`minor` can't compile it, as far as this one can tell."""
    source = path.read_bytes()
    try:
        with warnings.catch_warnings(action="ignore"):
            compile(source, path.name, "exec", dont_inherit=True)
            if minor < sys.version_info.minor:
                ast.parse(source, path.name, feature_version=(3, minor))
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}" if error.lineno else error.msg
    except (ValueError, RecursionError, MemoryError) as error:
        return str(error) or type(error).__name__
    return ""
