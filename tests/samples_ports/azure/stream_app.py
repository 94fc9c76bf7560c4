"""An app of Azure Functions whose responses stream, by the extension for FastAPI."""

import azure.functions as func
from azurefunctions.extensions.http.fastapi import JSONResponse, PlainTextResponse, Request, Response, StreamingResponse

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route("echo/{*rest}")
async def echo(req: Request) -> JSONResponse:
    return JSONResponse(
        {
            "method": req.method,
            "path": req.url.path,
            "rest": req.path_params.get("rest"),
            "query": req.query_params.multi_items(),
            "own": req.headers.get("x-own"),
            "cookie": req.cookies,
            "type": req.headers.get("content-type"),
            "body": (await req.body()).decode("latin-1"),
        }
    )


@app.route("json", methods=["POST"])
async def parsed(req: Request):
    try:
        return await req.json()
    except ValueError:
        return JSONResponse({"error": "not JSON"}, 400)


@app.route("text")
def text(req: Request):
    return "ü"


@app.route("object")
async def an_object(req: Request):
    return {"name": "Zoë", "tags": [1, None]}


@app.route("bytes")
async def some_bytes(req: Request) -> Response:
    return Response(bytes(range(256)), media_type="application/octet-stream")


@app.route("empty")
async def empty(req: Request) -> Response:
    return Response(status_code=204)


@app.route("created")
async def created(req: Request) -> Response:
    return Response("made", 201, {"x-own": "made"}, "text/plain")


@app.route("cookies")
async def cookies(req: Request) -> Response:
    response = PlainTextResponse("two")
    response.set_cookie("a", "1")
    response.set_cookie("b", "x y", secure=True, httponly=True)
    return response


async def parts():
    for part in ("one ", "two ", "three"):
        yield part


@app.route("stream")
async def stream(req: Request) -> StreamingResponse:
    return StreamingResponse(parts(), media_type="text/plain")


@app.route("fail")
async def fail(req: Request):
    raise LookupError("fail")
