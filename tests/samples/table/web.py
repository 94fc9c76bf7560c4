"""One application twice: its path and its body, or a failure."""


def answer(path, body):
    if path == "/fail":
        raise LookupError("no such thing")
    return 500 if body == b'"fail"' else 200, f"{path} ".encode() + body


async def asgi(scope, receive, send):
    assert scope["type"] == "http"
    body = (await receive())["body"]
    status, content = answer(scope["path"], body)
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": content})


def wsgi(environ, start_response):
    status, content = answer(environ["PATH_INFO"].encode("latin-1").decode(), environ["wsgi.input"].read())
    start_response(f"{status} Status", [("content-type", "text/plain")])
    return [content]
