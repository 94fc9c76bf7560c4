"""Tells, without running it, what a module offers as a handler and what it asks to be installed."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dispatch.locate import locate
from dispatch.modules import no_file
from runtime.package import wheels
from runtime.package.errors import PackageError

# The names that people give to handlers; what a build offers, besides the script itself.
_HANDLERS = re.compile(r"handler|main|\w+_handler")
# Inline script metadata: packaging.python.org/en/latest/specifications/inline-script-metadata/.
_METADATA = re.compile(r"^# /// script\s*$(?P<lines>(?:\n#(?: .*)?$)+?)\n# ///\s*$", re.MULTILINE)


def bound(path: Path) -> set[str] | None:
    """The names that a module binds at its top level; None if it can't be told ("import *", a syntax error)."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return None
    names: set[str] = set()
    for node in _top_level(tree.body):
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            return None
        names |= _bound_by(node)
    return None if "__getattr__" in names else names


def _top_level(body: list[ast.stmt]) -> list[ast.stmt]:
    """The statements that run in the module's own scope, inside `if`, `try`, `with` and loops too."""
    found = []
    for node in body:
        found.append(node)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        for field in ("body", "orelse", "finalbody"):
            found += _top_level(getattr(node, field, []))
        for handler in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
            found += _top_level(handler.body)
    return found


def _bound_by(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    inside = [child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.stmt)]
    names = (child for part in inside for child in ast.walk(part) if isinstance(child, ast.Name))
    return {name.id for name in names if isinstance(name.ctx, ast.Store)}


def offered(modules: Iterable[Path]) -> list[str]:
    """The handler strings that modules at the top of a function's folder answer to: scripts and likely functions."""
    found = []
    for path in sorted(modules):
        names = sorted(bound(path) or ())
        found += [
            path.name,
            *(f"{path.stem}.{name}" for name in names if _HANDLERS.fullmatch(name)),
        ]
    return found


def unusable_file(name: str, root: str) -> str:
    """Why a file of the function's folder `root` is no handler itself, as the runtime says it; "" if it is one."""
    return "" if locate(name, root).path else no_file(name, root).replace(root, "the archive")


def script_requirements(path: Path, python: str = "") -> list[str]:
    """What a script's inline metadata says it depends on.

    Args:
        path: the script.
        python: the Python that it is to run on, such as "3.13", if the metadata's `requires-python` is to be met.

    Raises:
        PackageError: the metadata is no TOML, has something else than is specified, or is for another Python.
    """
    metadata = _metadata(path)
    listed, pythons = metadata.get("dependencies", []), metadata.get("requires-python", "")
    if not isinstance(listed, list) or not all(isinstance(requirement, str) for requirement in listed):
        raise PackageError(f"the script metadata of {path}: dependencies is a list of strings, not {listed!r}")
    if not isinstance(pythons, str):
        raise PackageError(f"the script metadata of {path}: requires-python is a string, not {pythons!r}")
    if python and not wheels.allowed(pythons, python):
        raise PackageError(f"{path} requires Python {pythons}, and the archive is for Python {python} (--python)")
    return listed


def _metadata(path: Path) -> dict[str, Any]:
    block = _METADATA.search(path.read_text(encoding="utf-8", errors="replace"))
    if block is None:
        return {}
    text = "\n".join(line.removeprefix("#").removeprefix(" ") for line in block["lines"].strip("\n").split("\n"))
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PackageError(f"the script metadata of {path} is no TOML: {error}") from None
