"""Routes of Starlette that answer as the functions in hello.py do, without any framework for functions."""

from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


def answer(event: dict[str, Any]) -> dict[str, Any]:
    return {"hello": event["name"], "n": event["n"]}


async def coroutine(request: Request) -> JSONResponse:
    return JSONResponse(answer(await request.json()))


async def plain(request: Request) -> JSONResponse:
    """The body is read on the loop, and the function runs in a thread, as in FastAPI."""
    return JSONResponse(await run_in_threadpool(answer, await request.json()))


app = Starlette(routes=[Route(f"/{route.__name__}", route, methods=["POST"]) for route in (coroutine, plain)])
