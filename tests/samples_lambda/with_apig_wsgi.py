"""apig-wsgi with a Flask application."""

from apig_wsgi import make_lambda_handler
from flask import Flask, jsonify, request

app = Flask(__name__)


@app.get("/hello/<name>")
def hello(name):
    return jsonify(hello=name, query=request.args.to_dict())


@app.post("/echo")
def echo():
    response = app.make_response(request.get_data())
    response.content_type = "text/plain; charset=utf-8"
    response.set_cookie("a", "b")
    return response


@app.get("/binary")
def binary():
    return app.response_class(b"\x00\xff", mimetype="image/png")


@app.get("/streamed")
def streamed():
    return app.response_class(iter(["one ", "two"]), mimetype="text/plain")


@app.get("/context")
def context():
    return jsonify(id=request.environ["apig_wsgi.context"].aws_request_id)


handler = make_lambda_handler(app, binary_support=True)
