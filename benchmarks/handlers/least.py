"""The least that a function does in each convention that needs no package: it returns its event, or a request's body.

It imports nothing, because that would count as a cost of the convention.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, BinaryIO


def plain(event: object, headers: object) -> object:
    return event


def stream(event: BinaryIO, answer: BinaryIO, headers: object) -> None:
    answer.write(event.read())


def cloudevent(event: object) -> object:
    return event


def record(record: dict[str, Any], headers: object) -> None:
    """Nothing, so the answer is that no record has failed."""


async def asgi(scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
    assert scope["type"] == "http"
    request = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": request["body"]})


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "application/json")])
    return [environ["wsgi.input"].read()]


async def handle(scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
    """As Knative names it."""
    await asgi(scope, receive, send)


def openfaas(event: Any, context: object) -> dict[str, Any]:
    return {"statusCode": 200, "body": event.body.decode()}


def openwhisk(args: dict[str, Any]) -> dict[str, Any]:
    return {"body": f'{{"name": "{args["name"]}"}}'}


def digitalocean(event: dict[str, Any], context: object) -> dict[str, Any]:
    return openwhisk(event)


def nuclio(context: object, event: Any) -> str:
    return f'{{"name": "{event.body["name"]}"}}'


def neighbour(event: dict[str, Any], context: object) -> dict[str, Any]:
    return {"statusCode": 200, "body": event["body"]}
