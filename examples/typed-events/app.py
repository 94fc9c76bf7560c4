"""A function that gets its events as pydantic models."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, Field


class Item(BaseModel):
    name: str
    price: Decimal = Field(gt=0)
    count: int = 1


class Order(BaseModel):
    kind: Literal["order"]
    due: date
    items: list[Item]


class Refund(BaseModel):
    kind: Literal["refund"]
    amount: Decimal = Field(gt=0)


Event = Annotated[Order | Refund, Field(discriminator="kind")]


def book(event: Event, headers):
    if isinstance(event, Refund):
        return {"amount": -event.amount}
    return {"amount": sum(item.price * item.count for item in event.items), "weekday": f"{event.due:%A}"}
