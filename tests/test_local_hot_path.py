"""What an invocation costs the local platform, counted and not timed: turns of the loop, tasks, writes, imports."""

from __future__ import annotations

import asyncio
import http.client
import selectors
import socket
import subprocess
import sys
from asyncio import selector_events
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from support.local import Client, client
from support.process import await_true

from runtime.local.asynchronous.queue import Queue
from runtime.local.environments.platform import Platform
from runtime.local.function import FunctionConfig
from runtime.local.loop import AwakeSelector, new_loop
from runtime.local.sources.event_sources import EventSources
from runtime.local.web.app import make_app
from runtime.local.web.history import History
from runtime.local.web.server import WebServer, listen
from runtime.testing.platform import LocalPlatform, loop_in_thread

INVOKE = "/2015-03-31/functions/one/invocations"
COUNT = 50


@contextmanager
def served(root: Path) -> Iterator[tuple[Client, LocalPlatform]]:
    """The whole server in this process, so that it can be looked into, and a client of it; the function is warm."""
    (root / "app.py").write_text("def handler(event, context):\n    return event\n")
    function = FunctionConfig("one", "app.handler", root, "lambda")
    history = History()
    with loop_in_thread() as loop, listen("127.0.0.1", 0) as sock:
        platform = Platform([function], history.add_line, history.add)
        local = LocalPlatform(platform, loop)

        async def start() -> tuple[WebServer, asyncio.Task[None], Queue]:
            queue = Queue.open(root / "queue", platform, 1.0, print)
            app = make_app(platform, history, queue, EventSources(platform, print), notify=print)
            server = WebServer(app, 1.0)
            serving = asyncio.ensure_future(server.serve(sockets=[sock]))
            await server.ready
            return server, serving, queue

        async def end(server: WebServer, serving: asyncio.Task[None], queue: Queue) -> None:
            server.should_exit = server.force_exit = True
            await platform.close()
            server.cut_off()
            await serving
            queue.close()

        started = local.run(start())
        try:
            with client("{}:{}".format(*sock.getsockname())) as caller:
                caller.connection.connect()
                for _ in range(3):
                    invoke(caller)
                yield caller, local
        finally:
            local.run(end(*started))


def invoke(caller: Client, body: bytes = b'{"a": 1}') -> None:
    """One event, which comes back; in one write, as `http.client` does not send it."""
    sock = caller.connection.sock
    head = f"POST {INVOKE} HTTP/1.1\r\nHost: {caller.address}\r\nContent-Length: {len(body)}\r\n\r\n"
    sock.sendall(head.encode() + body)
    answer = http.client.HTTPResponse(sock)
    answer.begin()
    assert body == answer.read()


