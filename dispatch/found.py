"""Fetches a function from a module, and what the fetching of scripts and expressions has in common with it."""

from __future__ import annotations

import os
import sys

from dispatch import names
from dispatch.errors import (
    BuiltInModuleConflict,
    DispatchError,
    HandlerNotFound,
    ImportModuleError,
    UserCodeSyntaxError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any


def function(name: str, attribute: str, root: str, written: str | None = None) -> Callable[..., Any]:
    """A function of a module in the task root, or of one that is installed.

    Args:
        name: the module's dotted name.
        attribute: the function's name.
        root: the task root.
        written: the module as the handler string wrote it, with its slashes.
    """
    top = name.partition(".")[0]
    if top in sys.builtin_module_names:
        raise BuiltInModuleConflict(
            f"the module {top} is compiled into Python, so no file can have its name; rename {top}.py",
            managed=f"Cannot use built-in module {written or name} as a handler module",
        )
    names.claim(root, [top])
    if attribute in {"py", "pyc"} and not names.offered(root, top):
        raise ImportModuleError(
            f"no script {name}.{attribute} in {root}; {listing(root)}",
            managed=f"Unable to import module '{written or name}': No module named '{top}'",
        )
    return attribute_of(_imported(name, root, written or name), name, attribute, written or name)


def archive_function(path: str, name: str, attribute: str) -> Callable[..., Any]:
    """A function of a module inside a zip archive, whose libraries can be imported as well."""
    add_to_path(path)
    return attribute_of(_imported(name, path, name), name, attribute, name)


def _imported(name: str, root: str, written: str) -> ModuleType:
    from importlib import import_module

    try:
        return import_module(name)
    except SyntaxError as error:
        raise syntax_error(f"the module {name}", error, f"Syntax error in module '{written}': {error}") from error
    except ImportError as error:
        managed = f"Unable to import module '{written}': {error}"
        missing = getattr(error, "name", None)
        # An import that fails further down names another module: then the user's module is there, what it needs is not.
        if isinstance(error, ModuleNotFoundError) and missing and (name + ".").startswith(missing + "."):
            raise ImportModuleError(
                f"no module {missing} in {root} or on Python's path; {listing(root)}", managed
            ) from error
        raise ImportModuleError(f"the module {name} cannot be imported: {error}", managed) from error


def attribute_of(module: ModuleType, name: str, attribute: str, written: str) -> Callable[..., Any]:
    """The callable of that name in a module. Raises HandlerNotFound, which lists what the module has."""
    where = os.path.basename(getattr(module, "__file__", None) or name)
    try:
        value = getattr(module, attribute)
    except AttributeError:
        public = sorted(key for key, value in vars(module).items() if callable(value) and not key.startswith("_"))
        raise HandlerNotFound(
            f"no {attribute!r} in {where}; it has: {', '.join(public) or 'nothing that can be called'}",
            managed=f"Handler '{attribute}' missing on module '{written}'",
        ) from None
    if not callable(value):
        raise HandlerNotFound(f"{attribute!r} in {where} is {described(value)}, which cannot be called")
    return value  # type: ignore[no-any-return]


def syntax_error(what: str, error: SyntaxError, managed: str | None = None) -> DispatchError:
    """What is reported of source that cannot be compiled: where, and the line."""
    line = (error.text or "").strip()
    where = f"{os.path.basename(error.filename or '')}, line {error.lineno}"
    return UserCodeSyntaxError(f"{what} cannot be compiled: {error.msg} ({where}: {line})", managed)


def add_to_path(entry: str) -> None:
    """Puts an entry right behind the task root."""
    if entry not in sys.path:
        sys.path.insert(1, entry)


def described(value: object) -> str:
    """A value's type and a glimpse of it, for error messages."""
    return f"{type(value).__name__} {value!r:.60}"


def listing(root: str) -> str:
    """What a folder has that a handler string could name, for error messages."""
    try:
        entries = sorted(entry for entry in os.listdir(root) if not entry.startswith((".", "__")))
    except OSError as error:
        return f"the folder cannot be read: {error.strerror}"
    names = [entry + "/" if os.path.isdir(os.path.join(root, entry)) else entry for entry in entries]
    shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    return f"it has: {shown}" if names else "it is empty"
