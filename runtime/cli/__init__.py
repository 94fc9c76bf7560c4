"""The `dispatch` command; each subcommand is a module of this package, imported only when it is called."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command; without its libraries, name the extra to install."""
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
    command(prog_name="dispatch")


def open_streams() -> None:
    """Give standard streams that are closed the null device: the next file that is opened would be taken for one."""
    # In this order, so that the lowest free descriptor, which `os.open` takes, is the stream's own.
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is None:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
