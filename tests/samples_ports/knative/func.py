"""A function of HTTP requests, as `func create --language python --template http` begins one."""

import json
import logging


def new():
    return Function()


class Function:
    def __init__(self):
        self.ready_since = None

    async def handle(self, scope, receive, send):
        logging.info("%s %s", scope["method"], scope["path"])
        body = await whole(receive)
        path = scope["path"]
        if path.startswith("/echo"):
            await answer(send, 200, seen(scope, body))
        elif path == "/json":
            await answer(send, 200, json.loads(body))
        elif path == "/text":
            await respond(send, 200, [(b"content-type", b"text/plain; charset=utf-8")], "ü".encode())
        elif path == "/object":
            await answer(send, 200, {"name": "Zoë", "tags": [1, None]})
        elif path == "/bytes":
            await respond(send, 200, [(b"content-type", b"application/octet-stream")], bytes(range(256)))
        elif path == "/empty":
            await respond(send, 204, [], b"")
        elif path == "/created":
            await respond(send, 201, [(b"content-type", b"text/plain"), (b"x-own", b"made")], b"created")
        elif path == "/cookies":
            await respond(send, 200, [(b"set-cookie", b"a=1; Path=/"), (b"set-cookie", b"b=2; HttpOnly")], b"")
        elif path == "/stream":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
            for part in (b"one ", b"two "):
                await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body", "body": b"three"})
        elif path == "/fail":
            raise LookupError("fail")
        elif path == "/silent":
            pass
        else:
            await respond(send, 404, [(b"content-type", b"text/plain")], b"not here")

    def start(self, cfg):
        self.ready_since = cfg.get("PATH") and "the start"

    def stop(self):
        self.ready_since = None

    def alive(self):
        return True, "Alive"

    def ready(self):
        return bool(self.ready_since), f"Ready since {self.ready_since}"


async def whole(receive):
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def seen(scope, body):
    headers = [(name.decode(), value.decode()) for name, value in scope["headers"]]
    return {
        "method": scope["method"],
        "path": scope["path"],
        "query": scope["query_string"].decode(),
        "headers": [pair for pair in headers if pair[0] in ("x-own", "cookie", "content-type")],
        "body": body.decode("latin-1"),
    }


async def answer(send, status, value):
    await respond(send, status, [(b"content-type", b"application/json")], json.dumps(value).encode())


async def respond(send, status, headers, body):
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
