"""Checks that Python files compile; runs none of them.

An error is a file that is the handler's own module, at the top, or in a package; any other may be a template.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from dispatch.locate import locate
from runtime.package import compiler, source
from runtime.package.inspected import Finding, Inspected
from runtime.package.start_scripts import HOME

#: The seconds and the bytes of memory that compiling all modules may take, and the bytes of all lists of files. Neither
#: depends on the size alone: 20 `finally` in one another, in 700 bytes, need 3 GB.
_LONGEST, _MEMORY, _MAX_RECORDS = 5, 300 * 1024 * 1024, 16 * 1024 * 1024
#: A module in a list of files.
_RECORDED = re.compile(r"^(?P<path>[^,\n]*\.py),", re.MULTILINE)


def wrong_syntax(inspected: Inspected) -> Iterator[Finding]:
    """Modules that do not compile; of libraries, only the handler's."""
    here, wanted = sys.version_info.minor, int(inspected.python.rpartition(".")[2] or sys.version_info.minor)
    handler = _handler_files(inspected)
    names = _own_modules(inspected, handler)
    reasons = _reasons([str(inspected.root / name) for name in names], min(here, wanted)) if names else []
    if len(reasons) < len(names):
        message = f"{len(names) - len(reasons)} modules from this on are not compiled; all take more than {_LONGEST} s"
        yield Finding("warning", "syntax", names[len(reasons)], message)
    for name, reason in zip(names, reasons, strict=False):
        if reason is None:
            message = f"not compiled, because that takes more than {_MEMORY // 1024**2} MB of memory"
            yield Finding("warning", "syntax", name, message)
        elif reason and wanted > here:
            message = f"cannot be compiled by Python 3.{here}, and perhaps not by {inspected.python}: {reason}"
            yield Finding("warning", "syntax", name, message)
        elif reason:
            is_module = name in handler or _is_importable(inspected.root / name, inspected.modules)
            message = f"cannot be compiled by Python 3.{wanted}: {reason}"
            yield Finding("error" if is_module else "warning", "syntax", name, message)


def _own_modules(inspected: Inspected, handler: Sequence[str]) -> list[str]:
    """The modules that no library has installed, the handler's own first."""
    libraries = installed_files(inspected.root)
    paths = (path for path in inspected.modules.rglob("*.py") if path.is_file() and not path.is_symlink())
    names = (path.relative_to(inspected.root).as_posix() for path in paths)
    # `dispatch build` has already compiled everything in HOME.
    own = (name for name in names if not name.startswith(f"{HOME}/") and (name not in libraries or name in handler))
    return sorted(own, key=lambda name: (name not in handler, name))


def _reasons(paths: Sequence[str], minor: int) -> list[str | None]:
    """What `compiler` answers for each file; for fewer, if it takes too long or crashes."""
    command = [sys.executable, "-I", compiler.__file__, str(_MEMORY), str(minor)]
    try:
        done = subprocess.run(  # noqa: S603
            command, input=json.dumps(paths).encode(), capture_output=True, timeout=_LONGEST, check=False
        )
        output = done.stdout
    except subprocess.TimeoutExpired as expired:
        output = expired.stdout or b""
    return [json.loads(line) for line in output.splitlines(keepends=True) if line.endswith(b"\n")]


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
