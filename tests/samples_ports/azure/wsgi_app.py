"""A Flask application inside of Azure Functions."""

import azure.functions as func
from flask import Flask, Response, jsonify, request

web = Flask(__name__)
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"]


@web.route("/echo", defaults={"rest": ""}, methods=METHODS, provide_automatic_options=False)
@web.route("/echo/<path:rest>", methods=METHODS, provide_automatic_options=False)
def echo(rest):
    return {
        "method": request.method,
        "path": request.path,
        "rest": rest,
        "query": list(request.args.items(multi=True)),
        "own": request.headers.get("x-own"),
        "cookie": request.cookies,
        "type": request.headers.get("content-type"),
        "body": request.get_data().decode("latin-1"),
    }


@web.post("/json")
def parsed():
    return jsonify(request.get_json())


@web.get("/text")
def text():
    return "ü"


@web.get("/object")
def an_object():
    return {"name": "Zoë", "tags": [1, None]}


@web.get("/bytes")
def some_bytes():
    return Response(bytes(range(256)), mimetype="application/octet-stream")


@web.get("/empty")
def empty():
    return "", 204


@web.get("/created")
def created():
    return "made", 201, {"x-own": "made"}


@web.get("/cookies")
def cookies():
    response = Response("two")
    response.set_cookie("a", "1")
    response.set_cookie("b", "x y", secure=True, httponly=True)
    return response


@web.get("/stream")
def stream():
    return Response(iter(["one ", "two ", "three"]), mimetype="text/plain")


@web.get("/fail")
def fail():
    raise LookupError("fail")


app = func.WsgiFunctionApp(web.wsgi_app, http_auth_level=func.AuthLevel.ANONYMOUS)
