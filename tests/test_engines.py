"""A function as an ASGI application, under uvicorn, granian and hypercorn: as in the runtime, for every server."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from support.engines import SERVERS, engine
from support.files import write

#: One function for all cases, plain and as `async def`; what it does is its event.
APP = """
    import asyncio
    import logging
    import threading
    from pathlib import Path

    from dispatch import HTTPResponse, after_response, current

    log = logging.getLogger("app")
    meeting, gate = threading.Barrier(3), threading.Event()
    async_meeting, async_gate = asyncio.Barrier(3), asyncio.Event()

    def answer(event, headers):
        if event == "headers":
            return " ".join(f"{name}={headers[name]}" for name in headers if name.lower().startswith(("lambda", "x-")))
        if event == "http":
            return HTTPResponse(201, {"X-Own": "1"}, ["a=1", "b=2"], "made")
        if event == "log":
            log.warning("seen")
            after_response(print, "after", current().request_id)
            return current().request_id
        if event == "fail":
            raise ValueError("no such thing")
        if event == "exit":
            raise SystemExit(3)
        return f"{event}!"

    def plain(event, headers):
        if event == "meet":
            return str(meeting.wait(30) >= 0)
        if event == "wait":
            print("waiting", flush=True)
            while not Path("go").exists():
                threading.Event().wait(0.01)
            return "waited"
        if event == "go":
            gate.set()
        return stream(event) if event in {"stream", "endless", "break", "large"} else answer(event, headers)

    def stream(event):
        try:
            yield "first "
            if event == "stream":
                gate.wait(30)
                yield current().request_id
            elif event == "break":
                raise ValueError("broken")
            elif event == "large":
                for number in range(800):
                    print(f"part {number}", flush=True)
                    yield bytes(100_000)
            else:
                while True:
                    yield "more "
        finally:
            print(f"closed {event}", flush=True)

    async def coroutine(event, headers):
        if event == "meet":
            return str(await asyncio.wait_for(async_meeting.wait(), 30) >= 0)
        if event == "wait":
            print("waiting", flush=True)
            while not Path("go").exists():
                await asyncio.sleep(0.01)
            return "waited"
        if event == "go":
            async_gate.set()
        return async_stream(event) if event in {"stream", "endless", "break", "large"} else answer(event, headers)

    async def async_stream(event):
        try:
            yield "first "
            if event == "stream":
                async with asyncio.timeout(30):
                    await async_gate.wait()
                yield current().request_id
            elif event == "break":
                raise ValueError("broken")
            elif event == "large":
                for number in range(800):
                    print(f"part {number}", flush=True)
                    yield bytes(100_000)
            else:
                await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0)
            print(f"closed {event}", flush=True)
"""

WATCHING = """
    def dispatch_startup(function):
        print("hook startup", function.convention, flush=True)

    def dispatch_before_invoke(invocation):
        print("hook before", invocation.request_id, flush=True)

    def dispatch_after_invoke(invocation, response, error):
        print("hook after", invocation.request_id, type(error).__name__, flush=True)

    def dispatch_shutdown(reason):
        print("hook shutdown", flush=True)
"""


@pytest.fixture(params=[(server, kind) for server in SERVERS for kind in ("plain", "coroutine")], ids="-".join)
def case(request: pytest.FixtureRequest) -> tuple[str, str]:
    """A server, and which of the two functions it serves."""
    server, kind = request.param
    return server, kind


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A function's folder."""
    return write(tmp_path / "task", {"app.py": APP, "watching.py": WATCHING})


def test_answers(case: tuple[str, str], folder: Path) -> None:
    """Everything that an answer can be, from one process; and what it prints, logs and leaves for later."""
    server, kind = case
    with engine(server, folder, f"app.{kind}", HANDLER_WORKERS="3", HANDLER_PLUGINS="watching") as (child, client, _):
        check_answers(client)
        check_errors(client)
        check_log(client)
        child.wait_log("after the-id")
        check_concurrency(client)
        check_streams(client)
        child.wait_log("closed endless")
        child.wait_log("hook after broken ValueError")
        check_back_pressure(client)
        child.signal(signal.SIGTERM)
        assert child.wait() in {0, -signal.SIGTERM}, child.log
    log = child.log
    assert "[ERROR] ValueError: no such thing\nTraceback (most recent call last):\n" in log, log
    assert "hook startup standard\n" in log
    assert log.index("hook before the-id") < log.index("hook after the-id NoneType")
    assert log.count("hook shutdown\n") == 1
    assert log.count("part 799\n") == 1
    assert "never awaited" not in log
    assert "/runtime/asgi/" not in log  # no traceback of ours


