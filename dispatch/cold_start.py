"""Tricks that make a cold start shorter; docs/tricks.md explains what each one saves."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.machinery import ModuleSpec
    from typing import Any


def when_imported(name: str, then: Callable[[Any], None]) -> None:
    """Call a function with a module as soon as any code has imported it; at once if it is imported already."""
    if name in sys.modules:
        then(sys.modules[name])
    else:
        sys.meta_path.insert(0, _Awaited(name, then))


class _Awaited:
    """A finder that waits for the import of one module, taps its loader and removes itself."""

    def __init__(self, name: str, then: Callable[[Any], None]) -> None:
        self._name = name
        self._then = then

    def find_spec(self, name: str, *_: Any) -> ModuleSpec | None:
        if name != self._name:
            return None
        from importlib.util import find_spec

        sys.meta_path.remove(self)
        spec = find_spec(name)
        if spec is not None and spec.loader is not None:
            self._tap(spec.loader)
        return spec

    def _tap(self, loader: Any) -> None:
        execute = loader.exec_module

        def execute_and_call(module: ModuleType) -> None:
            execute(module)
            if module.__name__ == self._name:  # a zip archive has one loader for all its modules
                loader.exec_module = execute
                self._then(module)

        loader.exec_module = execute_and_call


def import_without_typing(name: str) -> Any:
    """Import a module without `typing`, of which it needs only a base class and `Optional[...]`.

    Importing typing takes a tenth of a cold start. If it has not been imported yet, a stand-in takes its place during
    this import; any other attribute of the stand-in comes from the real module.
    """
    # Another thread, from sitecustomize for example, might import typing at the same time.
    if "typing" in sys.modules or len(sys._current_frames()) > 1:  # noqa: SLF001
        return import_module(name)
    sys.modules["typing"] = stand_in = _Typing("typing")
    try:
        return import_module(name)
    finally:
        _forget(stand_in)


class _Typing(ModuleType):
    """The stand-in for typing."""

    Protocol = object
    Optional = list

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        _forget(self)
        return getattr(import_module("typing"), name)


def _forget(stand_in: _Typing) -> None:
    if sys.modules.get("typing") is stand_in:
        del sys.modules["typing"]
