"""A FastAPI application inside of Azure Functions."""

import azure.functions as func
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse

web = FastAPI()


@web.api_route("/echo", methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"])
@web.api_route("/echo/{rest:path}", methods=["GET"])
async def echo(request: Request, rest: str = ""):
    body = await request.body()
    return {
        "method": request.method,
        "path": request.url.path,
        "rest": rest,
        "query": request.query_params.multi_items(),
        "own": request.headers.get("x-own"),
        "cookie": request.cookies,
        "type": request.headers.get("content-type"),
        "body": body.decode("latin-1"),
    }


@web.post("/json")
async def parsed(request: Request):
    try:
        return await request.json()
    except ValueError:
        return JSONResponse({"error": "not JSON"}, 400)


@web.get("/text")
async def text():
    return PlainTextResponse("ü")


@web.get("/object")
async def an_object():
    return {"name": "Zoë", "tags": [1, None]}


@web.get("/bytes")
async def some_bytes():
    return Response(bytes(range(256)), media_type="application/octet-stream")


@web.get("/empty", status_code=204)
async def empty():
    return None


@web.get("/created")
async def created():
    return PlainTextResponse("made", 201, {"x-own": "made"})


@web.get("/cookies")
async def cookies(response: Response):
    response.set_cookie("a", "1")
    response.set_cookie("b", "x y", max_age=60, secure=True, httponly=True)
    return "two"


@web.get("/stream")
async def stream():
    return StreamingResponse(iter(["one ", "two ", "three"]), media_type="text/plain")


@web.get("/fail")
async def fail():
    raise LookupError("fail")


app = func.AsgiFunctionApp(web, http_auth_level=func.AuthLevel.ANONYMOUS)
