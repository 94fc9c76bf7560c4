"""A function of the template python3, as its users write it: the request is standard input and variables."""

import json
import os


def handle(req):
    path = os.getenv("Http_Path", "/")
    first = path.strip("/").split("/")[0]
    if first == "echo":
        print("echo:")
        return json.dumps(
            {
                "method": os.getenv("Http_Method"),
                "path": path,
                "query": os.getenv("Http_Query"),
                "own": os.getenv("Http_X_Own"),
                "cookie": os.getenv("Http_Cookie"),
                "type": os.getenv("Http_Content_Type"),
                "length": os.getenv("Http_Content_Length"),
                "body": req.encode("utf-8", "surrogateescape").hex(),
            }
        )
    if first == "json":
        try:
            return json.loads(req)
        except ValueError as error:
            return f"bad: {error}"
    if first == "text":
        return "Grüße"
    if first == "object":
        return json.dumps({"ü": "Zoë"}, ensure_ascii=False)
    if first == "bytes":
        return bytes(range(256)).decode("utf-8", "surrogateescape")
    if first == "empty":
        return None
    if first == "stream":
        for part in ("one ", "two ", "three"):
            print(part, end="")
        return None
    if first == "fail":
        raise LookupError("fail")
    return f"no such page: {path}"
