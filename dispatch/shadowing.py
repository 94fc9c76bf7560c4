"""Gives the function's folder first claim on module names that this process has loaded from elsewhere.

The runtime imports what it needs before any user code. If the task root has a module of the same name (its own
``runtime.py``, its own release of a library that we use), ours leaves ``sys.modules``: the references that we hold stay
good, and the user's ``import`` finds the user's. The same goes for an archive that the handler string names.
"""

from __future__ import annotations

import contextvars
import os
import sys
from _imp import extension_suffixes  # as importlib.machinery has them, without its import
from itertools import islice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

#: The packages of this project.
OUR_PACKAGES = ("dispatch", "conventions", "runtime")

#: Our packages, and the libraries that the runtime may have loaded.
CLAIMABLE = (
    *OUR_PACKAGES,
    "pluggy", "simplejson", "orjson", "msgspec", "httptools", "requests", "urllib3",
)  # fmt: skip

#: Where Python's own library is. An interpreter may have os inside it, without a file.
LIBRARY = os.path.dirname(contextvars.__file__)

#: Modules of each package of ours, by which a copy of this project is told from a package of the user's own.
_MARKS = {
    "dispatch": ("error_reports", "hookspecs"),
    "conventions": ("codec", "lambda_"),
    "runtime": ("lifecycle", "transport.kept_alive"),
}

#: Files of a folder that are looked at for Python.
_LOOKED_AT = 1000

#: How a file's name goes on behind its module's.
SUFFIXES = (".py", ".pyc", *extension_suffixes())


def claim(root: str, names: Iterable[str] = CLAIMABLE) -> list[str]:
    """Drop from ``sys.modules`` what the task root (or the archive) has too; returns the names it got."""
    claimed = [name for name in names if offered(root, name) and not _ours(root, name)]
    for name in claimed:
        for loaded in [key for key in sys.modules if key == name or key.startswith(name + ".")]:
            del sys.modules[loaded]
    if claimed:
        sys.meta_path.insert(0, _TaskRootFirst(root, claimed))
    return claimed


def offered(root: str, name: str) -> bool:
    """Whether the task root (or the archive) has that module or package; a folder without Python in it is none."""
    base = os.path.join(root, name.replace(".", "/"))
    if any(os.path.isfile(base + suffix) for suffix in SUFFIXES):
        return True
    if os.path.isdir(base):
        walk = os.walk(base)
        files = (file for folder, _, files in walk if not folder.endswith("__pycache__") for file in files)
        return any(file.endswith(SUFFIXES) for file in islice(files, _LOOKED_AT))
    if not os.path.isfile(root):
        return False
    inside = [os.path.join(root, member) for member in members(root) if member.endswith((".py", ".pyc"))]
    return any(file.startswith((base + "/", base + ".py")) for file in inside)


def members(archive: str) -> list[str]:
    """The paths of what is in a zip archive. Raises ImportError if it is none."""
    import zipimport

    # Where pkgutil looks, too: zipfile takes milliseconds to import, and the task root may have a module of its name.
    directory: dict[str, dict[str, object]] = zipimport._zip_directory_cache  # type: ignore[attr-defined] # noqa: SLF001
    return [*directory[zipimport.zipimporter(archive).archive]]


def shadowed(paths: Iterable[str]) -> bool:
    """Whether a folder or an archive that comes before Python's own library has modules named like some of that."""
    for path in paths:
        if path == LIBRARY:
            return False
        try:
            entries = os.listdir(path) if os.path.isdir(path) else members(path)
        except (OSError, ImportError):
            continue
        names = {entry.partition("/")[0].partition(".")[0] for entry in entries} & sys.stdlib_module_names
        if any(_regular(path, name, entries) for name in names):
            return True
    return False


def _regular(path: str, name: str, entries: Sequence[str]) -> bool:
    """Whether it is a module or a package with an ``__init__``; others lose to a module further behind (PEP 420)."""
    files = [stem + suffix for stem in (name, f"{name}/__init__") for suffix in SUFFIXES]
    return any(file in entries or os.path.isfile(os.path.join(path, file)) for file in files)


def _ours(root: str, name: str) -> bool:
    """Whether it is the module that is loaded (a checkout is the task root, say), or a copy of this project."""
    if name in _MARKS and all(offered(root, f"{name}.{mark}") for mark in _MARKS[name]):
        return True
    module = sys.modules.get(name)
    if module is None:
        return False
    file = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), None)
    return file is not None and os.path.realpath(file).startswith(os.path.join(os.path.realpath(root), ""))


class _TaskRootFirst:
    """Finds the claimed names in the task root alone.

    Without it a folder that has no ``__init__.py`` would lose to our package, which is a regular one (PEP 420).
    """

    def __init__(self, root: str, names: Sequence[str]) -> None:
        self._root = root
        self._names = frozenset(names)

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if path is not None or name not in self._names:
            return None
        from importlib.machinery import PathFinder

        return PathFinder.find_spec(name, [self._root], target)
