"""The `dispatch` command; each subcommand is a module of this package, imported only when it is called."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command; without its libraries, name the extra to install."""
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
