"""Gives the task root first claim on module names that this process has already loaded from elsewhere.

The runtime imports what it needs before any user code. If the task root has a module of the same name (its own
`runtime.py`, or its own release of a library that we use), ours leaves `sys.modules`: our references stay valid, and
the user's `import` finds the user's module. The same goes for an archive that the handler string names.
"""

from __future__ import annotations

import contextvars
import os
import sys
from _imp import extension_suffixes  # the same as in importlib.machinery, without importing that
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

#: The folder of Python's standard library; not taken from `os`, which may be frozen into an interpreter without a file.
LIBRARY = os.path.dirname(contextvars.__file__)

#: Where modules are looked for before the task root is put first, and before user code can change `sys.path`.
ORIGINAL_PATH = (*sys.path,)

#: Modules of each of our packages that tell a copy of this project from a user's package of the same name.
_MARKS = {
    "dispatch": ("error_reports", "hookspecs"),
    "conventions": ("codec", "lambda_"),
    "runtime": ("lifecycle", "transport.kept_alive"),
}

#: How many files in a folder are checked for a Python one.
_LOOKED_AT = 1000

#: The suffixes that a module's file may have.
SUFFIXES = (".py", ".pyc", *extension_suffixes())


def claim(root: str, names: Iterable[str] = CLAIMABLE) -> list[str]:
    """Drop from `sys.modules` the modules that the task root (or the archive) has too; returns their names."""
    try:
        entries = {entry.partition(".")[0] for entry in os.listdir(root)}
    except OSError:  # an archive
        entries = {*names}
    claimed = [name for name in names if name in entries and offered(root, name) and not _ours(root, name)]
    for name in claimed:
        for loaded in [key for key in sys.modules if key == name or key.startswith(name + ".")]:
            del sys.modules[loaded]
    if claimed:
        sys.meta_path.insert(0, _TaskRootFirst(root, claimed))
    return claimed


def offered(root: str, name: str) -> bool:
    """Whether the task root (or the archive) has that module or package; a folder without Python does not count."""
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
    """The paths of a zip archive's members. Raises ImportError if the file is not a zip archive."""
    import zipimport

    # pkgutil looks there too. zipfile takes milliseconds to import, and the task root may have its own zipfile.py.
    directory: dict[str, dict[str, object]] = zipimport._zip_directory_cache  # type: ignore[attr-defined] # noqa: SLF001
    return [*directory[zipimport.zipimporter(archive).archive]]


def shadowed(paths: Iterable[str]) -> bool:
    """Whether a folder or an archive before Python's standard library has a module with a standard module's name."""
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
    """Whether it is a module, or a package with an `__init__`; other folders lose to a later module (PEP 420)."""
    files = [stem + suffix for stem in (name, f"{name}/__init__") for suffix in SUFFIXES]
    return any(file in entries or os.path.isfile(os.path.join(path, file)) for file in files)


def _ours(root: str, name: str) -> bool:
    """Whether it is the loaded module itself (if the task root is our checkout, for example), or a copy of ours."""
    if name in _MARKS and all(offered(root, f"{name}.{mark}") for mark in _MARKS[name]):
        return True
    module = sys.modules.get(name)
    if module is None:
        return False
    file = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), None)
    return file is not None and os.path.realpath(file).startswith(os.path.join(os.path.realpath(root), ""))


class _TaskRootFirst:
    """A finder that looks for the claimed names in the task root only.

    Without it a folder that has no `__init__.py` would lose to our package, which is a regular one (PEP 420).
    """

    def __init__(self, root: str, names: Sequence[str]) -> None:
        self._root = root
        self._names = frozenset(names)

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if path is not None or name not in self._names:
            return None
        from importlib.machinery import PathFinder

        return PathFinder.find_spec(name, [self._root], target)
