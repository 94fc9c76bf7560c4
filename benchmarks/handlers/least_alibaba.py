"""The least that a function of Alibaba Cloud does: it returns the request's body."""

import json


def handler(event: bytes, context: object) -> dict[str, object]:
    return {"statusCode": 200, "body": json.loads(event)["body"]}
