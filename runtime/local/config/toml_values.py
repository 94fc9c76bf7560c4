"""Values of `dispatch.toml`: of the right type, or an error that says which type that is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from runtime.local.config.values import shown

KINDS: Final = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


def is_a(kind: type) -> Callable[[Any], Any]:
    """Return a function that returns a value of this type, and raises TypeError for any other."""

    def check(value: Any) -> Any:
        allowed = (int, float) if kind is float else (kind,)
        if not isinstance(value, allowed) or isinstance(value, bool) is not (kind is bool):
            raise TypeError(f"must be {KINDS[kind]}, not {shown(value)}")
        return value

    return check


def as_table(value: Any) -> dict[str, Any]:
    """Return a table. Raises TypeError for anything else."""
    if not isinstance(value, dict):
        raise TypeError(f"must be a table, not {shown(value)}")
    return value


def read_keys(values: Mapping[str, Any], readers: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:
    """Return the values of a table's keys as their readers return them; an error names its key.

    Raises:
        ValueError: a value is wrong.
    """
    found = {}
    for key in values.keys() & readers.keys():
        try:
            found[key] = readers[key](values[key])
        except (TypeError, ValueError) as error:
            raise ValueError(f"{key} {error}") from error
    return found
