"""The same with functions_framework.aio: one function of a Starlette request."""

import functions_framework.aio
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response, StreamingResponse


@functions_framework.aio.http
async def serve(request):
    page = PAGES.get(request.url.path.split("/")[1])
    if page is None:
        raise HTTPException(404)
    return await page(request)


async def echo(request):
    return {
        "method": request.method,
        "path": request.url.path,
        "query": request.query_params.multi_items(),
        "headers": {name: request.headers.getlist(name) for name in ("x-own", "cookie", "content-type")},
        "body": (await request.body()).hex(),
    }


async def parsed(request):
    return await request.json()


async def text(request):
    return "Grüße"


async def found(request):
    return {"name": "Zoë", "list": [1, 2.5, None]}


async def everything(request):
    return Response(bytes(range(256)), media_type="application/octet-stream")


async def empty(request):
    return "", 204


async def created(request):
    return PlainTextResponse("made", 201, {"x-own": "made"})


async def cookies(request):
    response = PlainTextResponse("cookies")
    response.set_cookie("a", "1")
    response.set_cookie("b", "two words", httponly=True, path="/here")
    return response


async def stream(request):
    async def parts():
        for number in range(3):
            yield f"part {number}\n"

    return StreamingResponse(parts(), media_type="text/plain")


async def fail(request):
    raise LookupError("fail")


PAGES = {
    "echo": echo,
    "json": parsed,
    "text": text,
    "object": found,
    "bytes": everything,
    "empty": empty,
    "created": created,
    "cookies": cookies,
    "stream": stream,
    "fail": fail,
}
