"""One function in the words of each framework; all of them answer with the number of the request and a greeting."""

import json
from collections.abc import Awaitable, Callable
from typing import Any


def plain(event: dict[str, Any], headers: object) -> dict[str, Any]:
    return {"hello": event["name"], "n": event["n"]}


async def coroutine(event: dict[str, Any], headers: object) -> dict[str, Any]:
    return {"hello": event["name"], "n": event["n"]}


def functions_framework(request: Any) -> dict[str, Any]:
    event = request.get_json()
    return {"hello": event["name"], "n": event["n"]}


async def handle(scope: object, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
    """For Knative's server, which calls a function of this name as an ASGI application."""
    event = json.loads((await receive())["body"])
    body = json.dumps({"hello": event["name"], "n": event["n"]}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
