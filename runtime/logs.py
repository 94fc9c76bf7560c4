"""The runtime's own words, and the streams that user code prints to."""

from __future__ import annotations

import io
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dispatch.types import Report


class Log:
    """Writes what the runtime has to say to standard error."""

    def warning(self, message: str) -> None:
        """Something went wrong that the runtime can live with."""
        self._write(f"dispatch: {message}\n")

    def error(self, report: Report) -> None:
        """An error report, in the managed runtime's layout: one record, its lines joined by carriage returns."""
        lines = [f"[ERROR] {report['errorType']}: {report['errorMessage']}", "Traceback (most recent call last):"]
        for entry in report["stackTrace"]:
            lines += entry.splitlines()
        self._write("\r".join(lines) + "\n")

    def _write(self, text: str) -> None:
        try:
            os.write(2, text.encode("utf-8", "backslashreplace"))
        except OSError:  # standard error was closed; there is nobody to tell
            return


def unbuffer() -> None:
    """Let everything that is printed out at once, as UTF-8 whatever the locale says."""
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        try:
            raw = io.FileIO(descriptor, "w", closefd=False)
        except OSError:
            continue
        stream = io.TextIOWrapper(raw, "utf-8", "backslashreplace", newline="\n", write_through=True)  # type: ignore[arg-type]
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
