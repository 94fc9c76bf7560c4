"""Puts back what a function changes in the state of a whole process: variables, folder, streams, loggers, signals."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn

from dispatch.event_variables import set_both
from runtime.logs import Log
from runtime.settings import log_settings
from runtime.standard_streams import unbuffer

_STREAMS = ("stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__")


def log_handlers() -> list[logging.Handler]:
    """The handlers of the root logger."""
    return logging.getLogger().handlers


class CurrentLoop:
    """asyncio's policy, which knows the event loop that `asyncio.get_event_loop()` finds: the function's own.

    It is as if nothing else had used asyncio, and a policy that the function sets, such as uvloop's, is not the test's.
    """

    def __init__(self) -> None:
        self._policy: Any = None

    def __enter__(self) -> None:
        self._policy = _replace_policy(self._policy)

    def __exit__(self, *_: object) -> None:
        self._policy = _replace_policy(self._policy)

    def close(self) -> None:
        """Close the loop."""
        loop = getattr(getattr(self._policy, "_local", None), "_loop", None)
        if loop is not None:
            loop.close()


def _replace_policy(policy: Any) -> Any:
    """Set asyncio's policy, None for a new one; returns the earlier one. asyncio's own functions are deprecated."""
    events: Any = asyncio.events
    before, events._event_loop_policy = events._event_loop_policy, policy  # noqa: SLF001
    return before


class Additions:
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
    set_variables({name: variables[name] for name in before})
    try:
        yield
    finally:
        set_variables(before)


def set_variables(variables: Mapping[str, str | None]) -> None:
    """Set variables of the environment, or remove them (None)."""
    for name, value in variables.items():
        set_both(name, value)
    if "TZ" in variables:
        time.tzset()


@contextmanager
def current_folder(folder: str) -> Iterator[None]:
    """Make a folder the current one."""
    before = os.open(".", os.O_RDONLY)
    os.chdir(folder)
    try:
        yield
    finally:
        os.fchdir(before)
        os.close(before)


@contextmanager
def root_logger() -> Iterator[None]:
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
def signals() -> Iterator[None]:
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
def process_exit() -> Iterator[None]:
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
def standard_streams() -> Iterator[Callable[[], str]]:
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
