"""The application of the comparisons, as WSGI."""

from described import ANSWERS, described
from flask import Flask, Response, jsonify, redirect, request, url_for

app = Flask(__name__)
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@app.route("/echo", defaults={"rest": ""}, methods=METHODS)
@app.route("/echo/<path:rest>", methods=METHODS)
def echo(rest):
    return jsonify(described(
        request.method, request.url, request.path, list(request.args.items(multi=True)),
        request.headers.items(), request.cookies, request.get_data(),
    ))  # fmt: skip


@app.route("/answers/<name>", methods=METHODS)
def answer(name):
    status, headers, body = ANSWERS[name]
    response = Response(body, status)
    del response.headers["content-type"]
    for header, value in headers:
        response.headers.add(header, value)
    return response


@app.post("/upload")
def upload():
    file = request.files["file"]
    return jsonify([file.filename, file.content_type, len(file.read()), request.form["name"]])


@app.post("/form")
def form():
    return jsonify(list(request.form.items(multi=True)))


@app.get("/to-answer")
def to_answer():
    return redirect(url_for("answer", name="text"), 307)


@app.get("/slash/")
def slash():
    return Response("slash", mimetype="text/plain")


@app.get("/stream")
def stream():
    return Response((f"{number}\n" for number in range(3)), mimetype="text/plain")


@app.get("/fail")
def fail():
    raise LookupError("no such thing")


@app.post("/events")
def events():
    return jsonify(request.get_json())
