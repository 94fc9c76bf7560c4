"""The least that a Knative function does: it returns the request's body."""

from collections.abc import Callable
from typing import Any


def new() -> "Function":
    return Function()


class Function:
    async def handle(self, scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        request = await receive()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": request["body"]})
