"""Sets environment variables for each invocation without leaking memory.

`os.environ[...] = value` calls the C library's setenv, and glibc never frees a value that it was given: about 140 bytes
for each invocation and variable. So each invocation changes only Python's own view. The C library's view, which child
processes inherit, is brought up to date when one is started; C code in this process sees an earlier value.
multiprocessing raises no audit event then, so its spawning function is wrapped.
"""

from __future__ import annotations

import os
import sys

from dispatch.cold_start import when_imported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

#: The audit events before which a child process inherits the C library's environment.
_STARTS = frozenset({"subprocess.Popen", "os.exec", "os.posix_spawn", "os.system"})

#: Python's view of the environment; None where its keys and values are not known to be UTF-8.
_view: dict[bytes, bytes] | None = (
    getattr(os.environ, "_data", None) if sys.getfilesystemencoding() == "utf-8" else None
)

#: The variables that the C library has not been told of.
_changed: set[bytes] = set()

_hooked = False


def set_variable(name: str, value: str | None) -> None:
    """Set a variable, or remove it (None), for Python and for child processes that inherit the environment.

    Raises ValueError for what no environment can have: `=` in a name, a null character, a lone surrogate.
    """
    if _view is None or "=" in name or "\0" in name or (value is not None and "\0" in value):
        set_both(name, value)
        return
    key = name.encode("utf-8", "surrogateescape")
    if value is None:
        if _view.pop(key, None) is not None:
            _changed.discard(key)
            os.unsetenv(key)
        return
    _view[key] = value.encode("utf-8", "surrogateescape")
    _changed.add(key)
    if not _hooked:
        _hook()


def set_variables(variables: Mapping[str, str | None]) -> None:
    """Set or remove several."""
    for name, value in variables.items():
        set_variable(name, value)


def set_both(name: str, value: str | None) -> None:
    """Set a variable, or remove it (None), for the C library too, which keeps the value for ever."""
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def _hook() -> None:
    global _hooked  # noqa: PLW0603 - an audit hook is for the whole process, and cannot be removed
    _hooked = True
    sys.addaudithook(_audit)
    when_imported("multiprocessing.util", _wrap)


def _audit(event: str, arguments: tuple[object, ...]) -> None:
    # The last argument is the child's environment; None is the C library's, as always for os.system.
    if event in _STARTS and (event == "os.system" or arguments[-1] is None):
        _tell()


def _wrap(util: Any) -> None:
    spawn = util.spawnv_passfds

    def tell_first(*arguments: object) -> object:
        _tell()
        return spawn(*arguments)

    util.spawnv_passfds = tell_first


def _tell() -> None:
    """Bring the C library's environment up to date."""
    while _changed and _view is not None:
        key = _changed.pop()
        value = _view.get(key)
        if value is not None:
            os.putenv(key, value)
