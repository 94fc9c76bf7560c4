"""Handlers of the `json` convention."""

import dataclasses
import datetime
import decimal
import enum
import uuid
from typing import Any


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    y: decimal.Decimal


RICH = {
    "decimal": lambda: decimal.Decimal("1.10"),
    "datetime": lambda: datetime.datetime(2026, 1, 2, 3, 4, 5),
    "date": lambda: datetime.date(2026, 1, 2),
    "uuid": lambda: uuid.UUID(int=1),
    "dataclass": lambda: Point(1, decimal.Decimal("2.5")),
    "set": lambda: {7},
    "frozenset": lambda: frozenset({7}),
    "enum": lambda: Colour.RED,
    "nested": lambda: [{"point": Point(0, decimal.Decimal(3)), "colours": (Colour.RED,)}],
}


def echo(event: Any, headers: Any) -> Any:
    return event


def rich(event: str, headers: Any) -> Any:
    return RICH[event]()


def alien(event: Any, headers: Any) -> Any:
    return object()


async def doubled(event: int, headers: Any) -> int:
    return 2 * event


def lines(event: list[Any], headers: Any) -> Any:
    yield from event
    yield b"raw"


def mirrored(event: Point, headers: Any) -> Any:
    return Point(-event.x, event.y)


def fails(event: Any, headers: Any) -> Any:
    raise ZeroDivisionError("on purpose")
