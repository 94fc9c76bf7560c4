"""Gives the function's folder first claim on module names that this process has loaded from elsewhere.

The runtime imports what it needs before any user code. If the task root has a module of the same name (its own
``runtime.py``, its own release of a library that we use), ours leaves ``sys.modules``: the references that we hold stay
good, and the user's ``import`` finds the user's.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

#: Our packages, and the libraries that the runtime may have loaded.
CLAIMABLE = (
    "dispatch", "conventions", "runtime",
    "pluggy", "simplejson", "orjson", "msgspec", "httptools", "requests", "urllib3",
)  # fmt: skip


def claim(root: str, names: Iterable[str] = CLAIMABLE) -> list[str]:
    """Drop from ``sys.modules`` what the task root has too; returns the names it got."""
    claimed = [name for name in names if offered(root, name) and not _loaded_from(root, name)]
    for name in claimed:
        for loaded in [key for key in sys.modules if key == name or key.startswith(name + ".")]:
            del sys.modules[loaded]
    if claimed:
        sys.meta_path.insert(0, _TaskRootFirst(root, claimed))
    return claimed


def offered(root: str, name: str) -> bool:
    """Whether the task root has a module or package of that name; a folder without Python in it is none."""
    base = os.path.join(root, name)
    if os.path.isdir(base):
        return any(entry.endswith((".py", ".pyc", ".so")) for entry in os.listdir(base))
    return any(os.path.isfile(base + suffix) for suffix in (".py", ".pyc", ".so"))


def _loaded_from(root: str, name: str) -> bool:
    """Whether the module, if it is loaded, came from the task root (as ours do when a checkout is the task root)."""
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
