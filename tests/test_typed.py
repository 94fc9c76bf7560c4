"""Typed events: the type that a function's first parameter names, validated and converted, or an error with its path."""

from __future__ import annotations

import itertools
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from support.runtime import Answer, Ask, Fail, Serve

from dispatch import Invocation, UnmarshalError
from dispatch.load import load

Here: TypeAlias = Callable[[str], Callable[[str | bytes], str]]
NUMBERS = itertools.count()
PRELUDE = """
from __future__ import annotations
import sys
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, NamedTuple, Optional, Union
from uuid import UUID
from typing_extensions import TypedDict

class Size(Enum):
    SMALL = "s"
    LARGE = "l"

@dataclass
class Item:
    name: str
    price: Decimal
    size: Size = Size.SMALL

@dataclass
class Order:
    id: UUID
    due: date
    items: list[Item]
    note: str | None = None

class AsDict(TypedDict):
    when: datetime
    count: int

class Point(NamedTuple):
    x: int
    y: float = 0.5

def handler(event: {annotation}, headers):
    return repr(event)
"""
MODEL = PRELUDE.replace(
    "def handler",
    """
from pydantic import BaseModel, Field
class Line(BaseModel):
    sku: str = Field(min_length=2)
    price: Decimal
class Cart(BaseModel):
    items: list[Line]
    when: datetime = Field(alias="createdAt")
    parent: Cart | None = None
def handler""",
)
ID = "00000000-0000-0000-0000-000000000001"
ITEM = '{"name": "pen", "price": 1.10}'
ORDER = f'{{"id": "{ID}", "due": "2026-01-02", "items": [{ITEM}, {{"name": "ink", "price": "2", "size": "l"}}]}}'
EXPECTED = (
    f"Order(id=UUID('{ID}'), due=datetime.date(2026, 1, 2), items=[Item(name='pen', price=Decimal('1.10'), "
    "size=<Size.SMALL: 's'>), Item(name='ink', price=Decimal('2'), size=<Size.LARGE: 'l'>)], note=None)"
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Here:
    """Load a module's handler into this process: `here(source)` is what answers an event's text or bytes."""
    monkeypatch.setattr(sys, "path", [*sys.path])

    def loaded(text: str) -> Callable[[str | bytes], str]:
        name = f"typed_{next(NUMBERS)}"
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
        function = load(f"{name}.handler", str(tmp_path), "json")

        def answer(event: str | bytes) -> str:
            body = event.encode() if isinstance(event, str) else event
            return str(eval(function(Invocation(body)).read()))

        return answer

    return loaded


def got(answer: Answer) -> str:
    """The repr of the event that the function got."""
    assert "response" == answer.kind, answer.body
    return str(eval(answer.body))


def said(answer: Answer) -> str:
    """The message of an UnmarshalError."""
    assert "Runtime.UnmarshalError" == answer.report["errorType"]
    return str(answer.report["errorMessage"])


def source(annotation: str, text: str = PRELUDE) -> str:
    """A function whose first parameter has this annotation; the parts that do not matter are left out of the way."""
    return text.replace("{annotation}", annotation)


@pytest.mark.parametrize(
    ("annotation", "event", "expected"),
    [
        ("Order", ORDER, EXPECTED),
        ("'Order'", ORDER, EXPECTED),
        ("Order | None", ORDER, EXPECTED),
        ("Optional[Order]", "null", "None"),
        ("list[Item]", f"[{ITEM}]", "[Item(name='pen', price=Decimal('1.10'), size=<Size.SMALL: 's'>)]"),
        ("list['Point']", "[[1]]", "[Point(x=1, y=0.5)]"),
        ("dict[str, Point]", '{"a": {"x": 1, "y": 2}}', "{'a': Point(x=1, y=2.0)}"),
        ("Union[Point, AsDict]", '{"x": 2}', "Point(x=2, y=0.5)"),
        ("Annotated[Point, 'a note']", "[1, 2.5]", "Point(x=1, y=2.5)"),
        ("Point", '{"x": "3"}', "Point(x=3, y=0.5)"),
        ("AsDict", '{"when": "2026-01-02T03:04:05", "count": 1}', "{'when': datetime.datetime(2026, 1, 2, 3, 4, 5), 'count': 1}"),
    ],
)  # fmt: skip
def test_conversion(annotation: str, event: str, expected: str, here: Here) -> None:
    """Every kind of type is converted, nested, optional, in unions; missing fields have their defaults."""
    assert expected == here(source(annotation))(event)


def test_in_the_runtime(serve: Serve) -> None:
    """The runtime does the same, and goes on after a bad event."""
    runtime = serve(source("Order"), convention="json")
    assert EXPECTED == got(runtime.invoke(ORDER.encode()))
    assert "items[0].price" in said(runtime.invoke(ORDER.replace("1.10", '"x"').encode()))
    assert EXPECTED == got(runtime.invoke(ORDER.encode()))


def test_model(ask: Ask) -> None:
    """A pydantic model is one, with its aliases and its constraints."""
    event = b'{"items": [{"sku": "ab", "price": 1.10}], "createdAt": "2026-01-02T00:00:00", "parent": {"items": [], "createdAt": 0}}'
    answer = got(ask(source("Cart", MODEL), event, convention="json"))
    assert answer.startswith(
        "Cart(items=[Line(sku='ab', price=Decimal('1.10'))], when=datetime.datetime(2026, 1, 2, 0, 0)"
    )


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("1.10", "1.10"),
        ("1", "1"),
        ("0.12345678901234567890123", "0.12345678901234567890123"),
        ("1e400", "1E+400"),
        ("-0.00", "-0.00"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ('"1.10"', "1.10"),
    ],
)
def test_decimals_keep_their_digits(number: str, expected: str, here: Here) -> None:
    """A Decimal is the number as it was written, not what a float makes of it."""
    assert f"price=Decimal('{expected}')" in here(source("Item"))(f'{{"name": "a", "price": {number}}}')


