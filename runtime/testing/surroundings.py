"""Makes a test's process look like an execution environment while a function runs in it, and puts everything back."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import ModuleType

from dispatch import shadowing
from runtime.testing.process_state import (
    Additions,
    CurrentLoop,
    current_folder,
    log_handlers,
    process_exit,
    root_logger,
    set_variables,
    signals,
    standard_streams,
)

#: What the paths of libraries contain, whose modules stay imported.
_LIBRARIES = ("/site-packages/", "/dist-packages/")
_HERE = os.path.dirname(os.path.dirname(os.path.abspath(shadowing.__file__)))
#: Our packages, as beginnings of their files' paths.
OURS = tuple(os.path.join(_HERE, package, "") for package in shadowing.OUR_PACKAGES)
#: The standard library.
LIBRARY = os.path.join(shadowing.LIBRARY, "")
_NOT_OF_A_PROJECT = (LIBRARY, *OURS)


class Surroundings:
    """The surroundings of one function: its folder, variables, modules and log."""

    def __init__(self, root: str, project_modules: Mapping[str, ModuleType]) -> None:
        """Create the surroundings.

        Args:
            root: the task root.
            project_modules: modules of the project under test that have the names of our packages.
        """
        self._root = os.path.join(root, "")
        self._own = dict(project_modules)
        self._before = dict(sys.modules)
        self._contested = {*shadowing.CLAIMABLE, *self._used_elsewhere()}
        self._variables: dict[str, str | None] = {}
        self._loop = CurrentLoop()
        self._additions = [Additions(lambda: sys.path), Additions(lambda: sys.meta_path), Additions(log_handlers)]

    @contextmanager
    def entered(self, variables: Mapping[str, str]) -> Iterator[Callable[[], str]]:
        """Enter the surroundings; yields a function that returns what has been printed and logged since."""
        parts = [current_folder(self._root), root_logger(), signals(), process_exit(), self._names()]
        with ExitStack() as stack:
            stack.enter_context(self._environ(variables))
            for part in parts:
                stack.enter_context(part)
            stack.enter_context(self._loop)
            for additions in self._additions:
                stack.enter_context(additions)
            yield stack.enter_context(standard_streams())

    @contextmanager
    def _environ(self, variables: Mapping[str, str]) -> Iterator[None]:
        """Have these variables and no others, besides those that the function has set itself for earlier events."""
        before, mine = dict(os.environ), {**variables, **self._variables}
        given = {name: value for name, value in mine.items() if value is not None}
        set_variables({**dict.fromkeys(before.keys() - given.keys()), **given})
        try:
            yield
        finally:
            names = {name for name in given.keys() | os.environ.keys() if os.environ.get(name) != given.get(name)}
            self._variables |= {name: os.environ.get(name) for name in names}
            set_variables({**dict.fromkeys(os.environ.keys() - before.keys()), **before})

    def show_own(self) -> None:
        """Give names that the function's folder has, too, to the function's modules."""
        for name in _named({name.partition(".")[0] for name in self._own}):
            del sys.modules[name]
        sys.modules.update(self._own)

    def leave(self) -> None:
        """Forget the modules of the function's folder that only the function has imported, and close its loop."""
        self._loop.close()
        own = [name for name, module in sys.modules.items() if name not in self._before and self._has(module)]
        for name in own:
            del sys.modules[name]

    def _used_elsewhere(self) -> Iterator[str]:
        """The names that modules of other folders have, and that the function's folder has, too."""
        others = {
            name.partition(".")[0]
            for name, module in sys.modules.items()
            if _is_of_a_project(module) and not self._has(module)
        }
        return (name for name in others if shadowing.offered(self._root, name))

    @contextmanager
    def _names(self) -> Iterator[None]:
        """Give contested names back afterwards: to our packages, and to modules of other folders."""
        before = _named(self._contested)
        others = [name for name, module in before.items() if _is_of_a_project(module) and not self._has(module)]
        for name in others:
            del sys.modules[name]
        try:
            yield
        finally:
            self._own = {name: module for name, module in _named(self._contested).items() if self._has(module)}
            for name in self._own:
                del sys.modules[name]
            sys.modules.update(before)

    def _has(self, module: ModuleType) -> bool:
        """Whether the module is the function's own: a file in its folder, not in a library there."""
        return _place(module).startswith(self._root) and _is_of_a_project(module)


def _place(module: ModuleType) -> str:
    """The module's file, or the folder of a package without one; an empty string for a built-in module."""
    try:
        place = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", None) or ()), "")
    except KeyError:  # a namespace package whose parent is no longer loaded
        return ""
    return place if isinstance(place, str) else ""


def _is_of_a_project(module: ModuleType) -> bool:
    """Whether the module is neither ours nor a library's, nor one of Python's own."""
    place = _place(module)
    return os.path.isabs(place) and not (
        place.startswith(_NOT_OF_A_PROJECT) or any(folder in place for folder in _LIBRARIES)
    )


def _named(tops: Collection[str]) -> dict[str, ModuleType]:
    """The loaded modules of these packages."""
    return {name: module for name, module in sys.modules.items() if name.partition(".")[0] in tops}
