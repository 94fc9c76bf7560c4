"""A function as users of Scaleway write it."""

import base64
import json


def handle(event, context):
    path = event["path"].removeprefix("/handle")
    if path.startswith("/echo"):
        headers = {name.lower(): value for name, value in event["headers"].items()}
        seen = {
            "method": event["httpMethod"],
            "path": path,
            "query": event["queryStringParameters"],
            "headers": [headers.get(name) for name in ("x-own", "cookie", "content-type")],
            "body": event["body"],
        }
        return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": json.dumps(seen)}
    if path == "/json":
        try:
            return {"statusCode": 200, "body": json.dumps(json.loads(event["body"]))}
        except ValueError as error:
            return {"statusCode": 400, "body": f"not JSON: {error}"}
    if path == "/text":
        return "Grüße"
    if path == "/object":
        return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": json.dumps({"a": [1, 2]})}
    if path == "/bytes":
        body = base64.b64encode(bytes(range(256))).decode()
        return {
            "statusCode": 200,
            "headers": {"Content-Type": "application/octet-stream"},
            "body": body,
            "isBase64Encoded": True,
        }
    if path == "/empty":
        return {"statusCode": 204}
    if path == "/created":
        return {"statusCode": 201, "headers": {"x-own": "made"}, "body": "made"}
    if path == "/fail":
        raise LookupError("fail")
    return {"statusCode": 404, "body": "not found"}
