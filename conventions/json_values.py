"""Values of types that JSON lacks, and the path of a value within others.

Types of other libraries are known by their attributes, and those of the standard library by their names, so that none
of these libraries is imported.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

#: What classes of the standard library become, by module and name.
_BY_NAME: dict[tuple[str, str], Callable[[Any], Any]] = {
    ("datetime", "date"): lambda value: value.isoformat(),
    ("datetime", "datetime"): lambda value: value.isoformat(),
    ("uuid", "UUID"): str,
    ("enum", "Enum"): lambda value: value.value,
}

#: How deep the value that cannot be sent is searched for.
_DEEPEST = 100

#: How many characters of a key are shown in a path.
_LONGEST = 80


def plainer(value: Any) -> Any:
    """Replace a value of a type that JSON lacks, such as a date or a dataclass. Raises TypeError for others."""
    for kind in value.__class__.__mro__:
        if plain := _BY_NAME.get((kind.__module__, kind.__qualname__)):
            return plain(value)
    if isinstance(value, set | frozenset):
        return _in_order(value)
    if hasattr(type(value), "__dataclass_fields__"):
        from dataclasses import fields  # imported already, by the code that created the value

        return {field.name: getattr(value, field.name) for field in fields(value)}
    return _of_a_library(value)


def _of_a_library(value: Any) -> Any:
    kind = type(value)
    if hasattr(kind, "__pydantic_serializer__") and hasattr(kind, "model_dump"):
        return value.model_dump(mode="json")
    if hasattr(kind, "__attrs_attrs__"):
        return {field.name: getattr(value, field.name) for field in kind.__attrs_attrs__}
    if hasattr(kind, "__fspath__"):
        return os.fsdecode(value)
    if hasattr(kind, "dtype") and hasattr(kind, "tolist"):  # a scalar or an array of numpy
        plain = value.tolist()
        if type(plain) is not kind:
            return plain
    raise TypeError(f"{kind.__name__} is not JSON serializable")


def _in_order(items: Any) -> list[Any]:
    """A set's items, sorted if possible, so that equal sets give equal answers."""
    try:
        return sorted(items)
    except TypeError:
        return list(items)


def unsendable(
    value: Any, encode: Callable[[Any], object], error: Exception, failures: tuple[type[Exception], ...]
) -> tuple[str, Exception]:
    """Find the innermost value that cannot be encoded.

    Args:
        value: what could not be encoded.
        encode: raises one of the failures for a value that cannot be encoded.
        error: the one that it raised for this value.
        failures: the classes of its errors.

    Returns:
        The path of the innermost value, empty for the value itself, and its own error.
    """
    path: list[Any] = []
    seen = {id(value)}
    for _ in range(_DEEPEST):
        for key, inner in _inside(value):
            if id(inner) in seen:  # a container in itself
                return as_path([*path, key]), error
            try:
                encode(inner)
            except failures as failure:
                path.append(key)
                value, error = inner, failure
                seen.add(id(inner))
                break
        else:
            break
    return as_path(path), error


def _inside(value: Any) -> Iterator[tuple[Any, Any]]:
    """The values inside a value, each with its key or index."""
    if hasattr(type(value), "_asdict"):
        value = value._asdict()
    if not isinstance(value, dict | list | tuple):
        try:
            value = plainer(value)
        except Exception:  # noqa: BLE001 - this is the value that cannot be sent
            return
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list | tuple):
        yield from enumerate(value)


def as_path(steps: Iterable[Any]) -> str:
    """Keys and indexes as a path: `items[2].price`."""
    path = ""
    for step in steps:
        if isinstance(step, str) and step.isidentifier():
            path += f".{step}" if path else step
        else:
            shown = repr(step)
            path += f"[{shown if len(shown) <= _LONGEST else shown[:_LONGEST] + '…'}]"
    return path
