"""Tricks that make a cold start shorter; docs/explanations/tricks.md explains what each one saves."""

from __future__ import annotations

import sys
from importlib import import_module
from types import FunctionType, MethodType, ModuleType

from dispatch.shadowing import OUR_PACKAGES

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


def import_lazily() -> bool:
    """Make the module-level imports of all code but ours lazy from now on; False if this Python cannot (before 3.15).

    Ours stay eager: a name that is looked up late could find a module of the task root.
    """
    if not hasattr(sys, "set_lazy_imports"):
        return False
    sys.set_lazy_imports_filter(  # type: ignore[attr-defined]
        lambda importing, *_: importing.partition(".")[0] not in OUR_PACKAGES
    )
    sys.set_lazy_imports("all")
    return True


def import_without(needless: str, name: str) -> Any:
    """Import a module without another one, `typing` or `inspect`, of which it needs next to nothing.

    Importing typing takes a tenth of a cold start, inspect a third. If the needless one has not been imported yet, a
    stand-in takes its place during this import; any attribute that the stand-in lacks comes from the real module.
    """
    # Another thread, from sitecustomize for example, might import it at the same time.
    if needless in sys.modules or len(sys._current_frames()) > 1:  # noqa: SLF001
        return import_module(name)
    sys.modules[needless] = stand_in = _STAND_INS[needless](needless)
    try:
        return import_module(name)
    finally:
        _forget(stand_in)


class _StandIn(ModuleType):
    """Takes the place of a module; whatever it lacks, it gets from the real one."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.real(), name)

    def real(self) -> ModuleType:
        _forget(self)
        return import_module(self.__name__)


class _Typing(_StandIn):
    """What httptools takes from typing: a base class and `Optional[...]`."""

    Protocol = object
    Optional = list


class _Inspect(_StandIn):
    """What pluggy asks inspect about the functions of a plugin."""

    def isclass(self, thing: object) -> bool:
        return isinstance(thing, type)

    def ismodule(self, thing: object) -> bool:
        return isinstance(thing, ModuleType)

    def isfunction(self, thing: object) -> bool:
        return isinstance(thing, FunctionType)

    def ismethod(self, thing: object) -> bool:
        return isinstance(thing, MethodType)

    def getmro(self, cls: type) -> tuple[type, ...]:
        return cls.__mro__

    def isroutine(self, thing: object) -> bool:
        return isinstance(thing, (FunctionType, MethodType)) or self._really("isroutine", thing)

    def unwrap(self, function: Any, **options: Any) -> Any:
        return self._really("unwrap", function, **options) if hasattr(function, "__wrapped__") else function

    def getattr_static(self, thing: object, name: str, *default: Any) -> Any:
        if type(thing) is ModuleType and name in vars(thing):
            return vars(thing)[name]
        return self._really("getattr_static", thing, name, *default)

    def _really(self, name: str, *arguments: Any, **options: Any) -> Any:
        return getattr(self.real(), name)(*arguments, **options)


_STAND_INS = {"typing": _Typing, "inspect": _Inspect}


def _forget(stand_in: _StandIn) -> None:
    name = stand_in.__name__
    if sys.modules.get(name) is stand_in:
        del sys.modules[name]
