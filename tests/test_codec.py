"""What orjson writes and reads for us never differs from what simplejson does: a property, and the known traps."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import simplejson
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.json_cases import JSON_TEXT, TRAPS, TWINS, circle, nested, outcome, values

from conventions import codec
from conventions.json import _dumps as compact
from conventions.lambda_ import _dumps as with_blanks

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def _fast() -> Iterator[None]:
    """Each test starts with orjson in use."""
    codec._fast.seek()
    assert codec._fast.module is not None, "orjson is not installed"
    yield
    codec._fast.seek()


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
read = lambda size: len(codec.loads(b"[1]" + b" " * size))
print(state(), read(codec.LARGE), state(), read(codec.WORTH_ORJSON), state(), dumps([1, 2]), state())
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
    """They wait until large texts are many, msgspec for an answer too; without one of them, simplejson does its part."""
    source = IMPORTS.replace("BEFORE", before)
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", source], env=env, capture_output=True, text=True, check=True)
    assert f"[] 1 [] 1 {middle} b'[1, 2]' {after}" == done.stdout.strip()
