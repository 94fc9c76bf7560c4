"""What Python's own C code reads and writes for us never differs from what simplejson does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import simplejson
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.json_cases import JSON_TEXT, TRAPS, TWINS, circle, nested, outcome, values

from conventions import codec
from conventions.json import _dumps as compact
from conventions.json_values import plainer
from conventions.lambda_ import _dumps as with_blanks
from conventions.lambda_ import _number

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _without_orjson(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec._fast, "module", None)
    monkeypatch.setattr(codec._fast, "sought", True)


#: Each writer beside simplejson alone, with the same options.
PAIRS = {
    "json": (compact, codec._simple_encoder(plainer, separators=(",", ":"), encoding=None, allow_nan=False)),
    "lambda": (
        with_blanks,
        codec._simple_encoder(_number, separators=(", ", ": "), use_decimal=False, allow_nan=True),
    ),
}
WRITERS = pytest.mark.parametrize(("dumps", "simple"), PAIRS.values(), ids=PAIRS)


class Loud(int):
    """A number whose methods say otherwise."""

    def __int__(self) -> int:
        return 7

    def __repr__(self) -> str:
        return "loud"


class Counted(list[Any]):
    """A list that gives other items than it holds."""

    def __iter__(self) -> Iterator[Any]:
        return iter("ab")


class Renamed(dict[str, Any]):
    """A dictionary that gives other items than it holds."""

    def items(self) -> Any:
        """One item."""
        return [("renamed", 1)]


class Offers:
    """An object that offers itself to simplejson, which is not asked to look for that."""

    def for_json(self) -> Any:
        """A value."""
        return 1


MORE: list[Any] = [
    Loud(3), Counted([1]), Renamed(a=1), {Loud(3): 1}, Offers(), {float("nan"): 1}, {1e16: 1, -0.0: 2, 1e-7: 3},
    {1: "a", "1": "b"}, {"\ud800": "\udfff"}, "\ud83d\udc0d", 10**5000, -(10**5000), {10**5000: 1}, ..., range(3),
    memoryview(b"m"), print, [float("inf")], {None: None, False: True}, circle(tuple), circle(list), nested(200),
    nested(3000), {"a": Decimal("1.10")}, [Decimal("Infinity")],
]  # fmt: skip


@WRITERS
@pytest.mark.parametrize("number", range(len(TRAPS + MORE)))
@pytest.mark.parametrize("wrap", [lambda value: value, lambda value: {"a": [None, value]}], ids=["bare", "inside"])
def test_traps_of_writing(dumps: Any, simple: Any, number: int, wrap: Any) -> None:
    """What Python's encoder is known to write differently, or to refuse in other words, comes from simplejson."""
    value = wrap((TRAPS + MORE)[number])
    assert outcome(simple, value) == outcome(dumps, value)


def test_a_circle_in_two_places() -> None:
    """It is found, although it branches."""
    dumps, simple = PAIRS["lambda"]
    assert outcome(simple, TWINS) == outcome(dumps, TWINS)


@WRITERS
@settings(max_examples=500, deadline=None)
@given(value=values)
def test_writing_never_differs(dumps: Any, simple: Any, value: Any) -> None:
    """Any value gives the same bytes, or the same error."""
    assert outcome(simple, value) == outcome(dumps, value)


def simply(data: bytes) -> Any:
    """The value of a JSON text as simplejson alone reads it."""
    return simplejson.JSONDecoder().decode(data.decode())


