"""What the tests of web applications share: a hundred requests, servers to compare with, and what a client gets."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from dispatch import http
from support.process import Child, await_true

SAMPLES = Path(__file__).parents[1] / "samples_web"

#: Headers that differ between any two servers, or that say how a body is framed.
FRAMING = frozenset({"date", "server", "content-length", "transfer-encoding", "connection"})

BOUNDARY = "----boundary"
UPLOAD = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="name"\r\n\r\nZoë\r\n'
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a b.bin"\r\n'
    "Content-Type: application/octet-stream\r\n\r\n"
).encode() + bytes(range(256)) * 40 + f"\r\n--{BOUNDARY}--\r\n".encode()  # fmt: skip
MULTIPART = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
JSON = {"content-type": "application/json"}


class Ask(NamedTuple):
    """A request."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class Got(NamedTuple):
    """What a client gets, without what any two servers do in their own way."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @classmethod
    def of(cls, status: int, headers: Any, body: bytes) -> Got:
        """Repeated headers are joined; `Set-Cookie`, which cannot be joined, is sorted first."""
        values: dict[str, list[str]] = {}
        for name, value in headers:
            values.setdefault(name.lower(), []).append(value)
        joined = {name: ", ".join(sorted(each)) for name, each in values.items() if name not in FRAMING}
        return cls(status, joined, body)


def _asks() -> Iterator[tuple[str, Ask]]:
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        yield f"method-{method}", Ask(method, "/echo")
    for name in ("text", "binary", "not-modified"):
        yield f"head-{name}", Ask("HEAD", f"/answers/{name}")
    for path in ("a%20b", "caf%C3%A9", "a%2Fb", "a%252Fb", "a+b", "a;b=c", "~u", "a:b@c", "%E4", "a%3Fb", "a%23b", "%7Bx%7D", "x" * 1500):  # fmt: skip
        yield f"path-{path[:9]}", Ask("GET", f"/echo/{path}")
    for query in ("a=1", "a=1&a=2", "a=", "a", "a=x+y", "a=%2B", "a=caf%C3%A9", "a=%E4", "a=1&b=2&a=3", "a=b=c", "a=%26", "a[]=1&a[]=2", "b%20c=d%3De", "a=" + "x" * 1500):  # fmt: skip
        yield f"query-{query[:11]}", Ask("GET", f"/echo?{query}")
    headers = {
        "own": [("x-own", "1")], "twice": [("x-own", "1"), ("x-own", "2")], "commas": [("accept", "a/b;q=0.5, c/d")],
        "empty": [("x-own", "")], "authorization": [("authorization", "Basic YTpi")], "case": [("X-OWN", "Value")],
        "range": [("range", "bytes=0-9")], "cookie": [("cookie", "a=1")], "cookies": [("cookie", "a=1; b=2; c=3")],
        "quoted-cookie": [("cookie", 'a="x y"')], "empty-cookie": [("cookie", "a=; b")],
        "two-cookies": [("cookie", "a=1"), ("cookie", "b=2")], "language": [("accept-language", "de, en;q=0.5")],
    }  # fmt: skip
    for name, pairs in headers.items():
        yield f"headers-{name}", Ask("GET", "/echo", tuple(pairs))
    bodies: dict[str, tuple[str, Mapping[str, str], bytes]] = {
        "empty": ("/echo", JSON, b""), "json": ("/echo", JSON, '{"name": "Zoë"}'.encode()),
        "text": ("/echo", {"content-type": "text/plain"}, b"hello"), "untyped": ("/echo", {}, b"hello"),
        "binary": ("/echo", {"content-type": "image/png"}, bytes(range(256))), "large": ("/echo", JSON, b"[" + b"1, " * 99_999 + b"1]"),
        "not-utf-8": ("/echo", {"content-type": "text/plain"}, b"\xff\xfe"), "compressed": ("/echo", {**JSON, "content-encoding": "gzip"}, b"\x1f\x8b\x08\x00"),
        "form": ("/form", FORM, b"a=1&b=x+y&a=%C3%A9"), "empty-form": ("/form", FORM, b""), "upload": ("/upload", MULTIPART, UPLOAD),
    }  # fmt: skip
    for name, (path, types, body) in bodies.items():
        yield f"body-{name}", Ask("POST", path, tuple(types.items()), body)
    sys.path.insert(0, str(SAMPLES))
    try:
        from described import ANSWERS  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(SAMPLES))
    for name in ANSWERS:
        yield f"answer-{name}", Ask("GET", f"/answers/{name}")
    yield "answer-options", Ask("OPTIONS", "/answers/text")
    yield "answer-post", Ask("POST", "/answers/found", tuple(JSON.items()), b"{}")
    for name in ("to-answer", "slash", "slash?a=b", "stream", "missing", "fail", "fail-midway"):
        yield f"route-{name}", Ask("GET", f"/{name}")
    yield "route-wrong-method", Ask("DELETE", "/stream")


#: A hundred requests, by name.
REQUESTS = dict(_asks())

#: Starts one uvicorn server for each application; the ports are the first line.
_REFERENCE = """
import asyncio, sys, warnings
warnings.simplefilter("ignore")
import uvicorn

async def main():
    servers = []
    for spec in sys.argv[1:]:
        app, _, interface = spec.partition("=")
        servers.append(uvicorn.Server(uvicorn.Config(app, port=0, interface=interface, log_level="critical")))
    running = [asyncio.create_task(server.serve()) for server in servers]
    while not all(server.started for server in servers):
        await asyncio.sleep(0.01)
    print(*(server.servers[0].sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.gather(*running)

asyncio.run(main())
"""


@contextmanager
def under_uvicorn(**apps: str) -> Iterator[dict[str, str]]:
    """Serve applications by uvicorn: `name="module:app=asgi3"`; yields their host and port by name."""
    child = Child(
        [sys.executable, "-c", _REFERENCE, *apps.values()], {"PYTHONPATH": str(SAMPLES), "PYTHONHASHSEED": "0"}
    )
    try:
        await_true(lambda: b"\n" in child.output["stdout"] or child.process.poll() is not None, "the ports")
        ports = child.output["stdout"].decode().split("\n", 1)[0].split()
        assert len(ports) == len(apps), child.log
        yield {name: f"127.0.0.1:{port}" for name, port in zip(apps, ports, strict=True)}
    finally:
        child.kill()


def sent(ask: Ask, host: str, prefix: str = "", to: str = "") -> httpx.Request:
    """The request as httpx sends it: to `host`, or to another address that is told that it is `host`."""
    port = int((to or host).rpartition(":")[2])
    url = httpx.URL(scheme="http", host="127.0.0.1", port=port, raw_path=(prefix + ask.target).encode())
    headers = [("host", host), ("user-agent", "test"), *ask.headers]
    return httpx.Request(ask.method, url, headers=headers, content=ask.body or None)


def got(client: httpx.Client, request: httpx.Request) -> Got | str:
    """What the client gets; the name of the exception if the server breaks off."""
    try:
        response = client.send(request)
    except httpx.HTTPError as error:
        return type(error).__name__
    return Got.of(response.status_code, response.headers.multi_items(), response.content)


def event_of(ask: Ask, host: str, kind: str) -> dict[str, Any]:
    """The event that the same request becomes."""
    headers = [(name.decode(), value.decode()) for name, value in sent(ask, host).headers.raw]
    path, _, query = ask.target.partition("?")
    request = http.Request(ask.method, path, query, headers, ask.body, client="127.0.0.1", scheme="http")
    return http.event(request, kind)
