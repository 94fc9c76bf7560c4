"""A function as an ASGI application, from its start to its end: probes, init errors, SIGTERM, threads, logs."""

from __future__ import annotations

import json
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from support.engines import SERVERS, engine, started
from support.files import write
from support.process import await_true

APP = """
    import asyncio
    import threading
    import time
    from pathlib import Path

    import watching
    from dispatch import after_response, current, settle

    def wait_for(name):
        while not Path(name).exists():
            time.sleep(0.01)

    def slow(event, headers):
        print("begun", flush=True)
        wait_for("go")
        after_response(print, "after", flush=True)
        return "done"

    async def slow_coroutine(event, headers):
        print("begun", flush=True)
        await asyncio.to_thread(wait_for, "go")
        after_response(print, "after", flush=True)
        return "done"

    busy = threading.Lock()

    def alone(event, headers):
        taken = busy.acquire(blocking=False)
        if taken:
            for _ in range(3):
                threading.Event().wait(0.01)
            busy.release()
        return str(taken)

    async def blocks_later(event, headers):
        after_response(wait_for, "go")
        return "answered"

    async def asks(event, headers):
        return settle(asyncio.sleep(0))
"""

WATCHING = """
    from pathlib import Path

    def dispatch_shutdown(reason):
        print("hook shutdown", flush=True)
"""

