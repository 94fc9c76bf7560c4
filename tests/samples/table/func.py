async def handle(scope, receive, send):
    if scope["path"] == "/fail":
        raise LookupError("fail")
    body = (await receive())["body"].decode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": f"{scope['path']} {body}".encode()})