def test_turns_tasks_and_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A warm invocation is two turns of the loop, no task, and a write each for the event, the answer and its reply."""
    counted: Counter[str] = Counter()

    def count(owner: Any, name: str) -> None:
        original = getattr(owner, name)

        def counting(self: Any, *arguments: Any, **options: Any) -> Any:
            counted[name] += 1
            return original(self, *arguments, **options)

        monkeypatch.setattr(owner, name, counting)

    with served(tmp_path) as (caller, _):
        # uvicorn's own clock, which ticks ten times a second, is a few turns more.
        for name in ("_run_once", "create_task"):
            count(asyncio.base_events.BaseEventLoop, name)
        count(selector_events._SelectorSocketTransport, "write")  # type: ignore[attr-defined]
        for _ in range(COUNT):
            invoke(caller)
        taken = Counter(counted)

    # The reply to the last answer may come late, or the one before the first.
    assert abs(3 * COUNT - taken["write"]) <= 1
    # Now and then two turns become one, because the runtime has polled by then.
    assert COUNT < taken["_run_once"] < 2.5 * COUNT
    assert 0 == taken["create_task"]


@pytest.mark.parametrize("size", [10, 100_000])
def test_an_answer_takes_no_memory_afterwards(tmp_path: Path, size: int) -> None:
    """What was sent on is dropped, and what an idle environment had for an event."""
    with served(tmp_path) as (caller, local):
        invoke(caller, b'"%b"' % (b"x" * size))
        (environment,) = local.platform.pools["one"].environments
        await_true(lambda: environment.usable, "the next poll")
        exchange = environment._runtime.session.exchange
    assert exchange is not None
    assert (size + 2, b"", b"") == (exchange.answer.size, exchange.answer.whole, exchange.body)


def test_the_page_has_the_whole_log(tmp_path: Path) -> None:
    """Also the first line, which is written in the turn in which the invocation starts."""
    with served(tmp_path) as (caller, _):
        invoke(caller)
        shown = caller.call("GET", "/_dispatch/state").json["invocations"][-1]
        path = f"/_dispatch/invocations/{shown['id']}"
        await_true(lambda: caller.call("GET", path).json["status"] == "success", "the end of the invocation")
        log = caller.call("GET", path).json["log"]
    assert ["START", "END", "REPORT"] == [line.split()[0] for line in log]


@pytest.mark.parametrize("broken", ["make_event", "_response"])
def test_a_fault_is_status_500(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, broken: str
) -> None:
    """As everywhere else: the log has the exception, the client only learns that there was one."""

    def fail(*_: object) -> None:
        raise RuntimeError("between us")

    with served(tmp_path) as (caller, _):
        monkeypatch.setattr(f"runtime.local.web.invoke_api.{broken}", fail)
        got = caller.call("POST", INVOKE, b"{}")
        monkeypatch.undo()
        assert (500, b"Internal Server Error") == (got.status, got.body)
        invoke_again = caller.call("POST", INVOKE, b"{}")
    assert (200, b"{}") == (invoke_again.status, invoke_again.body)
    (record,) = [one for one in caplog.records if one.levelname == "ERROR"]
    assert "Exception in ASGI application\n" == record.message
    assert "between us" in str(record.exc_info)


def test_h11_is_not_imported(tmp_path: Path) -> None:
    """One parser of HTTP is enough."""
    code = "import sys, runtime.local.serve, runtime.local.web.server; raise SystemExit('h11' in sys.modules)"
    assert 0 == subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode


def waiting(selector: AwakeSelector, monkeypatch: pytest.MonkeyPatch, timeout: float | None) -> list[float | None]:
    """The timeouts with which the selector asks the system in one call, the repeated ones once."""
    asked: list[float | None] = []

    def select(self: selectors.DefaultSelector, timeout: float | None = None) -> Any:
        if asked[-1:] != [timeout]:
            asked.append(timeout)
        return original(self, timeout)

    original = selectors.DefaultSelector.select
    with monkeypatch.context() as patched:
        patched.setattr(selectors.DefaultSelector, "select", select)
        selector.select(timeout)
    return asked


def test_the_loop_stays_awake_with_one_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks before it sleeps, less often where nothing comes, and not where much comes at once."""
    with AwakeSelector() as selector, ExitStack() as stack:
        pairs = [socket.socketpair() for _ in range(2)]
        for reader, writer in pairs:
            stack.enter_context(reader)
            stack.enter_context(writer)
            selector.register(reader, selectors.EVENT_READ)
        monkeypatch.setattr("runtime.local.loop.AWAKE", 0.0005)
        fruitless = [waiting(selector, monkeypatch, 0.001) for _ in range(4)]
        assert [[0, 0.001], [0.001], [0, 0.001], [0.001]] == fruitless
        assert [0] == waiting(selector, monkeypatch, 0)

        pairs[0][1].send(b"x")
        selector._watch_in = 0
        assert [0] == waiting(selector, monkeypatch, None)
        assert [0] == waiting(selector, monkeypatch, None)
        pairs[1][1].send(b"x")
        assert [0] == waiting(selector, monkeypatch, None)
        assert [[None]] * 3 == [waiting(selector, monkeypatch, None) for _ in range(3)]


def test_uvloop_is_no_must(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it the loop is asyncio's own; with it, where it is installed, it is uvloop's."""
    monkeypatch.setitem(sys.modules, "uvloop", None)
    loop = new_loop()
    loop.close()
    assert isinstance(loop, asyncio.SelectorEventLoop)
    monkeypatch.delitem(sys.modules, "uvloop")
    uvloop = pytest.importorskip("uvloop")
    loop = new_loop()
    loop.close()
    assert isinstance(loop, uvloop.Loop)
