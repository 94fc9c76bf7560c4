"""Web applications and ports under an ASGI server: the request is handed over as it is."""

from __future__ import annotations

import signal
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest

pytest.importorskip("flask")
pytest.importorskip("websockets")

from support import ports, web
from support.engines import beside_url, differing, engine
from support.files import write
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

#: The sample of each platform: its handler string, and the package that it needs.
PORTS = {
    "agentcore": ("agent.app", "bedrock_agentcore"),
    "digitalocean": ("__main__.main", "flask"),
    "fn": ("func.handler", "fdk"),
    "knative": ("func.new", "flask"),
    "nuclio": ("main:handler", "nuclio_sdk"),
    "openfaas": ("function/handler.handle", "flask"),
    "openwhisk": ("__main__.main", "flask"),
    "scaleway": ("handler.handle", "flask"),
    "vercel": ("api/index.handler", "flask"),
}

#: Where uvicorn's own layer for WSGI joins headers in another way, and cannot send one that is not ASCII.
IN_UVICORN = {"headers-twice", "headers-two-cookies", "answer-latin-header"}

APP = """
    import asyncio
    from dispatch import after_response, current

    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            await receive()
            scope["state"]["began"] = "yes"
            await send({"type": "lifespan.startup.complete"})
            await receive()
            print("application ended", flush=True)
            await send({"type": "lifespan.shutdown.complete"})
            return
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            message = await receive()
            if message["text"] == "fail":
                raise ValueError("in the socket")
            await send({"type": "websocket.send", "text": message["text"] + current().request_id})
            return
        if scope["path"] == "/fail":
            raise ValueError("no answer")
        after_response(print, "after", scope["path"], flush=True)
        status = 404 if scope["path"] in {"/ping", "/missing"} else 200
        text = f"{scope['path']} {scope['state']['began']} {current().request_id}"
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
        if scope["path"] == "/break":
            raise ValueError("midway")
        await send({"type": "http.response.body", "body": b""})
"""

WATCHING = """
    def dispatch_before_invoke(invocation):
        print("hook before", invocation.request_id, flush=True)

    def dispatch_after_invoke(invocation, response, error):
        print("hook after", invocation.request_id, type(error).__name__, flush=True)
"""


@pytest.mark.parametrize(
    ("app", "convention", "interface"), [("star:app", "asgi", "asgi3"), ("flasky:app", "wsgi", "wsgi")]
)
def test_a_hundred_requests(app: str, convention: str, interface: str) -> None:
    """An application answers as if the server had been given the application itself."""
    with (
        web.under_uvicorn(bare=f"{app}={interface}") as hosts,
        engine("uvicorn", web.SAMPLES, app, HANDLER_CONVENTION=convention, PYTHONHASHSEED="0") as (_, _, port),
    ):
        theirs = ports.answers(hosts["bare"], asks=web.REQUESTS)
        found = ports.answers(hosts["bare"], to=f"127.0.0.1:{port}", asks=web.REQUESTS)
    assert (IN_UVICORN if interface == "wsgi" else set()) == differing(theirs, found).keys()


@pytest.mark.parametrize("platform", PORTS)
def test_ports(platform: str, tmp_path: Path) -> None:
    """Under an ASGI server a port answers as behind a function URL, where it was compared with the platform itself."""
    handler, package = PORTS[platform]
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    # A function that failed is another answer of a function URL.
    assert ({"exception"} if platform == "scaleway" else set()) == beside_url(platform, handler, tmp_path).keys()


def test_an_application(tmp_path: Path) -> None:
    """It gets the server's own scope; its lifespan, the hooks, deferred calls and `current()` are the runtime's."""
    folder = write(tmp_path / "task", {"app.py": APP, "watching.py": WATCHING})
    variables = {"HANDLER_CONVENTION": "asgi", "HANDLER_PLUGINS": "watching", "HANDLER_BASE_PATH": "/base"}
    with engine("uvicorn", folder, "app:app", **variables) as (child, client, port):
        for asked, seen in (("/here", "/here"), ("/base/here", "/here"), ("/base", "/"), ("/based", "/based")):
            assert f"{seen} yes an-id" == client.get(asked, headers={"X-Request-Id": "an-id"}).text
        child.wait_log("after /based")
        response = client.get("/fail", headers={"X-Request-Id": "failed"})
        assert (500, "ValueError", "failed") == (
            *(response.status_code, response.json()["errorType"], response.json()["requestId"]),
        )
        child.wait_log("hook after failed ValueError")
        with pytest.raises(httpx.RemoteProtocolError):
            client.get("/break")
        assert 404 == client.get("/missing").status_code
        assert "Healthy" == client.get("/ping").json()["status"]  # the application has no such path
        assert client.get("/health", headers={"X-Request-Id": "i"}).text == "/health yes i"
        with connect(f"ws://127.0.0.1:{port}/", additional_headers={"X-Request-Id": "!"}) as socket:
            socket.send("hello")
            assert "hello!" == socket.recv()
        with connect(f"ws://127.0.0.1:{port}/") as socket:
            socket.send("fail")
            with pytest.raises(ConnectionClosedError, match="1011"):
                socket.recv()
        child.signal()
        assert child.wait() in {0, -signal.SIGTERM}
        assert "application ended" in child.log
    assert "[ERROR] ValueError: in the socket" in child.log


def test_streams(tmp_path: Path) -> None:
    """A WSGI application streams under a server, unless HANDLER_INVOKE_MODE says otherwise."""
    folder = write(tmp_path / "task", {"app.py": """
        from pathlib import Path
        from threading import Event

        def app(environ, start_response):
            start_response("200 OK", [])
            yield b"first "
            while environ["PATH_INFO"] == "/" and not Path("go").exists():
                Event().wait(0.01)
            yield b"second"
    """})  # fmt: skip
    with (
        engine("uvicorn", folder, "app:app", HANDLER_CONVENTION="wsgi") as (_, client, _),
        client.stream("GET", "/") as response,
    ):
        parts = response.iter_text()
        assert "first " == next(parts)
        (folder / "go").touch()
        assert "second" == "".join(parts)


@pytest.mark.parametrize(("threads", "told"), [("1", "False"), ("2", "True")])
def test_an_application_is_told_of_threads(threads: str, told: str, tmp_path: Path) -> None:
    """`wsgi.multithread` is true if another thread may call the application meanwhile (PEP 3333)."""
    folder = write(tmp_path / "task", {"app.py": """
        def app(environ, start_response):
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [str(environ["wsgi.multithread"]).encode()]
    """})  # fmt: skip
    with engine("uvicorn", folder, "app:app", HANDLER_CONVENTION="wsgi", HANDLER_WORKERS=threads) as (_, client, _):
        assert told == client.get("/").text
