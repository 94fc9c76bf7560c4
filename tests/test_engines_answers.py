"""A function as an ASGI application: answers that cannot be sent, or that no one waits for, and streams that it writes."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from support.engines import engine
from support.files import write

APP = """
    import asyncio
    import threading
    from pathlib import Path

    from dispatch import HTTPResponse, after_response, settle

    meeting = asyncio.Barrier(3)

    async def copies(input, output, headers):
        await asyncio.wait_for(meeting.wait(), 30)
        output.write(input.read())
        output.flush()
        await asyncio.sleep(0)
        output.write(b"!")

    def cleans(event, headers):
        after_response(later)
        try:
            yield "first"
            print("begun", flush=True)
            while not Path("go").exists():
                threading.Event().wait(0.01)
            yield "second"
        finally:
            settle(clean())

    async def clean():
        await asyncio.sleep(0)
        print("cleaned", flush=True)

    async def later():
        await asyncio.sleep(0)
        print("later", flush=True)

    def answers(event, headers):
        after_response(print, "after", event, flush=True)
        length = {"longer": "9", "shorter": "2"}.get(event)
        if length:
            return HTTPResponse(200, {"Content-Length": length}, (), "four")
        return HTTPResponse(int(event), {"x-text": "€" if event == "200" else ""}, (), "four")
"""

WATCHING = """
    def dispatch_after_invoke(invocation, response, error):
        print("hook after", type(error).__name__, flush=True)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A function's folder."""
    return write(tmp_path / "task", {"app.py": APP, "watching.py": WATCHING})


def test_a_stream_that_a_coroutine_writes(folder: Path) -> None:
    """The convention waits for the thread that writes, but not on the server's loop; several are written at once."""
    with (
        engine("uvicorn", folder, "app.copies", HANDLER_CONVENTION="stream") as (_, client, _),
        ThreadPoolExecutor(3) as pool,
    ):
        sent = ["a", "b", "c"]
        assert ["a!", "b!", "c!"] == [each.text for each in pool.map(lambda text: client.post("/", content=text), sent)]


def test_cleaning_up_after_a_client_that_has_left(folder: Path) -> None:
    """What a plain generator awaits in its `finally`, and what it has deferred, is not interrupted."""
    with engine("uvicorn", folder, "app.cleans", "--log-level", "trace") as (child, client, _):
        with client.stream("POST", "/") as response:
            assert "first" == next(response.iter_text())
            child.wait_log("begun")
        child.wait_log("HTTP connection lost")
        (folder / "go").touch()
        child.wait_log("later")
        assert "cleaned" in child.log
        assert "CancelledError" not in child.log


@pytest.mark.parametrize("server", ["uvicorn", "hypercorn"])
def test_answers_that_cannot_be_sent(server: str, folder: Path) -> None:
    """A head that HTTP cannot have is a function error, a body of another length is broken off; what follows is done."""
    with engine(server, folder, "app.answers", HANDLER_PLUGINS="watching") as (child, client, _):
        for event in ("101", "200"):
            response = client.post("/", content=event)
            assert (500, "Runtime.MarshalError") == (response.status_code, response.json()["errorType"])
            child.wait_log(f"after {event}\nhook after MarshalError\n")
        for event in ("longer", "shorter"):
            with pytest.raises(httpx.RemoteProtocolError):
                client.post("/", content=event)
            child.wait_log(f"after {event}\nhook after ")
        assert 4 == child.log.count("hook after ")
        assert "hook after NoneType" not in child.log


SETTLING = """
    from dispatch import settle

    async def told(what):
        print("told", what, flush=True)

    def dispatch_startup(function):
        settle(told("startup"))

    def dispatch_before_invoke(invocation):
        settle(told("before"))

    def dispatch_after_invoke(invocation, response, error):
        settle(told(f"after {type(error).__name__}"))

    def dispatch_shutdown(reason):
        settle(told("shutdown"))
"""

APPLICATION = """
    async def app(scope, receive, send):
        if scope["type"] == "lifespan":
            raise ValueError("not supported")
        if scope["path"] == "/exit":
            raise SystemExit(3)
        if scope["path"] == "/interrupt":
            raise KeyboardInterrupt
        length = b"9" if scope["path"] == "/longer" else b"4"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
        await send({"type": "http.response.body", "body": b"four"})
"""


@pytest.mark.parametrize("server", [("uvicorn", "--http", "h11"), ("hypercorn",)], ids=lambda server: server[0])
def test_an_application_that_fails(server: tuple[str, ...], folder: Path) -> None:
    """What ends other programs ends one request; a body of another length is broken off; hooks may await something."""
    write(folder, {"star.py": APPLICATION, "settling.py": SETTLING})
    name, *options = server
    variables = {"HANDLER_CONVENTION": "asgi", "HANDLER_PLUGINS": "settling"}
    with engine(name, folder, "star:app", *options, **variables) as (child, client, _):
        for path, kind in (("/exit", "SystemExit"), ("/interrupt", "KeyboardInterrupt")):
            assert 500 == client.get(path).status_code
            child.wait_log(f"told before\ntold after {kind}\n" if False else f"told after {kind}\n")
        with pytest.raises(httpx.RemoteProtocolError):
            client.get("/longer")
        assert "four" == client.get("/").text
        child.signal()
        assert child.wait() in {0, -signal.SIGTERM}, child.log
    log = child.log
    assert log.index("told startup") < log.index("told before") < log.index("told after") < log.index("told shutdown")
    assert "failed: " not in log