def test_floats_beside_decimals(ask: Ask) -> None:
    """Where a type has a Decimal, all other numbers are what they always are."""
    text = """
    from dataclasses import dataclass
    from decimal import Decimal
    from typing import Any
    @dataclass
    class Row:
        exact: Decimal
        number: float
        any: Any
    def handler(event: Row, headers):
        assert type(event.number) is float and isinstance(event.any["a"][0], float)
        import pickle
        assert pickle.loads(pickle.dumps(event.any)) == event.any
        return [event.number * 2, event.any["a"][0] + 1, event.any, f"{event.any['a'][0]:.3f}"]
    """
    answer = ask(text, b'{"exact": 1.10, "number": 1.50, "any": {"a": [2.50, 1]}}', convention="json")
    assert b'[3.0,3.5,{"a":[2.5,1]},"2.500"]' == answer.body


def test_strict_models(ask: Ask) -> None:
    """A strict model takes dates and numbers from JSON, as pydantic's own reading of JSON does."""
    text = """
    from datetime import date
    from decimal import Decimal
    from pydantic import BaseModel, ConfigDict
    class Strict(BaseModel):
        model_config = ConfigDict(strict=True)
        when: date
        price: Decimal
        pair: tuple[int, int]
    def handler(event: Strict, headers):
        return repr(event)
    """
    answer = ask(text, b'{"when": "2026-01-02", "price": 1.5, "pair": [1, 2]}', convention="json")
    assert "Strict(when=datetime.date(2026, 1, 2), price=Decimal('1.5'), pair=(1, 2))" == got(answer)


@pytest.mark.parametrize(
    ("annotation", "event", "expected"),
    [
        ("Order", ORDER.replace("1.10", '"x"'), ["items[0].price: Input should be a valid decimal (it is 'x')"]),
        ("Order", ORDER.replace('"l"', '"xl"'), ["items[1].size: Input should be 's' or 'l' (it is 'xl')"]),
        (
            "Order",
            '{"due": "soon", "items": [{"name": 1}]}',
            ["id: Field required", "due: Input should be a valid date", "items[0].name: ", "items[0].price: Field required"],
        ),
        ("Order", "[1]", ["to Order: the event: Input should be "]),
        ("Order", '"text"', ["to Order: the event: Input should be an object (it is 'text')"]),
        ("list[Item]", f'[{ITEM}, {ITEM}, {{"name": "a"}}]', ["list[Item]: [2].price: Field required"]),
        ("dict[str, Point]", '{"a b": {"x": 1.5}}', ["['a b'].x: Input should be a valid integer"]),
        ("AsDict", '{"when": 1, "count": []}', ["count: Input should be a valid integer"]),
        ("Point", '["a"]', ["[0]: Input should be a valid integer"]),
        ("Point", '{"x": 1, "z": 1}', ["z: "]),
        ("Point", "[]", ["to Point: "]),
        ("Item | Point", '{"name": "a"}', ["price (as Item): Field required", "; x"]),
    ],
)  # fmt: skip
def test_bad_events(annotation: str, event: str, expected: list[str], here: Here) -> None:
    """A bad event is an error that names the path of every field that is wrong, and what is wrong with it."""
    with pytest.raises(UnmarshalError) as caught:
        here(source(annotation))(event)
    message = str(caught.value)
    assert [] == [words for words in expected if words not in message], message


