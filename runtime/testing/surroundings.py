"""Makes a test's process look like an execution environment while a function runs in it, and puts everything back."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from dispatch import shadowing
from runtime.logs import Log
from runtime.settings import log_settings
from runtime.standard_streams import unbuffer

#: Folders of libraries, whose modules stay imported.
_LIBRARIES = frozenset({"site-packages", "dist-packages"})
_HERE = Path(shadowing.__file__).parents[1]
_NOT_OF_A_PROJECT = (Path(shadowing.LIBRARY), *(_HERE / package for package in shadowing.OUR_PACKAGES))

_STREAMS = ("stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__")


class Surroundings:
    """The surroundings of one function: its folder, variables, modules and log."""

    def __init__(self, root: Path, project_modules: Mapping[str, ModuleType]) -> None:
        """Create the surroundings.

        Args:
            root: the task root.
            project_modules: modules of the project under test that have the names of our packages.
        """
        self._root = root
        self._own = dict(project_modules)
        self._before = dict(sys.modules)
        self._displaced: dict[str, ModuleType] = {}
        self._additions = [_Additions(lambda: sys.path), _Additions(lambda: sys.meta_path), _Additions(_handlers)]

    @contextmanager
    def entered(self, variables: Mapping[str, str]) -> Iterator[Callable[[], str]]:
        """Enter the surroundings; yields a function that returns what has been printed and logged since."""
        with ExitStack() as stack:
            for part in (_environ(variables), _current_folder(self._root), _root_logger(), self._names()):
                stack.enter_context(part)
            for additions in self._additions:
                stack.enter_context(additions)
            yield stack.enter_context(_standard_streams())

    def make_way(self) -> None:
        """Set aside modules of other folders that have the names of modules in the task root."""
        for name, module in [*sys.modules.items()]:
            top = name.partition(".")[0]
            if _is_of_a_project(module) and not self._has(module) and shadowing.offered(str(self._root), top):
                self._displaced[name] = sys.modules.pop(name)

    def show_own(self) -> None:
        """Give the names of our packages to the project's modules that have them, too."""
        tops = {name.partition(".")[0] for name in self._own}
        for name in [name for name in sys.modules if name.partition(".")[0] in tops]:
            del sys.modules[name]
        sys.modules.update(self._own)

    def leave(self) -> None:
        """Forget the modules that only the function has imported from its folder, and bring the others back."""
        for name, module in [*sys.modules.items()]:
            if name not in self._before and self._has(module):
                del sys.modules[name]
        sys.modules.update(self._displaced)

    @contextmanager
    def _names(self) -> Iterator[None]:
        """Give the names of our packages, and of the libraries that we use, back to us afterwards."""
        before = _claimable()
        try:
            yield
        finally:
            now = _claimable()
            self._own = {name: module for name, module in now.items() if self._has(module)}
            for name in self._own:
                del sys.modules[name]
            sys.modules.update(before)

    def _has(self, module: ModuleType) -> bool:
        """Whether the module is the function's own: a file in its folder, not in a library there."""
        return _is_of_a_project(module) and _file(module).is_relative_to(self._root)


def _file(module: ModuleType) -> Path:
    """The module's file, or the folder of a package without one; an empty path for a built-in module."""
    place = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", None) or ()), None)
    return Path(place) if isinstance(place, str) else Path()


def _is_of_a_project(module: ModuleType) -> bool:
    """Whether the module is neither ours nor a library's, nor one of Python's own."""
    file = _file(module)
    if not file.is_absolute() or not _LIBRARIES.isdisjoint(file.parts):
        return False
    return not any(file.is_relative_to(folder) for folder in _NOT_OF_A_PROJECT)


def _claimable() -> dict[str, ModuleType]:
    """The loaded modules whose names the task root may claim from us."""
    names = frozenset(shadowing.CLAIMABLE)
    return {name: module for name, module in sys.modules.items() if name.partition(".")[0] in names}


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
def _environ(variables: Mapping[str, str]) -> Iterator[None]:
    """Set the environment's variables to these; what user code changes besides them stays."""
    changed = {name for name in os.environ.keys() | variables if os.environ.get(name) != variables.get(name)}
    before = {name: os.environ.get(name) for name in changed}
    _set({name: variables.get(name) for name in changed})
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
def _current_folder(folder: Path) -> Iterator[None]:
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
