"""docs/coming-from/lambda-web-adapter.md: an application that is called, and what takes the place of the adapter's options."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette")
pytest.importorskip("flask")

from support.coming import claim, write_page
from support.http_events import EVENTS, changed, delivered
from support.runtime import Serve

from dispatch import http

URL = http.FUNCTION_URL
APP = """
import os, sys
from renamed import with_authorization
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

async def seen(request):
    sockets = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")]
    inodes = {name[8:-1] for name in sockets if name.startswith("socket:")}
    listening = [line.split()[9] for line in open("/proc/self/net/tcp").readlines()[1:] if line.split()[3] == "0A"]
    return JSONResponse({
        "authorization": request.headers.get("authorization"), "tenant": request.scope["aws.context"].tenant_id,
        "listening": sorted(inodes & set(listening)), "uvicorn": "uvicorn" in sys.modules,
    })

async def large(request):
    return PlainTextResponse("x" * 5000)

async def fails(request):
    if request.query_params:
        raise ValueError("a reason")
    return PlainTextResponse("no", 500)

routes = [Route("/seen", seen), Route("/large", large), Route("/fails", fails)]
app = with_authorization(Starlette(routes=routes, middleware=[Middleware(GZipMiddleware)]))
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The page's files, and an application that uses its middleware."""
    folder = write_page("lambda-web-adapter", tmp_path / "task")
    (folder / "app.py").write_text(APP)
    return folder


def get(path: str, query: str = "", **headers: str) -> bytes:
    """A request to a function URL."""
    sent = {**EVENTS[URL]["headers"], **{name.replace("_", "-"): value for name, value in headers.items()}}
    return json.dumps(changed(URL, rawPath=path, rawQueryString=query, headers=sent, http={"path": path})).encode()


@claim("lambda-web-adapter", "Handler")
@claim("lambda-web-adapter", "Convention")
@claim("lambda-web-adapter", "The application")
def test_the_page(serve: Serve, root: Path) -> None:
    """Its application is called by its handler string, in Lambda's form, too."""
    runtime = serve({}, "web.app", "wsgi", root=root)
    assert b'{"tea":3}\n' == delivered(URL, json.loads(runtime.invoke(get("/prices/tea")).body))[2]
    assert {"records": 1} == json.loads(runtime.invoke(b'{"Records": [{}]}').body)
    assert "dispatch" not in (root / "web.py").read_text()


@claim("lambda-web-adapter", "The server")
@claim("lambda-web-adapter", "Tenant ids")
@claim("lambda-web-adapter", "`Authorization` under another name")
def test_what_an_application_sees(serve: Serve, root: Path) -> None:
    """No server is loaded and no socket listens; the tenant is the context's; the page's middleware renames the header."""
    runtime = serve({}, "app:app", "asgi", root=root)
    event = get("/seen", x_custom_auth="Bearer own", authorization="AWS4-HMAC-SHA256")
    body = delivered(URL, json.loads(runtime.invoke(event, {"Lambda-Runtime-Aws-Tenant-Id": "one"}).body))[2]
    assert {"authorization": "Bearer own", "tenant": "one", "listening": [], "uvicorn": False} == json.loads(body)


@claim("lambda-web-adapter", "Compression")
def test_compression(serve: Serve, root: Path) -> None:
    """The framework's middleware compresses, and the client gets what it has compressed."""
    answer: Any = json.loads(serve({}, "app:app", "asgi", root=root).invoke(get("/large", accept_encoding="gzip")).body)
    assert ("gzip", True) == (answer["headers"]["content-encoding"], answer["isBase64Encoded"])
    assert b"x" * 5000 == gzip.decompress(delivered(URL, answer)[2])


@claim("lambda-web-adapter", "Failures of requests")
def test_failures_of_requests(serve: Serve, root: Path) -> None:
    """A status of the application's own is an answer, an exception that leaves it a function error."""
    runtime = serve({}, "app:app", "asgi", root=root)
    assert 500 == json.loads(runtime.invoke(get("/fails")).body)["statusCode"]
    assert "ValueError" == runtime.invoke(get("/fails", "a=1")).report["errorType"]