def test_bad_event_for_a_model(serve: Serve) -> None:
    """Paths are those of the JSON, with its aliases; the handler is not called, and the next event is handled."""
    runtime = serve(source("Cart", MODEL), convention="json")
    event = b'{"items": [{"sku": "ab", "price": 1}, {"sku": "a", "price": 2}], "createdAt": "no"}'
    message = said(runtime.invoke(event))
    assert (
        "items[1].sku: String should have at least 2 characters (it is 'a'); createdAt: Input should be a valid"
        in message
    )
    assert "response" == runtime.invoke(b'{"items": [], "createdAt": 0}').kind


def test_many_problems(ask: Ask) -> None:
    """The message stays short, however many problems there are and however long the values."""
    event = b"[" + b",".join([b'["' + b"y" * 10_000 + b'"]'] * 100) + b"]"
    message = said(ask(source("list[Point]"), event, convention="json"))
    assert message.endswith("; and 80 more")
    assert len(message) < 5_000


def test_long_keys(here: Here) -> None:
    """Nor does a long key make it long."""
    with pytest.raises(UnmarshalError) as caught:
        here(source("dict[str, Point]"))('{"' + "k " * 1_000_000 + '": 1}')
    assert len(str(caught.value)) < 500


def test_own_validators(serve: Serve) -> None:
    """What a validator says of a value is reported; any other exception of it is the user's own."""
    text = """
    from pydantic import BaseModel, field_validator
    class Model(BaseModel):
        n: int
        @field_validator("n")
        @classmethod
        def check(cls, n):
            if n == 1:
                raise ValueError("one is not enough")
            if n == 2:
                raise LookupError("two")
            return n
    def handler(event: Model, headers):
        return event.n
    """
    runtime = serve(text, convention="json")
    assert "n: Value error, one is not enough (it is 1)" in said(runtime.invoke(b'{"n": 1}'))
    assert ("LookupError", "two") == (
        (report := runtime.invoke(b'{"n": 2}').report)["errorType"],
        report["errorMessage"],
    )
    assert b"3" == runtime.invoke(b'{"n": 3}').body


@pytest.mark.parametrize("event", [b"", b"{", b"\xff", b"nonsense", b'{"x": 1, "y": NaN}', b'{"x": 1, "y": -Infinity}'])
@pytest.mark.parametrize("annotation", ["Item", "Point"])
def test_events_that_are_not_json(annotation: str, event: bytes, here: Here) -> None:
    """What is not JSON is the same error as in a function without annotations."""
    with pytest.raises(UnmarshalError) as plain:
        here("def handler(event, headers):\n    return event\n")(event)
    with pytest.raises(UnmarshalError) as typed:
        here(source(annotation))(event)
    assert str(plain.value) == str(typed.value)


def test_half_a_surrogate_pair(here: Here) -> None:
    """JSON that pydantic's own parser refuses is parsed as in a function without annotations."""
    assert "'count': 1}" in here(source("AsDict"))('{"when": "2026-01-02T03:04:05", "count": 1, "\\ud800": 2}')


def test_other_encodings(ask: Ask) -> None:
    """The event's text is in the encoding that is set."""
    env = {"HANDLER_ENCODING": "utf-16"}
    for annotation, event in (("Point", '{"x": 1}'), ("Item", '{"name": "é", "price": 1.10}')):
        answer = ask(source(annotation), event.encode("utf-16"), convention="json", env=env)
        assert annotation in answer.body.decode("utf-16")


HANDLERS = {
    "method": "class H:\n    def go(self, event: Point, headers):\n        return repr(event)\nhandler = H().go\n",
    "class method": "class H:\n    @classmethod\n    def go(cls, event: Point, headers):\n        return repr(event)\nhandler = H.go\n",
    "object": "class H:\n    def __call__(self, event: Point, headers):\n        return repr(event)\nhandler = H()\n",
    "partial": "from functools import partial\ndef go(a, event: Point, headers):\n    return repr(event)\nhandler = partial(go, 1)\n",
    "coroutine": "async def handler(event: Point, headers):\n    return repr(event)\n",
    "generator": "def handler(event: Point, headers):\n    yield repr(event)\n",
    "decorated": "import functools\ndef twice(f):\n    @functools.wraps(f)\n    def call(*a): return f(*a)\n    return call\n@twice\ndef handler(event: Point, headers):\n    return repr(event)\n",
    "positional only": "def handler(event: Point, headers, /):\n    return repr(event)\n",
    "default": "def handler(event: Point = None, headers=None):\n    return repr(event)\n",
    "other names": "def handler(point: Point, meta: dict) -> str:\n    return repr(point)\n",
    "unknown return type": "def handler(event: Point, headers) -> Nowhere:\n    return repr(event)\n",
}  # fmt: skip
TYPES = "{future}\nfrom typing import NamedTuple\nclass Point(NamedTuple):\n    x: int\n"


