"""What the command sends to a terminal: colours and dim text, unless the user wants plain text."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any

import click


def wants_plain() -> bool:
    """Whether output has no styles: NO_COLOR is set and not empty (no-color.org), or the terminal knows none."""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"


def for_rich() -> dict[str, Any]:
    """The arguments with which a console of rich follows the same rule."""
    return {"color_system": None} if wants_plain() else {}


def dim(text: str) -> str:
    """Text for standard error, dim on a terminal."""
    return styled(text, dim=True)


def styled(text: str, **style: Any) -> str:
    """Text for standard error, in a style of click's on a terminal."""
    return click.style(text, **style) if sys.stderr and sys.stderr.isatty() and not wants_plain() else text


def tell(text: str, end: str = "\n") -> None:
    """Write to standard error; where that cannot be written (a full disk, a reader that left), work goes on."""
    # Not click.echo, which examines the terminal for every line, too slow for a busy server.
    with suppress(OSError):
        if sys.stderr:
            sys.stderr.write(text + end)


def let_go() -> None:
    """Give up what standard error has not taken, for which the interpreter would end with status 120."""
    try:
        if sys.stderr:
            sys.stderr.flush()
    except OSError:
        give_up(2)


def give_up(stream: int) -> None:
    """Put the null device in the place of a standard stream that takes no more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
