"""Fetches a function from a module; also has the helpers that scripts and expressions share with it."""

from __future__ import annotations

import os
import sys

from dispatch import shadowing
from dispatch.errors import (
    BuiltInModuleConflict,
    DispatchError,
    HandlerNotFound,
    ImportModuleError,
    UserCodeSyntaxError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

#: Endings of handler strings that mean a file; a function is unlikely to have such a name.
_FILES = frozenset({"py", "pyc", "pyz"})


#: The name under which the module `__main__` of the task root is loaded.
MAIN = "__main__of_function"


def member(name: str, attribute: str, root: str, written: str | None = None) -> Any:
    """The function, or other object, of that name in a module of the task root or in an installed one.

    Args:
        name: the module's dotted name.
        attribute: the function's name in the module.
        root: the task root, or an archive.
        written: the module as it is spelled in the handler string, with slashes.

    Raises:
        DispatchError: there is no such module or name. An exception that the module itself raises is passed on.
    """
    top, written = name.partition(".")[0], written or name
    if top in sys.builtin_module_names:
        raise BuiltInModuleConflict(
            f"a module that is compiled into Python already has the name {top}; rename {top}.py",
            module=written,
        )
    shadowing.claim(root, [top])
    file = f"{written}.{attribute}"
    if attribute in _FILES and not shadowing.offered(root, name):
        missing = name if shadowing.offered(root, top) else top
        raise ImportModuleError(no_file(file, root), module=written, reason=f"No module named '{missing}'")
    try:
        return attribute_of(_imported(name, root, written), name, attribute, written)
    except (HandlerNotFound, ImportModuleError) as error:
        if attribute in _FILES or os.path.isfile(os.path.join(root, file)):
            error.args = (f"{no_file(file, root)}; as a function: {error}",)
        raise


def archive_member(path: str, name: str, attribute: str, written: str) -> Any:
    """The same for a module inside a zip archive, whose libraries can be imported as well."""
    add_archive(path)
    return member(name, attribute, path, written)


def _imported(name: str, root: str, written: str) -> ModuleType:
    from importlib import import_module

    try:
        return _main_of(root) if name == "__main__" else import_module(name)
    except (SyntaxError, ImportError) as error:
        try:
            problem = _problem(name, root, written, error)
        except Exception:  # noqa: BLE001 - user code has raised it, and its attributes may be anything
            raise error from None
        raise problem from error


def _problem(name: str, root: str, written: str, error: SyntaxError | ImportError) -> DispatchError:
    missing = getattr(error, "name", None)
    # If the error names another module, the user's module exists, but something that it imports does not.
    if isinstance(error, ModuleNotFoundError) and missing and (name + ".").startswith(missing + "."):
        where = f"{root} or on Python's path{'' if missing == name else f', not even {missing}'}"
        return ImportModuleError(
            f"no module {name} in {where}; {listing(root, missing.replace('.', '/'))}",
            module=written,
            reason=str(error),
        )
    return unusable(name, error, module=written)


def unusable(name: str, error: SyntaxError | ImportError, **facts: str) -> DispatchError:
    """The error for a module that exists, but cannot be compiled, or imports something that cannot be imported."""
    if isinstance(error, SyntaxError):
        return syntax_error(f"the module {name}", error, **facts)
    return ImportModuleError(f"the module {name} cannot be imported: {error}", reason=str(error), **facts)


def _main_of(root: str) -> ModuleType:
    """The task root's `__main__.py` as a module of another name: Python's own `__main__` is the runtime."""
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    found = PathFinder.find_spec("__main__", [root])
    loader: Any = found and found.loader
    if found is None or loader is None:
        raise ModuleNotFoundError("No module named '__main__'", name="__main__")
    code = loader.get_code("__main__")
    found.name = loader.name = MAIN
    module = sys.modules[MAIN] = module_from_spec(found)
    exec(code, module.__dict__)  # noqa: S102 - running the user's module is the job
    return module


def attribute_of(module: ModuleType, name: str, attribute: str, written: str) -> Any:
    """The attribute of a module. Raises HandlerNotFound, whose message lists the callables in the module."""
    file = getattr(module, "__file__", None)
    where = _below_the_root(file if isinstance(file, str) else name)
    try:
        return getattr(module, attribute)
    except AttributeError:
        # A module may have replaced itself in `sys.modules` with any object.
        there = {**vars(type(module)), **getattr(module, "__dict__", {})}
        public = sorted(key for key, value in there.items() if callable(value) and not key.startswith("_"))
        raise HandlerNotFound(
            f"no {attribute!r} in {where}; it has: {', '.join(public) or 'nothing callable'}",
            attribute=attribute,
            module=written,
        ) from None


def _below_the_root(file: str) -> str:
    """A module's file as a path below the task root, which is the outermost folder on Python's path."""
    prefixes = [os.path.join(entry, "") for entry in sys.path if entry]
    return max((file.removeprefix(prefix) for prefix in prefixes if file.startswith(prefix)), key=len, default=file)


def syntax_error(what: str, error: SyntaxError, advice: str = "", **facts: str) -> DispatchError:
    """The error for source that cannot be compiled, with the file, the line number and the line, and what to do."""
    line = (error.text or "").strip()
    # For a file with a NUL in it, Python reports no line.
    where = f" ({os.path.basename(error.filename or '')}, line {error.lineno}: {line})" if error.lineno else ""
    return UserCodeSyntaxError(f"{what} cannot be compiled: {error.msg}{where}{advice}", reason=str(error), **facts)


def add_folder(folder: str) -> None:
    """Put a folder on `sys.path`, right after the task root."""
    if folder not in sys.path:
        sys.path.insert(1, folder)


def add_archive(path: str) -> None:
    """Put an archive on `sys.path` before the task root, because it brings its own libraries."""
    if sys.path[0] == path:
        return
    try:
        shadowing.claim(path)
    except ImportError as error:
        raise ImportModuleError(f"{path} is not a zip archive: {error}") from error
    if path in sys.path:
        sys.path.remove(path)
    sys.path.insert(0, path)


def described(value: object) -> str:
    """A value's type and the start of its repr, for error messages."""
    return f"{type(value).__name__} {value!r:.60}"


def no_file(spec: str, root: str) -> str:
    """Why a handler string does not name a usable file, for error messages."""
    if os.path.isfile(os.path.join(root, spec)):
        kinds = "neither Python (.py, .pyc, .pyz) nor executable"
        return f"the file {spec} in {root} is {kinds}; chmod +x makes it a program"
    return f"no file {spec} in {root}; {listing(root, spec)}"


def listing(root: str, path: str = "") -> str:
    """The files that a handler string could name, for error messages.

    Args:
        root: the task root, or an archive.
        path: the missing path below it; the nearest existing folder is listed.
    """
    folder = os.path.dirname(os.path.normpath(path))
    try:
        entries = _entries(root, folder)
    except OSError as error:
        return listing(root, folder) if folder else f"the folder cannot be read: {error.strerror}"
    what = f"{folder}/" if folder else "it"
    shown = ", ".join(entries[:12]) + (f" and {len(entries) - 12} more" if len(entries) > 12 else "")
    return f"{what} has: {shown}" if entries else f"{what} is empty"


def _entries(root: str, folder: str) -> list[str]:
    """The entries of a folder in the task root or in an archive, subfolders with a slash. Raises OSError."""
    if os.path.isfile(root):
        start = os.path.join(folder, "")
        below = [member.removeprefix(start) for member in shadowing.members(root) if member.startswith(start)]
        if folder and not below:
            raise FileNotFoundError
        entries = {"".join(member.partition("/")[:2]) for member in below if member}
    else:
        path = os.path.join(root, folder)
        entries = {entry + "/" * os.path.isdir(os.path.join(path, entry)) for entry in os.listdir(path)}
    return sorted(entry for entry in entries if not entry.startswith((".", "__")))
