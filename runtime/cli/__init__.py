"""The `dispatch` command; each subcommand is a module of this package, loaded only when it is called."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command; say what to install where its libraries are missing."""
    try:
        from runtime.cli.group import command
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        sys.exit("dispatch: the command needs the extra 'local': pip install 'handler-dispatch[local]'")
    command(prog_name="dispatch")
