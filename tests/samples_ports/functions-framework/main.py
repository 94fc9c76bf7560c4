"""A function of Cloud Run functions, as its documentation shows them: one function of a Flask request."""

import functions_framework
from flask import Response, abort, jsonify, make_response


@functions_framework.http
def serve(request):
    page = PAGES.get(request.path.split("/")[1])
    if page is None:
        abort(404)
    return page(request)


def echo(request):
    return {
        "method": request.method,
        "path": request.path,
        "query": request.args.to_dict(flat=False),
        "headers": {name: request.headers.get(name) for name in ("x-own", "cookie", "content-type")},
        "body": request.get_data().hex(),
    }


def parsed(request):
    return jsonify(request.get_json())


def cookies(request):
    response = make_response("cookies")
    response.set_cookie("a", "1")
    response.set_cookie("b", "two words", httponly=True, path="/here")
    return response


def stream(request):
    return Response((f"part {number}\n" for number in range(3)), mimetype="text/plain")


def fail(request):
    raise LookupError("fail")


PAGES = {
    "echo": echo,
    "json": parsed,
    "text": lambda request: "Grüße",
    "object": lambda request: {"name": "Zoë", "list": [1, 2.5, None]},
    "bytes": lambda request: Response(bytes(range(256)), mimetype="application/octet-stream"),
    "empty": lambda request: ("", 204),
    "created": lambda request: ("made", 201, {"x-own": "made"}),
    "cookies": cookies,
    "stream": stream,
    "fail": fail,
}
