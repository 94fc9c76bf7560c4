"""The `dispatch` command; each subcommand is a module of this package, imported only when it is called."""

from __future__ import annotations

import atexit
import gc
import os
import sys

#: Objects that may be made before the interpreter looks for cycles among them: more than all imports make.
COLLECTED_AFTER = 100_000


def main() -> None:
    """Run the command; without its libraries, name the extra to install."""
    gc.set_threshold(COLLECTED_AFTER)
    open_streams()
    try:
        from runtime.cli import interrupt

        interrupt.ends_at_once()
    except KeyboardInterrupt:
        sys.exit(130)
    try:
        from runtime.cli.group import command
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        sys.exit("dispatch: the command needs click, not installed here; pip install 'handler-dispatch[local]'")
    try:
        command(prog_name="dispatch")
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            _leave(end.code or 0)
        raise


def _leave(status: int) -> None:
    """End the process without freeing every object of every module first; return if its output cannot be written."""
    atexit._run_exitfuncs()  # noqa: SLF001
    try:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except (OSError, ValueError):
        return
    os._exit(status)


def open_streams() -> None:
    """Give standard streams that are closed the null device: the next file that is opened would be taken for one."""
    # In this order, so that the lowest free descriptor, which `os.open` takes, is the stream's own.
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