def check_answers(client: httpx.Client) -> None:
    """The body is the event, the headers are headers, and what the function returns is the response."""
    response = client.post("/any/path?a=b", content="ä")
    assert (200, "text/plain", "ä!", "3") == (
        *(response.status_code, response.headers["content-type"], response.text),
        response.headers["content-length"],
    )
    sent = {"X-Request-Id": "the-id", "Lambda-Runtime-Deadline-Ms": "1", "X-Amzn-Trace-Id": "Root=1"}
    seen = client.post("/", content="headers", headers=sent).text.lower().split(" ")
    assert "lambda-runtime-aws-request-id=the-id" in seen
    assert "x-request-id=the-id" in seen
    assert "lambda-runtime-trace-id=root=1" in seen
    assert "lambda-runtime-deadline-ms=1" not in seen
    ids = {client.post("/", content="log").text for _ in range(2)} | {
        client.post("/", content="log", headers={"X-Request-Id": "x" * 129}).text
    }
    assert [36, 36, 36] == [len(each) for each in ids]
    response = client.post("/", content="http")
    assert (201, "1", "made") == (response.status_code, response.headers["x-own"], response.text)
    assert ["a=1", "b=2"] == response.headers.get_list("set-cookie")


def check_errors(client: httpx.Client) -> None:
    """A function error is a 500 with the report, an event that cannot be decoded a 400; the next event is handled."""
    response = client.post("/", content="fail", headers={"X-Request-Id": "an-id"})
    report = response.json()
    assert (500, "application/json") == (response.status_code, response.headers["content-type"])
    assert ("ValueError", "no such thing", "an-id") == tuple(
        report[key] for key in ("errorType", "errorMessage", "requestId")
    )
    assert 'raise ValueError("no such thing")' in report["stackTrace"][-1]
    response = client.post("/", content="exit")
    assert (500, "Runtime.ExitError") == (response.status_code, response.json()["errorType"])
    response = client.post("/", content=b"\xff")
    assert 400 == response.status_code
    assert "UnmarshalError" in response.json()["errorType"]
    assert "next!" == client.post("/", content="next").text


def check_log(client: httpx.Client) -> None:
    """The function knows its invocation, and what it defers follows the answer."""
    assert "the-id" == client.post("/", content="log", headers={"X-Request-Id": "the-id"}).text


def check_concurrency(client: httpx.Client) -> None:
    """Three requests are handled at once."""
    with ThreadPoolExecutor(3) as pool:
        assert ["True"] * 3 == [each.text for each in pool.map(lambda _: client.post("/", content="meet"), range(3))]


def check_streams(client: httpx.Client) -> None:
    """The parts arrive one by one; a stream that fails is broken off; one that nobody reads any more is closed."""
    with client.stream("POST", "/", content="stream", headers={"X-Request-Id": "streamed"}) as response:
        parts = response.iter_text()
        assert "first " == next(parts)
        client.post("/", content="go")
        assert "streamed" == "".join(parts)
    with client.stream("POST", "/", content="break", headers={"X-Request-Id": "broken"}) as response:
        parts = response.iter_text()
        assert "first " == next(parts)
        with pytest.raises(httpx.RemoteProtocolError):
            "".join(parts)
    with client.stream("POST", "/", content="endless") as response:
        assert next(response.iter_text()).startswith("first ")


def check_back_pressure(client: httpx.Client) -> None:
    """A stream that nobody reads does not run ahead; read on, it is complete."""
    with client.stream("POST", "/", content="large") as response:
        parts = response.iter_raw()
        size = len(next(parts))
        others = [client.post("/", content=str(number)).text for number in range(20)]
        assert [f"{number}!" for number in range(20)] == others
        assert len(b"first ") + 800 * 100_000 == size + sum(map(len, parts))
