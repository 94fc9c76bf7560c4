"""Makes a test's process look like an execution environment while a function runs in it, and puts everything back."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any, NoReturn

from dispatch import shadowing
from runtime.logs import Log
from runtime.settings import log_settings
from runtime.standard_streams import unbuffer

#: What the paths of libraries contain, whose modules stay imported.
_LIBRARIES = ("/site-packages/", "/dist-packages/")
_HERE = os.path.dirname(os.path.dirname(os.path.abspath(shadowing.__file__)))
#: Our packages, as beginnings of their files' paths.
OURS = tuple(os.path.join(_HERE, package, "") for package in shadowing.OUR_PACKAGES)
#: The standard library.
LIBRARY = os.path.join(shadowing.LIBRARY, "")
_NOT_OF_A_PROJECT = (LIBRARY, *OURS)

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
        self._variables: dict[str, str | None] = {}
        self._loop = _CurrentLoop()
        self._additions = [_Additions(lambda: sys.path), _Additions(lambda: sys.meta_path), _Additions(_handlers)]

    @contextmanager
    def entered(self, variables: Mapping[str, str]) -> Iterator[Callable[[], str]]:
        """Enter the surroundings; yields a function that returns what has been printed and logged since."""
        parts = [_current_folder(self._root), _root_logger(), _signals(), _exit(), self._names()]
        with ExitStack() as stack:
            stack.enter_context(self._environ(variables))
            for part in parts:
                stack.enter_context(part)
            stack.enter_context(self._loop)
            for additions in self._additions:
                stack.enter_context(additions)
            yield stack.enter_context(_standard_streams())

    @contextmanager
    def _environ(self, variables: Mapping[str, str]) -> Iterator[None]:
        """Have these variables and no others, besides those that the function has set itself for earlier events."""
        before, mine = dict(os.environ), {**variables, **self._variables}
        given = {name: value for name, value in mine.items() if value is not None}
        _set({**dict.fromkeys(before.keys() - given.keys()), **given})
        try:
            yield
        finally:
            names = {name for name in given.keys() | os.environ.keys() if os.environ.get(name) != given.get(name)}
            self._variables |= {name: os.environ.get(name) for name in names}
            _set({**dict.fromkeys(os.environ.keys() - before.keys()), **before})

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


class _CurrentLoop:
    """The event loop that `asyncio.get_event_loop()` finds: the function's, as if nothing else had used asyncio.

    From Python 3.14 on it finds none that the function has not set.
    """

    def __init__(self) -> None:
        self._own: dict[str, Any] = {"_loop": None, "_set_called": False}
        self._before: dict[str, Any] = {}

    def __enter__(self) -> None:
        self._before = self._replace(self._own)

    def __exit__(self, *_: object) -> None:
        self._own = self._replace(self._before)

    def close(self) -> None:
        """Close the loop."""
        if self._own["_loop"] is not None:
            self._own["_loop"].close()

    @staticmethod
    def _replace(values: dict[str, Any]) -> dict[str, Any]:
        """Set what asyncio knows of this thread's loop; returns what it knew. There is no other way to ask it."""
        if sys.version_info >= (3, 14):
            return values
        local = getattr(asyncio.get_event_loop_policy(), "_local", None)
        before = {name: getattr(local, name, value) for name, value in values.items()}
        if local is not None:
            vars(local).update(values)
        return before


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
    level, handlers, disabled = root.level, [*root.handlers], root.manager.disable
    Log(*log_settings(os.environ)).set_up(logging)
    try:
        yield
    finally:
        root.setLevel(level)
        root.handlers[:] = handlers
        logging.disable(disabled)
        logging.Formatter.converter = converter


@contextmanager
def _signals() -> Iterator[None]:
    """Put back what signals do; SIGALRM is the deadline's."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in signal.valid_signals() - {signal.SIGALRM}}
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler)


@contextmanager
def _exit() -> Iterator[None]:
    """Let `os._exit` end what calls it, as `sys.exit` does, instead of the whole test run without a word."""
    leave, process = os._exit, os.getpid()

    def end(status: int) -> NoReturn:
        if os.getpid() != process:
            leave(status)
        raise SystemExit(f"the handler called os._exit({status})")

    os._exit = end
    try:
        yield
    finally:
        os._exit = leave


#: For each function that is running, the innermost last: the descriptors of the usual outputs, and of its log.
_outputs: list[tuple[Mapping[int, int], Mapping[int, int]]] = []


def show_output(show: bool) -> None:
    """Let a running function write where the process usually writes, as for a debugger, or to its log again."""
    for descriptor, target in (_outputs[-1][0 if show else 1] if _outputs else {}).items():
        os.dup2(target, descriptor)


@contextmanager
def _standard_streams() -> Iterator[Callable[[], str]]:
    """Catch what this process and its children write to standard output and standard error."""
    with tempfile.TemporaryFile(buffering=0) as file:
        before = {name: getattr(sys, name) for name in _STREAMS}
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        copies = {descriptor: os.dup(descriptor) for descriptor in (1, 2)}
        outputs = (copies, dict.fromkeys(copies, file.fileno()))
        _outputs.append(outputs)
        show_output(False)
        unbuffer()
        try:
            # Not read(): the descriptors have one position in the file, at which a thread may be writing.
            yield lambda: os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode(errors="replace")
        finally:
            show_output(True)
            _outputs.remove(outputs)
            for copy in copies.values():
                os.close(copy)
            for name, stream in before.items():
                setattr(sys, name, stream)