@pytest.mark.parametrize("future", ["from __future__ import annotations", ""])
@pytest.mark.parametrize("kind", HANDLERS)
def test_kinds_of_functions(kind: str, future: str, here: Here) -> None:
    """The first parameter is found in whatever is called."""
    text = TYPES.replace("{future}", future) + HANDLERS[kind]
    if kind == "unknown return type" and not future and sys.version_info < (3, 14):
        text = text.replace("Nowhere", "'Nowhere'")
    assert "Point(x=1)" == here(text)('{"x": 1}')


def test_script(ask: Ask) -> None:
    """A script's `main(handler, event)` has the event as its second parameter."""
    text = TYPES.replace("{future}", "") + "def main(handler: str, event: Point):\n    return [handler, repr(event)]\n"
    assert b'["s.py","Point(x=1)"]' == ask({"s.py": text}, b'{"x": 1}', "s.py", "json").body


def test_lambda_is_as_on_lambda(ask: Ask) -> None:
    """The convention of AWS's own runtime converts nothing, as AWS's own runtime does not."""
    text = TYPES.replace("{future}", "") + "def handler(event: Point, context):\n    return repr(event)\n"
    assert "{'x': 1}" == got(ask(text, b'{"x": 1}', convention="lambda"))


@pytest.mark.parametrize(
    "annotation",
    [
        "dict", "list", "Any", "str", "int", "Decimal", "date", "UUID", "Size", "object", "None", "dict[str, Any]",
        "Nowhere", "'Nowhere'", "Optional['Nowhere']", "type[Order]", "Literal['Order']", "1", "'not python ('",
        "sys.nothing", "Annotated[dict, 'Order']", "Plain",
    ],
)  # fmt: skip
def test_annotations_that_change_nothing(annotation: str, here: Here) -> None:
    """Any other annotation is only a word, also one that nobody can resolve."""
    text = source(annotation).replace("def handler", "class Plain:\n    x: int\ndef handler")
    assert "{'x': 1.1}" == here(text)('{"x": 1.10}')


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the syntax is new in Python 3.12")
def test_aliases(here: Here) -> None:
    """An alias asks for what it stands for."""
    text = source("Alias").replace("def handler", "type Alias = Point | None\ndef handler")
    assert "Point(x=1, y=0.5)" == here(text)('{"x": 1}')


@pytest.mark.parametrize(
    ("prepared", "annotation", "kind", "words"),
    [
        ("sys.modules['pydantic'] = None", "Order", "Runtime.ImportModuleError", ["Order", "pip install", "handler-dispatch[typed]"]),
        ("class Odd: pass\n@dataclass\nclass Bad:\n    odd: Odd", "Bad", "Runtime.UnmarshalError", ["Bad", "Odd"]),
        ("@dataclass\nclass Bad:\n    gone: Gone", "Bad", "Runtime.UnmarshalError", ["no event can be converted to Bad"]),
        ("", "Union[Order, 'Gone']", "Runtime.UnmarshalError", ["Order", "Gone"]),
    ],
)  # fmt: skip
def test_what_cannot_be_used(prepared: str, annotation: str, kind: str, words: list[str], fail: Fail) -> None:
    """A missing library, or a type that no event can become, is an init error that says so."""
    failed = fail(source(annotation).replace("def handler", f"{prepared}\ndef handler"), convention="json")
    assert kind == failed.type
    assert [] == [word for word in words if word not in failed.report["errorMessage"]], failed.report["errorMessage"]


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="from Python 3.12 on it can be used")
def test_typed_dict_of_python_311(fail: Fail) -> None:
    """The TypedDict of Python 3.11 lacks what pydantic needs; the error says which one to use."""
    text = "from typing import TypedDict\nclass T(TypedDict):\n    x: int\ndef handler(event: T, headers): pass\n"
    assert "typing_extensions.TypedDict" in fail(text, convention="json").report["errorMessage"]


def test_own_packages(ask: Ask) -> None:
    """It works beside modules of the user's own that have our packages' names."""
    own = {"conventions.py": "", "dispatch.py": "", "runtime.py": ""}
    assert "Point(x=1, y=0.5)" == got(ask({**own, "app.py": source("Point")}, b'{"x": 1}', convention="json"))
