"""Checks that Python files compile; runs none of them.

An error is a file that is the handler's own module, at the top, or in a package; any other may be a template.
"""

from __future__ import annotations

import ast
import os
import re
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

from dispatch.locate import locate
from runtime.package import source
from runtime.package.inspected import Finding, Inspected
from runtime.package.start_scripts import HOME

#: Seconds after which no other module is compiled.
_LONGEST = 60
#: Bytes of all modules that are compiled, which takes about a second for each megabyte, and of all lists of files.
_MAX_SOURCES, _MAX_RECORDS = 16 * 1024 * 1024, 16 * 1024 * 1024
#: A module in a list of files.
_RECORDED = re.compile(r"^(?P<path>[^,\n]*\.py),", re.MULTILINE)


def wrong_syntax(inspected: Inspected) -> Iterator[Finding]:
    """Modules that do not compile; of libraries, only the handler's."""
    here, wanted = sys.version_info.minor, int(inspected.python.rpartition(".")[2] or sys.version_info.minor)
    libraries, handler = installed_files(inspected.root), _handler_files(inspected)
    left, end = _MAX_SOURCES, time.monotonic() + _LONGEST
    for path in sorted(inspected.modules.rglob("*.py")):
        name = path.relative_to(inspected.root).as_posix()
        # `dispatch build` has compiled what is in HOME.
        is_own = not name.startswith(f"{HOME}/") and (name not in libraries or name in handler)
        if not is_own or path.is_symlink() or not path.is_file():
            continue
        size = path.stat().st_size
        left -= size
        is_over = left < 0 or time.monotonic() > end
        if size > source.MAX_SOURCE or is_over:
            yield Finding(
                "warning", "syntax", name, "not compiled, because it is, or all modules are, too large for that"
            )
            if is_over:
                return
            continue
        reason = _reason(path, min(here, wanted))
        if reason and wanted > here:
            message = f"cannot be compiled by Python 3.{here}, and perhaps not by {inspected.python}: {reason}"
            yield Finding("warning", "syntax", name, message)
        elif reason:
            level = "error" if name in handler or _is_importable(path, inspected.modules) else "warning"
            yield Finding(level, "syntax", name, f"cannot be compiled by Python 3.{wanted}: {reason}")


def _is_importable(path: Path, root: Path) -> bool:
    folders = path.relative_to(root).parents
    return all((root / folder / "__init__.py").exists() for folder in folders if folder.name)


def installed_files(root: Path) -> set[str]:
    """The files below the root that distributions list as theirs."""
    found = set()
    left = _MAX_RECORDS
    for record in root.rglob("*.dist-info/RECORD"):
        base = record.parent.parent.relative_to(root).as_posix()
        if record.is_file() and left > 0:
            text = source.text(record, left)
            left -= len(text)
            # A path with a comma or a quote in it does not matter here; only modules do.
            paths = (each["path"] for each in _RECORDED.finditer(text))
            found |= {os.path.normpath(f"{base}/{path}") for path in paths}
    return found


def _handler_files(inspected: Inspected) -> tuple[str, ...]:
    """The files that the handler's own module may be."""
    root = os.path.realpath(inspected.root)
    target = locate(inspected.handler, root)
    if target.path is not None:
        return (os.path.relpath(target.path, root),)
    module = target.module.replace(".", "/")
    return (f"{module}.py", f"{module}/__init__.py")


def _reason(path: Path, minor: int) -> str:
    """Why Python 3.`minor` cannot compile a file, as far as this Python knows; "" if it can."""
    content = path.read_bytes()
    try:
        with warnings.catch_warnings(action="ignore"):
            compile(content, path.name, "exec", dont_inherit=True)
            if minor < sys.version_info.minor:
                ast.parse(content, path.name, feature_version=(3, minor))
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}" if error.lineno else error.msg
    except source.UNCOMPILABLE as error:
        return str(error) or type(error).__name__
    return ""
