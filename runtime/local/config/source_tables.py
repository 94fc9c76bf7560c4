"""The sources of a function in `dispatch.toml`: a table for each, whose key for the source says of which kind it is.

[[functions.orders.sources]]
sqs = "orders"
batch = 100
window = 5
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from runtime.local.config.likely import unknown_key
from runtime.local.config.toml_values import as_table, is_a, read_keys
from runtime.local.config.values import shown
from runtime.local.source import Source
from runtime.local.sources.jetstream.source import JetStream
from runtime.local.sources.schedule import Schedule
from runtime.local.sources.sqs.source import Sqs


class Kind(NamedTuple):
    """A kind of source.

    Attributes:
        make: makes the source of the keys that are set; raises BadMapping, a ValueError.
        readers: each key, and the function that reads its value; raises TypeError or ValueError.
    """

    make: Callable[..., Source]
    readers: Mapping[str, Callable[[Any], Any]]


def sources(value: Any) -> tuple[Source, ...]:
    """Read the sources of a function.

    Raises:
        TypeError, ValueError: a key or a value is wrong.
    """
    if not isinstance(value, list):
        raise TypeError(f"must be tables, [[functions.NAME.sources]], not {shown(value)}")
    found = []
    for number, one in enumerate(value, start=1):
        try:
            found.append(_source(as_table(one)))
        except (TypeError, ValueError) as error:
            place = f"number {number}: " if len(value) > 1 else ""
            raise ValueError(f"{place}{error}") from error
    return tuple(found)


def _source(settings: Mapping[str, Any]) -> Source:
    named = [name for name in KINDS if name in settings]
    if len(named) != 1:
        unknown = [key for key in settings if all(key not in kind.readers for kind in KINDS.values())]
        if unknown and not named:
            raise TypeError(unknown_key(unknown[0], KINDS))
        has = f"it has {' and '.join(named)}" if named else "it has none of them"
        raise TypeError(f"a source must have one of the keys {', '.join(KINDS)}; {has}")
    kind = KINDS[named[0]]
    unknown = [key for key in settings if key not in kind.readers]
    if unknown:
        raise TypeError(unknown_key(unknown[0], kind.readers))
    return kind.make(**read_keys(settings, kind.readers))


def _patterns(value: Any) -> tuple[str, ...]:
    """One pattern or several, each a table or JSON text."""
    patterns = value if isinstance(value, list) else [value]
    if not all(isinstance(pattern, dict | str) for pattern in patterns):
        raise TypeError(f"must be a table, or a list of tables, not {shown(value)}")
    try:
        return tuple(pattern if isinstance(pattern, str) else json.dumps(pattern) for pattern in patterns)
    except TypeError as error:  # a date
        raise TypeError(f"must have values of JSON: {error}") from error


#: The kinds, by the key that names the source.
KINDS: Final[Mapping[str, Kind]] = {
    Sqs.kind: Kind(
        Sqs,
        {
            "sqs": is_a(str),
            "batch": is_a(int),
            "window": is_a(float),
            "report_failures": is_a(bool),
            "filter": _patterns,
            "maximum_concurrency": is_a(int),
        },
    ),
    JetStream.kind: Kind(
        JetStream,
        {
            "nats": is_a(str),
            "subject": is_a(str),
            "durable": is_a(str),
            "batch": is_a(int),
            "window": is_a(float),
            "max_deliver": is_a(int),
            "dead_letter": is_a(str),
        },
    ),
    Schedule.kind: Kind(Schedule, {"schedule": is_a(str), "input": is_a(str), "timezone": is_a(str)}),
}
