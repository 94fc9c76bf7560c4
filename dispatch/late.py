"""Imports a library when it is first needed, as it would have been imported before user code ran.

By then the task root is first on `sys.path`, and user code may have changed that path or put modules of its own into
`sys.modules`, under the names of the library or of standard modules that the library needs. The import must not find
those, and user code must find no module in `sys.modules` that it would not have found itself.
"""

from __future__ import annotations

import sys
from _frozen_importlib import BuiltinImporter, FrozenImporter  # loaded with the interpreter
from _frozen_importlib_external import PathFinder
from _thread import RLock, get_ident
from importlib import import_module

from dispatch.cold_start import import_without
from dispatch.shadowing import LIBRARY, ORIGINAL_PATH

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

#: An RLock, because a signal handler may need the library during its import.
_lock = RLock()


_every: list[Late] = []


class Late:
    """A library that is imported at the first call, which returns it, as does each later one.

    Attributes:
        module: the library; None before the first call.
    """

    __slots__ = ("_name", "_needless", "module")

    def __init__(self, name: str, needless: str = "") -> None:
        """Wait for the first call.

        Args:
            name: the library.
            needless: a module that it imports for next to nothing, as for `cold_start.import_without`.
        """
        self._name = name
        self._needless = needless
        self.module: Any = None
        _every.append(self)

    def __call__(self) -> Any:
        """The library. Raises ImportError or OSError if it cannot be imported, as in a process without descriptors."""
        if self.module is None:
            with _lock:
                self.module = _imported(self._name, self._needless)
        return self.module


def import_every() -> None:
    """Import all of them now, in a process from whose memory environments start: after a snapshot, or forked."""
    for library in _every:
        try:
            library()
        except Exception:  # noqa: BLE001, S112 - the import is tried again when the library is needed
            continue


def _imported(name: str, needless: str) -> ModuleType:
    others = {key: module for key, module in [*sys.modules.items()] if _is_anothers(_top(key), name)}
    before, finder = {*sys.modules} - others.keys(), _AsBefore()
    try:
        for key in others:
            sys.modules.pop(key, None)
        sys.meta_path.insert(0, finder)
        return import_without(needless, name) if needless else import_module(name)
    finally:
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)
        loaded = {*sys.modules} - before
        found = {top: sys.modules[top] for top in map(_top, loaded) if top in sys.modules and top not in before}
        hidden = {*map(_top, others), *(top for top in found if _is_hidden(top, found[top]))}
        for key in loaded:
            if _top(key) in hidden:
                sys.modules.pop(key, None)
        sys.modules.update(others)


def _top(name: str) -> str:
    return name.partition(".")[0]


def _is_anothers(name: str, library: str) -> bool:
    """Whether the loaded module of that name is neither Python's own nor the library, as its name says."""
    if name not in sys.stdlib_module_names and name != library:
        return False
    origin = _origin(sys.modules.get(name))
    return origin is None or not (
        origin in {"built-in", "frozen"} or origin.startswith(LIBRARY) or origin == _origin_of(_found(name))
    )


def _is_hidden(name: str, module: ModuleType) -> bool:
    """Whether an import of that name would find another module, which the task root has, for example."""
    try:
        specs = (finder.find_spec(name, None) for finder in sys.meta_path)
        return _origin(module) != _origin_of(next(filter(None, specs), None))
    except Exception:  # noqa: BLE001 - a finder of user code has failed, as it would in an import
        return True


def _found(name: str, path: Sequence[str] | None = None) -> ModuleSpec | None:
    """Where Python's own finders find a module, whatever user code has put beside or in front of them."""
    own = BuiltinImporter.find_spec(name, path) or FrozenImporter.find_spec(name, path)
    return own or PathFinder.find_spec(name, [*ORIGINAL_PATH] if path is None else path)


def _origin(module: object) -> str | None:
    return _origin_of(getattr(module, "__spec__", None))


def _origin_of(spec: object) -> str | None:
    """The file of a module, `built-in` or `frozen`; None for a module that was not imported from anywhere."""
    origin = getattr(spec, "origin", None)
    return origin if isinstance(origin, str) else None


class _AsBefore:
    """A finder that lets the thread that created it find modules where they were before user code ran."""

    def __init__(self) -> None:
        self._thread = get_ident()

    def find_spec(self, name: str, path: Sequence[str] | None, _target: ModuleType | None = None) -> ModuleSpec | None:
        return _found(name, path) if get_ident() == self._thread else None
