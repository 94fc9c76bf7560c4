"""A blueprint: the functions that answer without a request's data."""

import json

import azure.functions as func

bp = func.Blueprint()


@bp.route("text")
def text(req: func.HttpRequest) -> str:
    return "ü"


@bp.route("object")
def an_object(req: func.HttpRequest) -> str:
    return json.dumps({"name": "Zoë", "tags": [1, None], "none": {}, "ratio": 0.5}, ensure_ascii=False)


@bp.route("bytes")
def some_bytes(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(bytes(range(256)), mimetype="application/octet-stream")


@bp.route("empty")
def empty(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(status_code=204)


@bp.route("created", binding_arg_name="res")
def created(req: func.HttpRequest, res: func.Out[func.HttpResponse]) -> None:
    res.set(func.HttpResponse("made", status_code=201, headers={"x-own": "made"}))


@bp.route("cookies")
def cookies(req: func.HttpRequest) -> func.HttpResponse:
    response = func.HttpResponse("two")
    response.headers.add("Set-Cookie", "a=1; Path=/; HttpOnly")
    response.headers.add("Set-Cookie", 'b="x y"; Expires=Wed, 02 Jan 2030 03:04:05 GMT; Max-Age=60; SameSite=Lax; Secure')
    return response


@bp.route("stream")
def stream(req: func.HttpRequest) -> func.HttpResponse:
    # Without the FastAPI extension, a response is one piece.
    return func.HttpResponse("".join(["one ", "two ", "three"]))
