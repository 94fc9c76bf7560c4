from flask import Flask, Response, jsonify, redirect, request, url_for

app = Flask(__name__)


@app.get("/")
def home():
    return redirect(url_for("hello", name="you"))


@app.get("/hello/<name>")
def hello(name):
    response = Response(f"Hello, {name}!\n", mimetype="text/plain")
    response.set_cookie("last", name)
    return response


@app.post("/upload")
def upload():
    return jsonify({file.filename: len(file.read()) for file in request.files.values()})


@app.get("/countdown")
def countdown():
    return Response((f"{number}\n" for number in (3, 2, 1)), mimetype="text/plain")
