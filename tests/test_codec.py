"""What orjson writes and reads for us never differs from what simplejson does: a property, and the known traps."""

from __future__ import annotations

import math
import os
import struct
import subprocess
import sys
import uuid
from collections import OrderedDict, namedtuple
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from pathlib import Path
from typing import Any, Self

import pytest
import simplejson
from hypothesis import example, given, settings
from hypothesis import strategies as st

from conventions import codec
from conventions.json import _dumps as compact
from conventions.lambda_ import _dumps as with_blanks

ROOT = Path(__file__).resolve().parent.parent

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


@pytest.fixture(autouse=True)
def _fast() -> Iterator[None]:
    """Each test starts with orjson in use."""
    codec._fast.seek()
    assert codec._fast.module is not None, "the extra `fast` is not installed"
    yield
    codec._fast.seek()


def outcome(function: Any, *arguments: Any) -> tuple[str, str]:
    """What a call comes to, in a form that tells -0.0 from 0.0, 1 from 1.0 and one order from another."""
    try:
        value = function(*arguments)
    except Exception as error:
        return type(error).__name__, str(error)
    return type(value).__name__, repr(value)


def slowly(function: Any, *arguments: Any) -> tuple[str, str]:
    """The same without orjson."""
    module, codec._fast.module = codec._fast.module, None
    try:
        return outcome(function, *arguments)
    finally:
        codec._fast.module = module


WRITERS = pytest.mark.parametrize("dumps", [compact, with_blanks], ids=["json", "lambda"])


DEEP = [circle(tuple), circle(list), nested(200), nested(300), nested(5000)]


@WRITERS
@pytest.mark.parametrize("number", range(len(TRAPS + DEEP)))
@pytest.mark.parametrize("wrap", [lambda value: value, lambda value: {"a": [None, value]}], ids=["bare", "inside"])
def test_traps_of_writing(dumps: Any, number: int, wrap: Any) -> None:
    """What orjson is known to write differently, or not at all, comes out as simplejson writes it."""
    value = wrap((TRAPS + DEEP)[number])
    assert slowly(dumps, value) == outcome(dumps, value)


def test_a_circle_in_two_places() -> None:
    """It is found, although it branches; once is enough, because that takes a second or two."""
    assert slowly(with_blanks, TWINS) == outcome(with_blanks, TWINS)


@WRITERS
@settings(max_examples=300, deadline=None)
@given(value=values)
def test_writing_never_differs(dumps: Any, value: Any) -> None:
    """Any value gives the same bytes, or the same error, with orjson and without."""
    assert slowly(dumps, value) == outcome(dumps, value)


def padded(text: str | bytes) -> bytes:
    """The JSON text, with so many blanks that it counts as large."""
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    return data + b" " * codec.LARGE


class Gives:
    """An object whose `_asdict()` gives something."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def _asdict(self) -> Any:
        return self.value


class Endless:
    """An object whose `_asdict()` gives another like it, as a mock's does; without an end, this would take all memory."""

    made = 0

    def _asdict(self) -> Any:
        Endless.made += 1
        assert Endless.made < 10
        return Endless()


@WRITERS
@pytest.mark.parametrize(
    "value",
    [Gives({"a": 1}), Gives(OrderedDict(a=[1])), Gives([1]), Gives(1), Gives(Gives({})), Gives(None), Endless()],
)
def test_asdict(dumps: Any, value: Any) -> None:
    """What `_asdict()` gives is written if it is a dictionary, and refused in simplejson's words otherwise, at once."""
    separators = (", ", ": ") if dumps is with_blanks else (",", ":")
    simple = simplejson.JSONEncoder(separators=separators)
    assert outcome(lambda: simple.encode([value]).encode()) == outcome(dumps, [value])


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


@settings(max_examples=300, deadline=None)
@given(JSON_TEXT)
@example("18446744073709551616")
@example("-9223372036854775809")
@example('{"a":1,"b":2,"a":3}')
@example("[1,\t12345678901234567890]")
@example("1e400")
def test_reading_never_differs(text: str) -> None:
    """Any JSON text gives the same value with orjson and without, whatever its numbers, names and order."""
    assert slowly(codec.loads, padded(text)) == outcome(codec.loads, padded(text))
    decoded = padded(text).decode("utf-8", "surrogatepass")
    assert slowly(codec.loads, decoded) == outcome(codec.loads, decoded)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=30) | JSON_TEXT.map(lambda text: text.encode("utf-8", "surrogatepass")[:-1]))
@example(b"\xef\xbb\xbf1")
@example(b'"\xed\xa0\x80"')
@example(b"01")
@example(b"[1,]")
@example('"a"'.encode("utf-16"))
def test_refusing_never_differs(data: bytes) -> None:
    """What is no JSON gets simplejson's error, word for word."""
    assert slowly(codec.loads, padded(data)) == outcome(codec.loads, padded(data))


def test_depth_beyond_orjson() -> None:
    """Values nested deeper than orjson goes are read and written all the same."""
    text = b"[" * 600 + b"]" * 600
    assert text == compact(codec.loads(padded(text)))


@pytest.mark.parametrize("text", [b'{"a": 1.5}', b'["12345678901234567890", 1]'])
def test_orjson_is_used(text: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ordinary JSON, long digits in its text included, never comes near simplejson."""

    def unwanted(*_: Any, **__: Any) -> None:
        raise AssertionError("simplejson was asked")

    monkeypatch.setattr(simplejson, "loads", unwanted)
    monkeypatch.setattr(simplejson.JSONEncoder, "encode", unwanted)
    value = codec.loads(padded(text))
    assert (text, text.replace(b" ", b"")) == (with_blanks(value), compact(value))


IMPORTS = """
import sys
BEFORE
from conventions import codec
dumps = codec.encoder(repr, blanks=True)
state = lambda: [name for name in ("orjson", "msgspec") if sys.modules.get(name)]
print(state(), dumps([1, 2]), state(), len(codec.loads(b"[1]" + b" " * codec.LARGE)), state(), dumps([1, 2]), state())
"""


@pytest.mark.parametrize(
    ("before", "middle", "after"),
    [
        ("", ["orjson"], ["orjson", "msgspec"]),
        ("sys.modules['orjson'] = None", [], []),
        ("sys.modules['msgspec'] = None", ["orjson"], ["orjson"]),
    ],
)
def test_imports(before: str, middle: list[str], after: list[str]) -> None:
    """They wait for a large text, msgspec for an answer too; what one of them is missing for, simplejson does."""
    source = IMPORTS.replace("BEFORE", before)
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", source], env=env, capture_output=True, text=True, check=True)
    assert f"[] b'[1, 2]' [] 1 {middle} b'[1, 2]' {after}" == done.stdout.strip()
