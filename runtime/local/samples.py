"""Sample events: what the main AWS sources send, one file each."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "events"


def names() -> list[str]:
    """Return the names of the samples."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def load(name: str) -> str:
    """Return the text of one sample.

    Raises:
        KeyError: no sample has this name; the message lists those that there are.
    """
    if name not in names():
        raise KeyError(f"no such sample event: {name!r}; available: {', '.join(names())}")
    return (FOLDER / f"{name}.json").read_text(encoding="utf-8")


@cache
def load_all() -> dict[str, str]:
    """Return the texts of all samples by name."""
    return {name: load(name) for name in names()}
