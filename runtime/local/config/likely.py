"""What a mistyped name was probably meant to be."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

#: How alike two names have to be: one letter too few, too many or exchanged, in a name of four letters or more.
ALIKE: Final = 0.75


def likely(name: str, known: Iterable[str], alike: float = ALIKE) -> str:
    """Return the known name that is most like this one, whatever the case; an empty string if none is `alike`."""
    names = {one.lower(): one for one in known}
    exchanged = [one for one in names if sorted(one) == sorted(name.lower())]
    found = exchanged or get_close_matches(name.lower(), names, 1, alike)
    return names[found[0]] if found else ""


def unknown_key(key: str, known: Iterable[str]) -> str:
    """Return the words about a key that is not known: what was probably meant, and all known keys."""
    names = list(known)
    begun = [one for one in names if len(key) > 2 and (one.startswith(key) or key.startswith(one))]
    meant = likely(key, names) or (begun[0] if len(begun) == 1 else "")
    return f"unknown key {key!r}; {f'did you mean {meant!r}? ' if meant else ''}known keys: {', '.join(names)}"
