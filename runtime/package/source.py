"""Reads Python source and text files of any size and content, within limits of time and memory."""

from __future__ import annotations

import ast
import codecs
import warnings
from pathlib import Path

#: Bytes of source that are parsed: the syntax tree of a module may need a thousand times as much memory.
MAX_SOURCE = 256 * 1024
#: Bytes of a text file that are looked at.
MAX_TEXT = 1024 * 1024
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def parsed(path: Path) -> ast.Module | None:
    """The syntax tree of a module; None if it cannot be read or parsed, or is too large."""
    try:
        content = path.read_bytes() if path.stat().st_size <= MAX_SOURCE else b"\0"
        with warnings.catch_warnings(action="ignore"):
            return ast.parse(content)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def text(path: Path, limit: int = MAX_TEXT) -> str:
    """The beginning of a text file, see `decoded`."""
    with path.open("rb") as file:
        return decoded(file.read(limit))


def decoded(content: bytes) -> str:
    """UTF-8, or what a byte order mark says; bytes that do not fit are replaced."""
    coding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    return content.decode(coding, "replace")
