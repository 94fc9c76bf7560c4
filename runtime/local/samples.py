"""Sample events: what the main AWS sources send, one file each."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "events"


def names() -> list[str]:
    """The samples there are."""
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def load(name: str) -> str:
    """One sample's text; raise `KeyError` with what there is instead."""
    if name not in names():
        raise KeyError(f"there is no sample event {name!r}; there are: {', '.join(names())}")
    return (FOLDER / f"{name}.json").read_text(encoding="utf-8")


@cache
def load_all() -> dict[str, str]:
    """All samples by name."""
    return {name: load(name) for name in names()}
