"""Makes a test's process look like an execution environment while a function runs in it, and puts everything back."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any

from dispatch import shadowing
from runtime.logs import Log
from runtime.settings import log_settings
from runtime.standard_streams import unbuffer

#: What the paths of libraries contain, whose modules stay imported.
_LIBRARIES = ("/site-packages/", "/dist-packages/")
_HERE = os.path.dirname(os.path.dirname(os.path.abspath(shadowing.__file__)))
_NOT_OF_A_PROJECT = tuple(
    os.path.join(folder, "")
    for folder in (shadowing.LIBRARY, *(os.path.join(_HERE, package) for package in shadowing.OUR_PACKAGES))
)

_STREAMS = ("stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__")


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
        self._additions = [_Additions(lambda: sys.path), _Additions(lambda: sys.meta_path), _Additions(_handlers)]

    @contextmanager
    def entered(self, variables: Mapping[str, str]) -> Iterator[Callable[[], str]]:
        """Enter the surroundings; yields a function that returns what has been printed and logged since."""
        with ExitStack() as stack:
            others = dict.fromkeys(os.environ.keys() - variables.keys())
            for part in (environ({**variables, **others}), _current_folder(self._root), _root_logger(), self._names()):
                stack.enter_context(part)
            for additions in self._additions:
                stack.enter_context(additions)
            yield stack.enter_context(_standard_streams())

    def show_own(self) -> None:
        """Give names that the function's folder has, too, to the function's modules."""
        for name in _named({name.partition(".")[0] for name in self._own}):
            del sys.modules[name]
        sys.modules.update(self._own)

    def leave(self) -> None:
        """Forget the modules of the function's folder that only the function has imported."""
        for name, module in [*sys.modules.items()]:
            if name not in self._before and self._has(module):
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
        for name, module in before.items():
            if _is_of_a_project(module) and not self._has(module):
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
    place = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", None) or ()), "")
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


def _handlers() -> list[logging.Handler]:
    return logging.getLogger().handlers


class _Additions:
    """What user code adds to a list of the whole process, which has it only while the function runs."""

    def __init__(self, find: Callable[[], list[Any]]) -> None:
        self._find = find
        self._added: list[Any] = []
        self._before: list[Any] = []

    def __enter__(self) -> None:
        entries = self._find()
        self._before = [*entries]
        entries[:] = [*self._added, *(entry for entry in entries if entry not in self._added)]

    def __exit__(self, *_: object) -> None:
        entries = self._find()
        self._added = [entry for entry in entries if entry not in self._before]
        entries[:] = self._before


@contextmanager
def environ(variables: Mapping[str, str | None]) -> Iterator[None]:
    """Set variables of the environment, or remove them (None), and put them back; others that change stay changed."""
    before = {name: os.environ.get(name) for name in variables if os.environ.get(name) != variables[name]}
    _set({name: variables[name] for name in before})
    try:
        yield
    finally:
        _set(before)


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    if "TZ" in variables:
        time.tzset()


@contextmanager
def _current_folder(folder: str) -> Iterator[None]:
    before = os.open(".", os.O_RDONLY)
    os.chdir(folder)
    try:
        yield
    finally:
        os.fchdir(before)
        os.close(before)


@contextmanager
def _root_logger() -> Iterator[None]:
    """Let records go to standard error as in the runtime, besides where they go already."""
    root, converter = logging.getLogger(), logging.Formatter.converter
    level, handlers = root.level, [*root.handlers]
    Log(*log_settings(os.environ)).set_up(logging)
    try:
        yield
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers
        logging.Formatter.converter = converter


@contextmanager
def _standard_streams() -> Iterator[Callable[[], str]]:
    """Catch what this process and its children write to standard output and standard error."""
    with tempfile.TemporaryFile(buffering=0) as file:
        before = {name: getattr(sys, name) for name in _STREAMS}
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        copies = {descriptor: os.dup(descriptor) for descriptor in (1, 2)}
        for descriptor in copies:
            os.dup2(file.fileno(), descriptor)
        unbuffer()
        try:
            # Not read(): the descriptors have one position in the file, at which a thread may be writing.
            yield lambda: os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode(errors="replace")
        finally:
            for descriptor, copy in copies.items():
                os.dup2(copy, descriptor)
                os.close(copy)
            for name, stream in before.items():
                setattr(sys, name, stream)
