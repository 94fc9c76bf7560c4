"""Reads from a module, without running it, which handlers it offers and what it requires."""

from __future__ import annotations

import ast
import os
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dispatch.locate import locate
from dispatch.modules import no_file
from runtime.package import dependencies, source
from runtime.package.errors import PackageError

#: The names of handlers that a build lists whatever they are bound to, and of parameters that are events.
_HANDLERS = re.compile(r"handler|main|\w+_handler")
_EVENTS = frozenset({"event", "record", "request"})
#: How many handler strings are listed at most.
_MANY = 100
#: A function's definition in a shell file, in either way of writing it, and a command that may bring more functions.
_SHELL_FUNCTION = re.compile(
    r"^[ \t]*(?:function[ \t]+(?P<name>[\w-]+)|(?P<plain>[\w-]+)[ \t]*\([ \t]*\))", re.MULTILINE
)
_SHELL_LOADS = re.compile(r"^[ \t]*(?:source|\.|eval)[ \t]", re.MULTILINE)
#: Inline script metadata: packaging.python.org/en/latest/specifications/inline-script-metadata/.
_METADATA = re.compile(r"^# /// script\s*$(?P<lines>(?:\n#(?: .*)?$)+?)\n# ///\s*$", re.MULTILINE)


def bound_names(path: Path) -> set[str] | None:
    """The names that a module binds at its top level; None if unknown ("import *", a syntax error)."""
    tree = source.parsed(path)
    if tree is None:
        return None
    names: set[str] = set()
    for node in _top_level(tree.body):
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            return None
        names |= _bound_by(node)
    return None if "__getattr__" in names else names


def _top_level(body: list[ast.stmt]) -> list[ast.stmt]:
    """The statements of the module's own scope, also those inside `if`, `try`, `with` and loops."""
    found: list[ast.stmt] = []
    left = body[::-1]
    while left:
        node = left.pop()
        found.append(node)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        inside = [each for field in ("body", "orelse", "finalbody") for each in getattr(node, field, [])]
        for handler in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
            inside += handler.body
        left += inside[::-1]
    return found


def _bound_by(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    inside = [child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.stmt)]
    names = (child for part in inside for child in ast.walk(part) if isinstance(child, ast.Name))
    return {name.id for name in names if isinstance(name.ctx, ast.Store)}


def handler_strings(modules: Iterable[Path]) -> list[str]:
    """The handler strings of modules at the top of a function's folder: each as a script, and what can serve."""
    found = []
    for path in sorted(modules):
        found += [path.name, *(f"{path.stem}.{name}" for name in serving(path))]
    return found[:_MANY]


def serving(path: Path) -> list[str]:
    """The names of a module that are called as handlers are, or that handlers usually have; sorted."""
    tree = source.parsed(path)
    names = {name for name in bound_names(path) or () if _HANDLERS.fullmatch(name)}
    for node in _top_level(tree.body) if tree else ():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names |= {node.name} if _fits(node.args) and not _is_route(node) else set()
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda) and _fits(node.value.args):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return sorted(name for name in names if not name.startswith("_"))


def _fits(parameters: ast.arguments) -> bool:
    """Whether a function can be called with an event and its headers or context, or with what is called an event."""
    given = [*parameters.posonlyargs, *parameters.args]
    required = len(given) - len(parameters.defaults)
    if None in parameters.kw_defaults:
        return False
    takes_two = required <= 2 and (len(given) >= 2 or parameters.vararg is not None)
    return takes_two or (required <= 1 and bool(given) and given[0].arg in _EVENTS)


def _is_route(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a web application calls a function for a path: `@app.get("/users")`."""
    calls = [each for each in function.decorator_list if isinstance(each, ast.Call) and each.args]
    paths = [each.args[0].value for each in calls if isinstance(each.args[0], ast.Constant)]
    return any(isinstance(path, str) and path.startswith("/") for path in paths)


def shell_functions(path: Path) -> list[str] | None:
    """The functions that a shell file defines, in order; None if unknown (it loads other files)."""
    text = source.text(path)
    if _SHELL_LOADS.search(text):
        return None
    return [*dict.fromkeys(found["name"] or found["plain"] for found in _SHELL_FUNCTION.finditer(text))]


def shell_handler_strings(files: Iterable[Path]) -> list[str]:
    """The handler strings of shell files that are not programs: each function of each file."""
    return [
        f"{path.stem}.{name}"
        for path in sorted(files)
        if not os.access(path, os.X_OK)
        for name in shell_functions(path) or ()
    ]


def unusable_file(name: str, root: str) -> str:
    """Why a file in the function's folder `root` is not a handler, in the runtime's words; "" if it is one."""
    return "" if locate(name, root).path else no_file(name, root).replace(root, "the archive")


def script_requirements(path: Path, python: str = "") -> list[str]:
    """The dependencies in a script's inline metadata.

    Args:
        path: the script.
        python: the Python that must meet the metadata's `requires-python`, such as "3.13"; "" for any.

    Raises:
        PackageError: the metadata is not valid TOML, breaks the specification, or is for another Python.
    """
    metadata = _metadata(path)
    listed, pythons = metadata.get("dependencies", []), metadata.get("requires-python", "")
    if not isinstance(listed, list) or not all(isinstance(requirement, str) for requirement in listed):
        raise PackageError(f"wrong script metadata in {path}: dependencies must be a list of strings, not {listed!r}")
    if not isinstance(pythons, str):
        raise PackageError(f"wrong script metadata in {path}: requires-python must be a string, not {pythons!r}")
    if python and not dependencies.allowed(pythons, python):
        raise PackageError(f"{path} requires Python {pythons}, but the archive is for Python {python}; pass --python")
    return listed


def _metadata(path: Path) -> dict[str, Any]:
    blocks = [*_METADATA.finditer(path.read_text(encoding="utf-8-sig", errors="replace"))]
    if not blocks:
        return {}
    if len(blocks) > 1:
        raise PackageError(f"wrong script metadata in {path}: there is more than one block")
    text = "\n".join(line.removeprefix("#").removeprefix(" ") for line in blocks[0]["lines"].strip("\n").split("\n"))
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PackageError(f"the script metadata of {path} is not valid TOML: {error}") from None
