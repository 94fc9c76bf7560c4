"""The application of the comparisons, as ASGI."""

import asyncio
from contextlib import asynccontextmanager

from described import ANSWERS, described
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route


async def echo(request):
    return JSONResponse(described(
        request.method, str(request.url), request.url.path, request.query_params.multi_items(),
        request.headers.items(), request.cookies, await request.body(),
    ))  # fmt: skip


async def answer(request):
    status, headers, body = ANSWERS[request.path_params["name"]]
    response = Response(body, status)
    response.raw_headers += [(name.encode(), value.encode("latin-1")) for name, value in headers]
    return response


async def upload(request):
    async with request.form() as form:
        file = form["file"]
        return JSONResponse([file.filename, file.content_type, len(await file.read()), form["name"]])


async def form(request):
    return JSONResponse((await request.form()).multi_items())


async def to_answer(request):
    return RedirectResponse(request.url_for("answer", name="text"))


async def slash(request):
    return PlainTextResponse("slash")


async def parts():
    for number in range(3):
        yield f"{number}\n"
        await asyncio.sleep(0)


async def stream(request):
    return StreamingResponse(parts(), media_type="text/plain")


async def state(request):
    request.state.own = 1
    return JSONResponse({"started": request.state.started, "ended": len(request.state.ended)})


async def fail(request):
    raise LookupError("no such thing")


async def fail_midway(request):
    async def some():
        yield b"first\n"
        raise LookupError("no more")

    return StreamingResponse(some(), media_type="text/plain")


async def later(request):
    return PlainTextResponse("now", background=BackgroundTask(request.state.ended.append, 1))


@asynccontextmanager
async def lifespan(app):
    yield {"started": True, "ended": []}


METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
app = Starlette(
    lifespan=lifespan,
    routes=[
        Route("/echo", echo, methods=METHODS),
        Route("/echo/{rest:path}", echo, methods=METHODS),
        Route("/answers/{name}", answer, methods=METHODS),
        Route("/upload", upload, methods=["POST"]),
        Route("/form", form, methods=["POST"]),
        Route("/to-answer", to_answer),
        Route("/slash/", slash),
        Route("/stream", stream),
        Route("/state", state),
        Route("/fail", fail),
        Route("/fail-midway", fail_midway),
        Route("/later", later),
        Route("/events", echo, methods=["POST"]),
    ],
)
