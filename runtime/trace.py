"""Sets `_X_AMZN_TRACE_ID` for each invocation without leaking memory.

`os.environ[...] = value` calls the C library's setenv, and glibc never frees a value that it was given: about 140 bytes
for each invocation. So each invocation updates only Python's own view. The C library's view, which only child
processes see, is updated when one is started. multiprocessing raises no audit event then, so its spawning function is
wrapped.
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

#: The audit events before which a child process inherits the C library's environment.
_STARTS = frozenset({"subprocess.Popen", "os.exec", "os.posix_spawn", "os.system"})


class Trace:
    """The environment variable; one object per process."""

    def __init__(self) -> None:
        self._view: dict[bytes, bytes] | None = getattr(os.environ, "_data", None)
        self._hooked = False

    def set(self, trace_id: str | None) -> None:
        """Set the variable; None removes it."""
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

    def _audit(self, event: str, arguments: tuple[object, ...]) -> None:
        # The last argument is the child's environment; None is the C library's, as always for os.system.
        if event in _STARTS and (event == "os.system" or arguments[-1] is None):
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
