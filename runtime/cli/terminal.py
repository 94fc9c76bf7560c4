"""What the command may send to a terminal: colours and dim text, unless the user wants plain text."""

from __future__ import annotations

import os
import sys
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
    return click.style(text, dim=True) if sys.stderr.isatty() and not wants_plain() else text