both = pytest.mark.parametrize("handler", ["slow", "slow_coroutine"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A function's folder."""
    return write(tmp_path / "task", {"app.py": APP, "watching.py": WATCHING})


@both
@pytest.mark.parametrize("server", SERVERS)
def test_sigterm(server: str, handler: str, folder: Path) -> None:
    """What is under way finishes, with what it has deferred; then the shutdown hooks run."""
    with (
        engine(server, folder, f"app.{handler}", HANDLER_PLUGINS="watching") as (child, client, _),
        ThreadPoolExecutor(1) as pool,
    ):
        answer = pool.submit(client.post, "/", content="x")
        child.wait_log("begun")
        child.signal(signal.SIGTERM)
        await_true(lambda: _refuses(client.base_url), "the end of new requests")
        (folder / "go").touch()
        assert "done" == answer.result().text
        assert child.wait() in {0, -signal.SIGTERM}, child.log
        assert "after" in child.log
        assert child.log.index("after") < child.log.index("hook shutdown")


def _refuses(url: httpx.URL) -> bool:
    try:
        httpx.get(url.join("/health"), timeout=1)
    except httpx.TransportError:
        return True
    return False


@pytest.mark.parametrize("server", SERVERS)
def test_init_errors(server: str, folder: Path) -> None:
    """A server whose function cannot be loaded ends, with the report in its log and without ours in between."""
    write(folder, {"bad.py": "import no_such_module\n\ndef f(event, headers):\n    return event\n"})
    with started(server, folder, "bad.f") as (child, _):
        child.wait_log("[ERROR] Runtime.ImportModuleError: ")
        assert 0 != child.wait() or server == "hypercorn"
    assert "no_such_module" in child.log
    assert "InitError" not in child.log  # ours; hypercorn logs where it raised its own


def test_without_a_lifespan(folder: Path) -> None:
    """The first request loads the function; one that cannot be loaded answers each with the report of its init error."""
    with engine("uvicorn", folder, "app.alone", "--lifespan", "off") as (_, client, _):
        assert "True" == client.post("/").text
    with engine("uvicorn", folder, "app.nothing", "--lifespan", "off") as (_, client, _):
        for path in ("/", "/health"):
            response = client.get(path)
            assert (500, "Runtime.HandlerNotFound") == (response.status_code, response.json()["errorType"])


@pytest.mark.parametrize(("handler", "convention"), [("app.alone", ""), ("printed.py", "script")])
def test_one_at_a_time(folder: Path, handler: str, convention: str) -> None:
    """A plain function is called by one thread, unless HANDLER_WORKERS allows more; a script always is."""
    script = "import app, sys\n\ndef main():\n    print(app.alone(sys.stdin.read(), {}), end='')\n"
    write(folder, {"printed.py": script})
    workers = "8" if convention else ""
    with (
        engine("uvicorn", folder, handler, HANDLER_CONVENTION=convention, HANDLER_WORKERS=workers) as (
            child,
            client,
            _,
        ),
        ThreadPoolExecutor(8) as pool,
    ):
        texts = {each.text for each in pool.map(lambda _: client.post("/"), range(16))}
        assert {"True"} == texts
        assert ("HANDLER_WORKERS is 8, but the script convention" in child.log) is bool(convention)


def test_what_is_deferred_does_not_block_the_loop(folder: Path) -> None:
    """A plain function that an `async def` defers runs in a thread."""
    with engine("uvicorn", folder, "app.blocks_later") as (_, client, _):
        assert ["answered"] * 3 == [client.post("/").text for _ in range(3)]
        assert 200 == client.get("/health").status_code
        (folder / "go").touch()


def test_settling_in_a_coroutine(folder: Path) -> None:
    """Waiting for the loop in a coroutine that runs on it is an error, not a deadlock."""
    with engine("uvicorn", folder, "app.asks") as (_, client, _):
        report = client.post("/").json()
        assert ("RuntimeError", True) == (report["errorType"], "use await" in report["errorMessage"])


def test_probes(folder: Path) -> None:
    """Both paths answer GET and HEAD; other methods are events."""
    with engine("uvicorn", folder, "app.alone") as (_, client, _):
        for path in ("/health", "/ping"):
            response = client.get(path)
            assert (200, "Healthy") == (response.status_code, response.json()["status"])
            assert isinstance(response.json()["time_of_last_update"], int)
            assert 200 == client.head(path).status_code
        assert "True" == client.post("/ping").text


def test_json_logs(folder: Path) -> None:
    """Errors and records have the request's id, in the format that the variable asks for."""
    write(folder, {"logs.py": """
        import logging

        def f(event, headers):
            logging.getLogger("orders").warning("seen %s", event)
            raise KeyError(event)
    """})  # fmt: skip
    with engine("uvicorn", folder, "logs.f", AWS_LAMBDA_LOG_FORMAT="JSON") as (child, client, _):
        client.post("/", content="it", headers={"X-Request-Id": "an-id"})
        child.wait_log("KeyError")
        records = [json.loads(line) for line in child.log.splitlines() if line.startswith("{")]
    assert [("WARNING", "an-id"), ("ERROR", "an-id")] == [(each["level"], each["requestId"]) for each in records]


def test_the_server_s_own_logging(folder: Path) -> None:
    """If the server's configuration has set up the root logger, that is kept, and no line is written twice."""
    write(folder, {"logs.py": """
        import logging

        def f(event, headers):
            logging.getLogger("orders").warning("seen")
            return "x"
    """})  # fmt: skip
    config = {"version": 1, "root": {"handlers": ["own"]}, "formatters": {"own": {"format": "OWN %(message)s"}},
              "handlers": {"own": {"class": "logging.StreamHandler", "formatter": "own"}}}  # fmt: skip
    (folder / "log.json").write_text(json.dumps(config))
    with engine("uvicorn", folder, "logs.f", "--log-config", str(folder / "log.json")) as (child, client, _):
        client.post("/")
        child.wait_log("OWN seen")
        assert 1 == child.log.count("seen")


def test_what_the_server_logs(folder: Path) -> None:
    """The function's log does not repeat what the server has written itself."""
    write(folder, {"logs.py": """
        import logging

        def f(event, headers):
            logging.getLogger("orders").info("seen")
            return "x"
    """})  # fmt: skip
    with engine("hypercorn", folder, "logs.f", AWS_LAMBDA_LOG_LEVEL="INFO") as (child, client, _):
        client.post("/")
        child.wait_log("seen")
        assert 1 == child.log.count("Running on ")


def test_a_plugin_s_convention(folder: Path) -> None:
    """A plugin's convention gets the event, or the request itself if its handler has `respond_to`."""
    write(folder, {"pages.py": """
        from dispatch import Response

        def pages(function):
            def handle(invocation):
                return Response(function("event", invocation.text).encode(), "text/plain")

            def respond_to(request):
                return 201, [("x-path", request.path)], iter([function(request.method, request.raw_query).encode()])

            if function.__name__ == "page":
                handle.respond_to = respond_to
            return handle

        def dispatch_conventions():
            return {"pages": pages}
    """, "mine.py": """
        def page(what, text):
            return f"{what} {text}"

        def event(what, text):
            return f"{what} {text}"
    """})  # fmt: skip
    variables = {"HANDLER_CONVENTION": "pages", "HANDLER_PLUGINS": "pages"}
    with engine("uvicorn", folder, "mine.page", **variables) as (_, client, _):
        response = client.put("/caf%C3%A9?a=1", content="x")
        assert (201, "/café", "PUT a=1") == (response.status_code, response.headers["x-path"], response.text)
        for path in ("/%E2%82%AC", "/a%0Ab"):  # what no header can have
            assert (500, "Runtime.MarshalError") == _failed(client.put(path))
        assert 201 == client.put("/").status_code
    with engine("uvicorn", folder, "mine.event", **variables) as (_, client, _):
        assert "event x" == client.put("/café?a=1", content="x").text


def _failed(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["errorType"]


def test_without_greenlets(folder: Path) -> None:
    """Where the library is missing, `async def` handlers run on the server's loop all the same."""
    write(folder, {"without/greenlet.py": "raise ImportError('not installed')", "loops.py": """
        import asyncio
        from dispatch import current

        loops = set()
        meeting = asyncio.Barrier(3)

        async def f(event, headers):
            loops.add(asyncio.get_running_loop())
            await asyncio.wait_for(meeting.wait(), 30)
            return f"{len(loops)} {current().request_id}"

        async def stream(event, headers):
            try:
                yield "first"
                await asyncio.sleep(3600)
            finally:
                print("closed", flush=True)
    """})  # fmt: skip
    path = str(folder / "without")
    with engine("uvicorn", folder, "loops.f", PYTHONPATH=path) as (_, client, _), ThreadPoolExecutor(3) as pool:
        send = lambda number: client.post("/", headers={"X-Request-Id": str(number)}).text  # noqa: E731 - a name
        assert ["1 0", "1 1", "1 2"] == list(pool.map(send, range(3)))
    with engine("uvicorn", folder, "loops.stream", PYTHONPATH=path) as (child, client, _):
        with client.stream("POST", "/") as response:
            assert "first" == next(response.iter_text())
        child.wait_log("closed")
