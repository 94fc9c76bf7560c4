"""Keeps ``_X_AMZN_TRACE_ID`` right for each invocation without a leak.

``os.environ[...] = value`` calls the C library's setenv, and glibc never frees a value that it was given: some 140
bytes for each invocation. So Python's own view is written each time, and the C library's, which only child processes
see, at the moment when one is started. Multiprocessing spawns without an audit event: its function for it is wrapped.
"""

from __future__ import annotations

import os
import sys

from runtime.cold_start import when_imported

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

VARIABLE = "_X_AMZN_TRACE_ID"

_KEY = os.fsencode(VARIABLE)

#: The audit events at which a child process takes over the C library's environment.
_STARTS = frozenset({"subprocess.Popen", "os.exec", "os.posix_spawn", "os.system"})


class Trace:
    """The variable; one object a process."""

    def __init__(self) -> None:
        self._view: dict[bytes, bytes] | None = getattr(os.environ, "_data", None)
        self._hooked = False

    def set(self, trace_id: str | None) -> None:
        """Make this the current value; None takes the variable away."""
        if self._view is None:
            self._set_both(trace_id)
        elif trace_id:
            self._view[_KEY] = trace_id.encode()
            if not self._hooked:
                self._hooked = True
                sys.addaudithook(self._audit)
                when_imported("multiprocessing.util", self._wrap)
        elif self._view.pop(_KEY, None) is not None:
            os.unsetenv(_KEY)

    def _set_both(self, trace_id: str | None) -> None:
        if trace_id:
            os.environ[VARIABLE] = trace_id
        else:
            os.environ.pop(VARIABLE, None)

    def _audit(self, event: str, _arguments: tuple[object, ...]) -> None:
        if event in _STARTS:
            self._tell()

    def _wrap(self, util: Any) -> None:
        spawn = util.spawnv_passfds

        def tell_first(*arguments: object) -> object:
            self._tell()
            return spawn(*arguments)

        util.spawnv_passfds = tell_first

    def _tell(self) -> None:
        value = self._view.get(_KEY) if self._view is not None else None
        if value is not None:
            os.putenv(_KEY, value)
