"""Handlers of the `lambda` convention."""

from decimal import Decimal
from typing import Any


def echo(event: Any, context: Any) -> Any:
    return event


def raw(event: Any, context: Any) -> bytes:
    return b"\x00raw\xff"


def decimal(event: Any, context: Any) -> Any:
    return {"price": Decimal("1.10")}


def known(event: Any, context: Any) -> list[bool]:
    return [
        len(context.aws_request_id) > 8,
        0 < context.get_remaining_time_in_millis() < 900_001,
        context.invoked_function_arn.startswith("arn:aws:lambda:"),
        context.identity.cognito_identity_id is None,
    ]


def client(event: Any, context: Any) -> Any:
    return [context.client_context.custom, context.client_context.client.app_title]


def alien(event: Any, context: Any) -> Any:
    return {1, 2}


async def waits(event: Any, context: Any) -> Any:
    return [event]


def fails(event: Any, context: Any) -> Any:
    raise KeyError("missing")
