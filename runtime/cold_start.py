"""Tricks that make a cold start shorter; docs/tricks.md says what each buys."""

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
    """Call a function with a module as soon as it has been imported, by whoever needs it; at once if it is there."""
    if name in sys.modules:
        then(sys.modules[name])
    else:
        sys.meta_path.insert(0, _Awaited(name, then))


class _Awaited:
    """A finder that waits for one module, taps its loader and leaves."""

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
    """A module that takes no more of `typing` than a base class and `Optional[...]`, imported without it.

    typing is a tenth of a cold start. Where nobody has imported it yet, a stand-in takes its place for as long as the
    module is being imported; whatever else is asked of the stand-in comes from the real module.
    """
    # Another thread, of sitecustomize say, might import typing meanwhile.
    if "typing" in sys.modules or len(sys._current_frames()) > 1:  # noqa: SLF001
        return import_module(name)
    sys.modules["typing"] = stand_in = _Typing("typing")
    try:
        return import_module(name)
    finally:
        _forget(stand_in)


class _Typing(ModuleType):
    """What stands in for typing."""

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
