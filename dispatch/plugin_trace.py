"""Logs each call of a plugin's hook with its time: what `HANDLER_TRACE_PLUGINS=1` adds.

It is imported only if the variable is set: without it, a call costs nothing more.
"""

from __future__ import annotations

from time import perf_counter

from dispatch.exceptions import text, titled

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class Traced:
    """Stands in for a plugin's implementation of a hook, and logs its calls.

    Attributes:
        plugin, plugin_name, argnames: those of the implementation.
    """

    def __init__(self, implementation: Any, hook: str, log: Callable[[str], None]) -> None:
        self.plugin = implementation.plugin
        self.plugin_name = implementation.plugin_name
        self.argnames = implementation.argnames
        self._call = implementation.function
        self._what = f"{hook} in the plugin {self.plugin_name.partition(':')[0]}"
        self._log = log

    def function(self, *arguments: Any) -> Any:
        """Call the implementation; log in one line how long that took, and its error or its claim if there is one."""
        started = perf_counter()
        try:
            result = self._call(*arguments)
        except BaseException as error:
            self._write(started, f", raised {titled(error)}")
            raise
        claim = text(getattr(result, "description", ""))
        self._write(started, claim and f", claims the handler string as {claim}")
        return result

    def _write(self, started: float, outcome: str) -> None:
        line = f"{self._what} took {(perf_counter() - started) * 1000:.3f} ms{outcome}"
        self._log(" ".join(line.split()))
