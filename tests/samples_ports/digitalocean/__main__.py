"""A function of DigitalOcean, as its users write it."""

import base64


def main(event, context):
    http = event["http"]
    first = http["path"].strip("/").split("/")[0]
    if first == "echo":
        return {
            "body": {
                "http": {"method": http["method"], "path": http["path"]},
                "given": {name: event[name] for name in event if name != "http" and not name.startswith("__")},
                "own": http["headers"].get("x-own"),
                "cookie": http["headers"].get("cookie"),
                "type": http["headers"].get("content-type"),
                "body": event.get("__ow_body"),
                "binary": event.get("__ow_isBase64Encoded", False),
                "in time": context.get_remaining_time_in_millis() > 0,
            }
        }
    if first == "json":
        return {"body": {"name": event.get("name")}}
    if first == "text":
        return {"headers": {"content-type": "text/plain"}, "body": "Grüße"}
    if first == "object":
        return {"body": {"ü": "Zoë", "list": [1, 2.5, None, True]}}
    if first == "bytes":
        data = base64.b64encode(bytes(range(256))).decode()
        return {"headers": {"Content-Type": "application/octet-stream"}, "body": data}
    if first == "empty":
        return None
    if first == "created":
        return {"statusCode": "201", "headers": {"x-own": "made"}, "body": "<p>made</p>"}
    if first == "cookies":
        return {"headers": {"Set-Cookie": ["a=1", "b=2"]}, "body": "set"}
    if first == "stream":
        return {"body": "".join(part for part in ("one ", "two ", "three"))}
    if first == "fail":
        raise LookupError("fail")
    return {"statusCode": 404, "body": {"error": "no such page"}}
