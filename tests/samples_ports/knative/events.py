"""A function of CloudEvents, as `func create --language python --template cloudevents` begins one."""

import logging

from cloudevents.core.v1.event import CloudEvent


def new():
    return Function()


class Function:
    async def handle(self, scope, receive, send):
        event, path = scope["event"], scope["path"]
        logging.info("%s %s", event.get_type(), path)
        if path.startswith("/echo"):
            await send(made({"path": path, "query": scope["query_string"].decode(), **seen(event)}))
        elif path == "/json":
            await send.binary(made(event.get_data(), datacontenttype="application/json"))
        elif path == "/text":
            await send(made("ü", datacontenttype="text/plain"))
        elif path == "/object":
            await send.binary(made({"name": "Zoë", "tags": [1, None]}, subject="Grüße %", datacontenttype="application/json"))
        elif path == "/bytes":
            await send.structured(made(bytes(range(256)), datacontenttype="application/octet-stream"))
        elif path == "/empty":
            await send.http({"type": "http.response.start", "status": 204, "headers": []})
            await send.http({"type": "http.response.body"})
        elif path == "/created":
            await send.binary(made("made", datacontenttype="text/plain"), 201)
        elif path == "/cookies":
            cookies = [(b"set-cookie", b"a=1; Path=/"), (b"set-cookie", b"b=2; HttpOnly")]
            await send.http({"type": "http.response.start", "status": 200, "headers": cookies})
            await send.http({"type": "http.response.body", "body": b""})
        elif path == "/stream":
            headers = [(b"content-type", b"text/plain")]
            await send.http({"type": "http.response.start", "status": 200, "headers": headers})
            for part in (b"one ", b"two "):
                await send.http({"type": "http.response.body", "body": part, "more_body": True})
            await send.http({"type": "http.response.body", "body": b"three"})
        elif path == "/fail":
            raise LookupError("fail")
        elif path == "/silent":
            pass
        elif path == "/wrong":
            await send("not an event")
        else:
            await send(made({"message": "not here"}), status=404)


def seen(event):
    attributes = {name: str(value) for name, value in event.get_attributes().items() if name != "time"}
    data = event.get_data()
    return {"attributes": attributes, "data": data.decode("latin-1") if isinstance(data, bytes) else data}


def made(data, **attributes):
    return CloudEvent(attributes={"type": "com.example.answer", "source": "/events", "id": "1", **attributes}, data=data)
