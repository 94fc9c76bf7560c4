"""Mangum with a Starlette application, its lifespan on."""

from contextlib import asynccontextmanager

from mangum import Mangum
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

state = []


@asynccontextmanager
async def lifespan(app):
    state.append("up")
    yield
    state.append("down")


async def hello(request):
    return JSONResponse({"hello": request.path_params["name"], "query": dict(request.query_params), "state": state[:1]})


async def echo(request):
    response = PlainTextResponse(await request.body())
    response.set_cookie("a", "b")
    return response


async def binary(request):
    return Response(b"\x00\xff", media_type="image/png")


async def streamed(request):
    async def parts():
        yield b"one "
        yield b"two"

    return StreamingResponse(parts(), media_type="text/plain")


async def context(request):
    return JSONResponse({"id": request.scope["aws.context"].aws_request_id})


routes = [
    Route("/hello/{name}", hello),
    Route("/echo", echo, methods=["POST"]),
    Route("/binary", binary),
    Route("/streamed", streamed),
    Route("/context", context),
]
handler = Mangum(Starlette(routes=routes, lifespan=lifespan))
