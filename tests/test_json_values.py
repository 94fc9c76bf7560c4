"""What `json` sends of values that JSON lacks, and how it says where in an answer a value cannot be sent."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import attrs
import pytest
from pydantic import BaseModel, SecretStr
from support.runtime import Ask

from conventions.json import encoded
from dispatch import MarshalError


class Pair(NamedTuple):
    """A named tuple."""

    a: Any
    b: Any


@attrs.define
class Box:
    """A class of attrs, without a `__dict__`."""

    size: int
    held: Any = None


@dataclass
class Node:
    """A dataclass of the standard library."""

    value: Any
    nodes: list[Any] = field(default_factory=list)


class Model(BaseModel):
    """A pydantic model."""

    price: Decimal
    secret: SecretStr = SecretStr("hidden")


class Scalar:
    """As numpy's scalars and arrays look from outside."""

    dtype = "complex"

    def tolist(self) -> complex:
        """The value as Python's own."""
        return 1j


class Itself(Scalar):
    """As numpy's longdouble, which Python has nothing for."""

    def tolist(self) -> Any:
        """Still itself."""
        return self


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Model(price=Decimal("1.10")), b'{"price":"1.10","secret":"**********"}'),
        ({"models": [Model(price=Decimal(1))]}, b'{"models":[{"price":"1","secret":"**********"}]}'),
        (Box(1, Box(2)), b'{"size":1,"held":{"size":2,"held":null}}'),
        (attrs.make_class("Made", ["x"])(Decimal("1.10")), b'{"x":1.10}'),
        ([Path("/tmp/a b"), PurePosixPath("c")], b'["/tmp/a b","c"]'),
        ({"box": Box(1, Node(Path("x")))}, b'{"box":{"size":1,"held":{"value":"x","nodes":[]}}}'),
    ],
)
def test_values(value: Any, expected: bytes) -> None:
    """Models, attrs classes and paths are sent as what they hold."""
    assert expected == encoded(value)


def test_numpy() -> None:
    """Scalars and arrays of numpy are numbers, texts, dates and lists."""
    numpy = pytest.importorskip("numpy", reason="numpy is installed with the extra peers only")
    values = [numpy.int64(3), numpy.float32(0.5), numpy.float64(1.5), numpy.bool_(True), numpy.str_("a")]
    assert b'[3,0.5,1.5,true,"a"]' == encoded(values)
    assert b'{"a":[[1,2],[3,4]]}' == encoded({"a": numpy.array([[1, 2], [3, 4]])})
    assert b'"2026-01-02"' == encoded(numpy.datetime64("2026-01-02"))
    with pytest.raises(MarshalError, match=r"x\[0\]: complex is not JSON serializable"):
        encoded({"x": numpy.array([1j])})


LOOP: list[Any] = [1]
LOOP.append({"again": LOOP})
DEEP: list[Any] = []
for _ in range(100_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1j, "complex is not JSON serializable"),
        ({"items": [{}, {}, {"when": 1j}]}, "items[2].when: complex is not JSON serializable"),
        ({"a b": {7: (1, object())}}, "['a b'][7][1]: object is not JSON serializable"),
        (Node(1, [Node({"x": {1j}})]), "nodes[0].value.x[0]: complex is not JSON serializable"),
        (Box(1, [Pair(1, 1j)]), "held[0].b: complex is not JSON serializable"),
        ({"x": float("nan")}, "x: Out of range float values are not JSON compliant"),
        ({"x": [1.5, float("inf")]}, "x[1]: Out of range float values are not JSON compliant"),
        ({"x": b"bytes"}, "x: bytes is not JSON serializable"),
        ({"x": [{(1, 2): 3}]}, "x[0]: keys must be str, int, float, bool or None, not tuple"),
        ({"x": LOOP}, "x[1].again: Circular reference detected"),
        ({"x": Scalar()}, "x: complex is not JSON serializable"),
        ({"x": Itself()}, "x: Itself is not JSON serializable"),
        ({"x": Node, "y": 1}, "x: type is not JSON serializable"),
    ],
)  # fmt: skip
def test_where_it_cannot_be_sent(value: Any, expected: str) -> None:
    """The error names the path of the innermost value that is at fault."""
    with pytest.raises(MarshalError) as caught:
        encoded(value)
    assert str(caught.value).startswith(f"the answer cannot be sent as JSON: {expected}")


def test_long_keys() -> None:
    """A long key does not make the message long."""
    with pytest.raises(MarshalError) as caught:
        encoded({"k " * 1_000_000: 1j})
    assert len(str(caught.value)) < 300


def test_too_deep() -> None:
    """An answer that is nested too deeply is an error like any other, found in bounded time."""
    with pytest.raises(MarshalError):
        encoded(DEEP)


def test_of_one_class_that_raises() -> None:
    """A property of the user's own that raises is the user's exception."""

    class Raises(BaseModel):
        def model_dump(self, **_: Any) -> Any:
            raise LookupError("on purpose")

    with pytest.raises(LookupError, match="on purpose"):
        encoded({"x": Raises()})


def test_in_the_runtime(ask: Ask) -> None:
    """The report has the path, for a whole answer and for a line of a stream."""
    source = "def handler(event, headers):\n    return {'items': [{'when': 1j}]}\n"
    report = ask(source, b"1", convention="json").report
    assert ("Runtime.MarshalError", "the answer cannot be sent as JSON: items[0].when: complex is not JSON serializable") == (
        report["errorType"],
        report["errorMessage"],
    )  # fmt: skip
    source = "def handler(event, headers):\n    yield {'when': 1j}\n"
    assert "when: complex" in ask(source, b"1", convention="json").report["errorMessage"]


def test_nothing_is_imported() -> None:
    """None of these libraries is imported for the sake of a value."""
    code = (
        "import sys\nfrom conventions.json import encoded\n"
        "try: encoded({'x': object()})\nexcept Exception: pass\n"
        "print(sys.modules.keys() & {'pydantic', 'attr', 'attrs', 'numpy', 'pathlib', 'dataclasses', 'typing', 'inspect'})\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "set()\n" == done.stdout
