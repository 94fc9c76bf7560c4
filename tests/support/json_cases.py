"""Values and texts on which two JSON libraries may differ."""

from __future__ import annotations

import math
import struct
import uuid
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any, Self

from hypothesis import strategies as st

Point = namedtuple("Point", "x y")  # noqa: PYI024 - the kind that simplejson looks for


@dataclass
class Row:
    """A dataclass."""

    x: Any


class Plain(Enum):
    """Members that are not numbers or text themselves."""

    A = "a"
    TUPLE = (1, 2)


class Number(IntEnum):
    """Members that are numbers."""

    ONE = 1


class Word(StrEnum):
    """Members that are text."""

    A = "a"


class Misleading(str, Enum):  # noqa: UP042 - the value is not the text, which is the trap
    """Members whose value is another than the text that they are."""

    _value_: int

    def __new__(cls, text: str, value: int) -> Self:
        """A member that is TEXT and has the value VALUE."""
        member = str.__new__(cls, text)
        member._value_ = value
        return member

    A = ("text", 7)

    def __repr__(self) -> str:
        """Enum's own takes the value for text."""
        return f"Misleading({str(self)!r}, {self.value})"


class Text(str):  # noqa: SLOT000 - as users write it
    """A subclass of str."""


class Whole(int):
    """A subclass of int."""


class Real(float):
    """A subclass of float."""


class Thing:
    """An object whose attributes lie in itself, while it lives, and not in its __dict__ (Python 3.13)."""

    def __init__(self, value: Any) -> None:
        self.value = value


def circle(make: type) -> list[Any]:
    """A list that holds itself, inside of another container."""
    ring: list[Any] = [1]
    ring.append(make([ring]))
    return ring


def nested(depth: int) -> Any:
    """Tuples inside of each other."""
    value: Any = None
    for number in range(depth):
        value = (number, value)
    return value


THINGS = [Thing(value) for value in (math.nan, 1e-7, uuid.UUID(int=5), Plain.A, [{"a": 1e16}])]
TWINS: list[Any] = [1]
TWINS += [TWINS, TWINS]

SIGNALLING = struct.unpack("<d", struct.pack("<Q", 0x7FF4000000000001))[0]
TRAPS = [
    *(2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**40),
    *(1e16, 9999999999999998.0, 1e-4, 9.9e-5, 5e-324, 1.7976931348623157e308, -0.0, 0.0, 1e22, -1e16, 12345678901.5),
    *(math.nan, -math.nan, math.inf, -math.inf, SIGNALLING, Decimal("1.10"), Decimal("NaN"), Decimal("1E+3")),
    *("\ud800", "\udc00x", "\x7f\x80\u2028\u2029/", '\x00\x1f\b\f\n\r\t"\\', "\U0001f40d", {"\ud800": 1}),
    *(Point(1, 2), [Point(1, 2)], Row(Row(1)), OrderedDict(b=1, a=2), (1, [2, (3,)]), {1, 2}, frozenset("a")),
    *(Plain.A, Plain.TUPLE, Number.ONE, Word.A, Misleading.A, Text("t"), Whole(3), Real(1.5), b"b", bytearray(b"x")),
    *({1: 2}, {None: 1, True: 2, 1.5: 3}, {Text("k"): 1}, {Number.ONE: 1}, {Word.A: 1}, {(1, 2): 3}, {b"k": 1}),
    *(datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC), datetime(2026, 1, 2), date(2026, 1, 2), time(1, 2)),  # noqa: DTZ001
    *(map(vars, THINGS)),
    *(uuid.UUID(int=5), object(), 1j, {"a": {1: object()}}, [float("nan"), None], {"null": None}),
]

scalars = (
    st.none() | st.booleans() | st.integers() | st.integers(-(2**65), 2**65) | st.floats() | st.text()
    | st.text(st.characters(codec=None), max_size=5) | st.sampled_from(TRAPS)
)  # fmt: skip
keys = st.text() | st.integers() | st.floats() | st.booleans() | st.none()
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner) | st.dictionaries(keys, inner) | st.lists(inner).map(tuple) | st.builds(Row, inner),
    max_leaves=20,
)


NUMBERS = st.from_regex(r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?", fullmatch=True)
JSON_TEXT = st.recursive(
    st.sampled_from(["null", "true", "false", "NaN", "-Infinity", '"\\ud800"', '"a\\u0000"', '"\\ud83d\\udc0d"', "-0"])
    | NUMBERS
    | st.text(st.characters(blacklist_characters='"\\', min_codepoint=32), max_size=8).map(lambda text: f'"{text}"'),
    lambda inner: (
        st.lists(inner).map(lambda parts: f"[{','.join(parts)}]")
        | st.lists(st.tuples(st.sampled_from(['"a"', '"b"', '"\\u0061"', '"12345678901234567890"']), inner)).map(
            lambda pairs: "{" + ", ".join(f"{key} : {value}" for key, value in pairs) + "}"
        )
    ),
    max_leaves=15,
)


def outcome(function: Any, *arguments: Any) -> tuple[str, str]:
    """What a call comes to, in a form that tells -0.0 from 0.0, 1 from 1.0 and one order from another."""
    try:
        value = function(*arguments)
    except Exception as error:
        return type(error).__name__, str(error)
    return type(value).__name__, repr(value)
