"""The least that a function does in each convention that needs no package: it returns its event, or a request's body."""

import json
from http.server import BaseHTTPRequestHandler
from typing import Any, BinaryIO


def stream(event: BinaryIO, answer: BinaryIO, headers: object) -> None:
    answer.write(event.read())


def record(record: dict[str, Any], headers: object) -> None:
    """Nothing, so the answer is that no record has failed."""


def cloudevent(event: object) -> object:
    return event


def openfaas(event: Any, context: object) -> dict[str, Any]:
    return {"statusCode": 200, "body": event.body.decode()}


def openwhisk(args: dict[str, Any]) -> dict[str, Any]:
    return {"body": json.dumps({"name": args["name"]}, ensure_ascii=False)}


def digitalocean(event: dict[str, Any], context: object) -> dict[str, Any]:
    return {"body": json.dumps({"name": event["name"]}, ensure_ascii=False)}


def nuclio(context: object, event: Any) -> str:
    return json.dumps({"name": event.body["name"]}, ensure_ascii=False)


def alibaba(event: bytes, context: object) -> dict[str, Any]:
    return {"statusCode": 200, "body": json.loads(event)["body"]}


def neighbour(event: dict[str, Any], context: object) -> dict[str, Any]:
    return {"statusCode": 200, "body": event["body"]}


class vercel(BaseHTTPRequestHandler):  # noqa: N801 - as Vercel names it
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)
