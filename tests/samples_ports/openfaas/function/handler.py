"""A function of the template python3-http, as its users write it."""

import json

MADE = {"ü": "Zoë", "list": [1, 2.5, None, True]}


def handle(event, context):
    first = event.path.strip("/").split("/")[0]
    if first == "echo":
        return {
            "statusCode": 200,
            "headers": {"x-host": context.hostname},
            "body": {
                "method": event.method,
                "path": event.path,
                "query": {name: event.query.getlist(name) for name in event.query},
                "own": event.headers.get("x-own"),
                "cookie": event.headers.get("Cookie"),
                "type": event.headers.get("Content-Type"),
                "body": event.body.hex(),
            },
        }
    if first == "json":
        try:
            return {"body": json.loads(event.body)}
        except ValueError as error:
            return {"statusCode": 400, "body": {"error": str(error)}}
    if first == "text":
        return "Grüße"
    if first == "object":
        return {"statusCode": "200", "body": MADE}
    if first == "bytes":
        return {"headers": {"Content-type": "application/octet-stream"}, "body": bytes(range(256))}
    if first == "empty":
        return {"statusCode": 204}
    if first == "created":
        return {"statusCode": 201, "headers": {"x-own": "made"}, "body": "made"}
    if first == "cookies":
        return {"headers": [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")], "body": "set"}
    if first == "stream":
        return (part for part in ("one ", "two ", "three"))
    if first == "fail":
        raise LookupError("fail")
    return {"statusCode": 404, "body": {"error": f"nothing at {event.path}"}}
