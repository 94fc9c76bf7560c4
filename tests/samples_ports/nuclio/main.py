import json


def init_context(context):
    context.user_data.greeting = "Grüße"


def handler(context, event):
    context.logger.info_with("called", path=event.path)
    if event.path.startswith("/echo"):
        return echo(event)
    if event.path == "/json":
        if not isinstance(event.body, (dict, list)):
            return context.Response(body={"error": "not JSON"}, status_code=400)
        return event.body
    if event.path == "/text":
        return context.user_data.greeting
    if event.path == "/object":
        return {"name": "Zoë", "list": [1, 2.5, None, True]}
    if event.path == "/bytes":
        return context.Response(body=bytes(range(256)), content_type="application/octet-stream")
    if event.path == "/empty":
        return context.Response(status_code=204)
    if event.path == "/created":
        return context.Response(headers={"x-own": "made"}, body="created", status_code=201)
    if event.path == "/cookies":
        return context.Response(headers={"Set-Cookie": "a=1; Path=/"}, body="one, since headers are a dictionary")
    if event.path == "/stream":
        return context.Response(body=(f"{number}\n" for number in range(3)))
    if event.path == "/fail":
        raise LookupError("fail")
    return 404, {"error": f"nothing at {event.path}"}


def echo(event):
    body = event.body
    return {
        "method": event.method,
        "path": event.path,
        "fields": event.fields,
        "own": event.get_header("x-own"),
        "cookie": event.headers.get("Cookie"),
        "type": event.content_type,
        "size": event.size,
        "body": body.decode("latin-1") if isinstance(body, bytes) else json.dumps(body),
        "trigger": event.trigger.kind,
        "rest": [event.url, event.shard_id, event.num_shards, event.type, event.version, event.offset, event.topic],
        "names": sorted(name for name in event.headers if name in {"X-Own", "Cookie", "Content-Type", "User-Agent"}),
    }
