"""A web action of OpenWhisk, as its users write it."""

import base64


def main(args):
    first = args["__ow_path"].strip("/").split("/")[0]
    if first == "echo":
        headers = args["__ow_headers"]
        return {
            "body": {
                "method": args["__ow_method"],
                "path": args["__ow_path"],
                "given": {name: value for name, value in args.items() if not name.startswith("__ow_")},
                "own": headers.get("x-own"),
                "cookie": headers.get("cookie"),
                "type": headers.get("content-type"),
                "body": args.get("__ow_body"),
            }
        }
    if first == "json":
        return {"body": {"name": args.get("name")}}
    if first == "text":
        return {"headers": {"content-type": "text/plain"}, "body": "Grüße"}
    if first == "object":
        return {"body": {"ü": "Zoë", "list": [1, 2.5, None, True]}}
    if first == "bytes":
        data = base64.b64encode(bytes(range(256))).decode()
        return {"headers": {"Content-Type": "application/octet-stream"}, "body": data}
    if first == "empty":
        return {"statusCode": 204}
    if first == "created":
        return {"statusCode": 201, "headers": {"x-own": "made"}, "body": "<p>made</p>"}
    if first == "cookies":
        return {"headers": {"Set-Cookie": ["a=1", "b=2"]}, "body": "set"}
    if first == "stream":
        return {"body": "".join(part for part in ("one ", "two ", "three"))}
    if first == "fail":
        raise LookupError("fail")
    return {"error": {"statusCode": 404, "body": {"error": "no such page"}}}