BROKEN = [
    b"", b" ", b"{", b"[", b"[1,]", b'{"a":1,}', b'{"a"}', b"{1:2}", b"nul", b"NaN", b"[Infinity]", b"-Infinity", b"-",
    b"01", b"1.", b"1e", b".5", b"+1", b"1 2", b'"\x01"', b'"\x7f"', b'"a\nb"', b'"', b'"\\', b'"\\x"', b'"\\u12"',
    b'"\\u+123"', b'"\\u 123"', b'"\\ud800"', b'"\\ud800\\udc00"', b'"\\ud800\\ud800\\udc00"', b'"\\udc00\\ud800"',
    b'"\\ud800\\u00e9"', b'"\\ud83d\\uDC0D"', b"\xef\xbb\xbf1", b" \t\r\n1\n ", b"\x0b1", b"\xc2\xa01", b"1\xc2\xa0",
    b'"\xed\xa0\x80"', b"\xff", '"a"'.encode("utf-16"), "[\u0661]".encode(), b"1" * 4300, b"1" * 4301, b"[-" + b"9" * 5000,
    b"1e400", b"-1e400", b"-0", b"-0.0", b"5e-324", b'{"a":1,"a":2}', b'{"a":1,"b":2,"a":3}', b"[" * 200 + b"]" * 200,
    b"[" * 100_000, b"[" * 20_000 + b"]" * 20_000, b'{"a":' * 20_000 + b"1" + b"}" * 20_000, b"0x10", b"1_000", b"tru e",
]  # fmt: skip


@pytest.mark.parametrize("data", BROKEN)
@pytest.mark.parametrize("wrap", [b"%b", b"[%b]", b'{"a": %b, "b": 1}'])
def test_traps_of_reading(data: bytes, wrap: bytes) -> None:
    """What is read differently, or refused in other words, comes from simplejson."""
    data = wrap % data
    assert outcome(simply, data) == outcome(codec.loads, data)


@settings(max_examples=500, deadline=None)
@given(JSON_TEXT, st.text(" \t\r\n", max_size=2), st.text(" \t\r\n", max_size=2))
@example("{}", "", "\n")
def test_reading_never_differs(text: str, before: str, after: str) -> None:
    """Any JSON text gives the same value, whatever blanks surround it, as bytes and as text."""
    text = f"{before}{text}{after}"
    assert outcome(simplejson.JSONDecoder().decode, text) == outcome(codec.loads, text)
    data = text.encode("utf-8", "surrogatepass")
    assert outcome(simply, data) == outcome(codec.loads, data)


@settings(max_examples=500, deadline=None)
@given(
    st.binary(max_size=30)
    | st.text('[]{},:"\\\u0001u0123456789abdefE+-. ntrsl', max_size=20).map(str.encode)
    | st.tuples(JSON_TEXT, st.integers(0, 99), st.integers(0, 99)).map(
        lambda parts: parts[0].encode("utf-8", "surrogatepass")[parts[1] : -parts[2] or None]
    )
)
def test_refusing_never_differs(data: bytes) -> None:
    """What is no JSON gets simplejson's error, word for word."""
    assert outcome(simply, data) == outcome(codec.loads, data)


def test_large_answers_are_worth_an_import(monkeypatch: pytest.MonkeyPatch) -> None:
    """After some large answers simplejson writes those that follow a large one; the bytes are the same."""
    dumps = codec.encoder(blanks=True, allow_nan=True)
    asked: list[Any] = []
    monkeypatch.setattr(codec, "_simple_encoder", lambda *_, **__: lambda value: asked.append(value) or b"[]")  # type: ignore[func-returns-value]
    large = "x" * (codec.WORTH_SIMPLEJSON // 2)
    assert [len(large) + 2] * 2 == [len(dumps(large)) for _ in range(2)]
    assert [] == asked
    assert [b"[]", b"1"] == [dumps(1), dumps(1)]
    assert [1] == asked


WITHOUT = """
import sys
sys.modules["_json"] = None
from conventions import codec
dumps = codec.encoder(blanks=True)
print("simplejson" in sys.modules, codec.loads(b'[1, "\\u00e4"]'), dumps({"a": (1,)}), "simplejson" in sys.modules)
"""


def test_without_the_c_code() -> None:
    """A Python that has no `_json` gets all of it from simplejson."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", WITHOUT], env=env, capture_output=True, text=True, check=True)
    assert "False [1, 'ä'] b'{\"a\": [1]}' True" == done.stdout.strip()
