import io
import json
import logging
from urllib.parse import parse_qs, urlsplit

from fdk import response


def handler(ctx, data: io.BytesIO = None):
    logging.getLogger().info("called")
    url = urlsplit(ctx.RequestURL())
    if url.path.startswith("/echo"):
        return echo(ctx, url, data)
    if url.path == "/json":
        try:
            return answer(ctx, json.loads(data.getvalue()))
        except ValueError as error:
            return answer(ctx, {"error": str(error)}, 400)
    if url.path == "/text":
        return "Grüße"
    if url.path == "/object":
        return answer(ctx, {"name": "Zoë", "list": [1, 2.5, None, True]})
    if url.path == "/bytes":
        ctx.SetResponseHeaders({"Content-Type": "application/octet-stream"}, 200)
        return bytes(range(256))
    if url.path == "/empty":
        return response.Response(ctx, status_code=204)
    if url.path == "/created":
        return response.Response(ctx, "created", {"X-Own": "made", "Content-Type": "text/plain; charset=utf-8"}, 201)
    if url.path == "/cookies":
        return response.Response(ctx, "one, since headers are a dictionary", {"Set-Cookie": "a=1; Path=/"})
    if url.path == "/stream":
        return "".join(f"{number}\n" for number in range(3))
    if url.path == "/fail":
        raise LookupError("fail")
    return answer(ctx, {"error": f"nothing at {url.path}"}, 404)


def answer(ctx, value, status=200):
    return response.Response(ctx, json.dumps(value), {"Content-Type": "application/json"}, status)


def echo(ctx, url, data):
    headers = ctx.HTTPHeaders()
    seen = {
        "method": ctx.Method(),
        "url": ctx.RequestURL(),
        "query": parse_qs(url.query, keep_blank_values=True),
        "own": headers.get("x-own"),
        "cookie": headers.get("cookie"),
        "type": ctx.Headers().get("content-type"),
        "body": data.getvalue().decode("latin-1"),
        "names": sorted(name for name in headers if name in {"x-own", "cookie", "user-agent", "content-type", "host"}),
        "intent": ctx.Headers()["fn-intent"],
        "host": ctx.Headers()["host"],
        "called": bool(ctx.CallID()) and bool(ctx.Deadline()),
    }
    return answer(ctx, seen)
