"""What `dispatch serve` says and does when a part of it can't start, or fails later."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import shutil
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import uvicorn
from support.local import ServerProcess, client, save
from support.process import await_true
from support.wire import PATIENCE

from runtime.local.asynchronous import queue_file
from runtime.local.function import FunctionConfig
from runtime.local.serve import ServeSettings, serve

INVOKE = "/2015-03-31/functions/{}/invocations"
#: Writes down which event it got, then waits for a file if it is told to.
WAITING = """
import os, time
def handler(event, context):
    with open("calls", "a") as file:
        file.write(event["name"] + "\\n")
    while not os.path.exists(event.get("wait", "/")):
        time.sleep(0.01)
"""
SERVED = ("app.handler", "--convention", "lambda", "--timeout", "60", "--no-reload")


def queue(server: ServerProcess, **event: str) -> int:
    """Hand in an event that nobody waits for; the status."""
    with client(server.host) as one:
        body = json.dumps(event)
        return one.call("POST", INVOKE.format("function"), body, {"X-Amz-Invocation-Type": "Event"}).status


def refused(root: Path, *arguments: str, **environment: str) -> str:
    """Start a server that can't start; what it said."""
    server = ServerProcess(root, "app.handler", *arguments, environment=environment)
    with pytest.raises(AssertionError, match="it did not start"), server:
        pass
    status = server.wait()
    server.__exit__()
    assert 1 == status
    return "\n".join(server.lines)


def test_a_folder_that_the_queue_cannot_have_is_named(tmp_path: Path) -> None:
    """It is not told as a fault of the port."""
    said = refused(tmp_path, "--queue", "/proc/nope/queue.sqlite")

    assert said.startswith("Error: cannot keep the queue in /proc/nope/queue.sqlite: ")
    assert said.endswith(": No such file or directory; pass --queue FILE to use another file")


def test_a_file_that_is_no_queue_is_named(tmp_path: Path) -> None:
    """A file of another kind is left as it is."""
    file = tmp_path / "notes.txt"
    file.write_text("remember the milk " * 100)
    expected = f"Error: cannot keep the queue in {file}: file is not a database; pass --queue FILE to use another file"

    assert expected == refused(tmp_path, "--queue", str(file))
    assert "remember the milk " * 100 == file.read_text()


def test_a_second_server_leaves_the_first_ones_queue_alone(tmp_path: Path) -> None:
    """It says so, and keeps a queue of its own; no event is handled twice."""
    (tmp_path / "app.py").write_text(WAITING)
    calls = tmp_path / "calls"
    with ServerProcess(tmp_path, *SERVED) as first:
        assert 202 == queue(first, name="first", wait="go")
        await_true(calls.exists)
        with ServerProcess(tmp_path, *SERVED) as second:
            assert f"the queue in {tmp_path}-state/dispatch/" in second.line("another process is using")
            assert 202 == queue(second, name="second")
            await_true(lambda: "second\n" in calls.read_text())
        (tmp_path / "go").touch()
    assert ["first", "second"] == calls.read_text().splitlines()


def test_the_queue_is_free_when_its_server_has_ended(tmp_path: Path) -> None:
    """What a server did not get done the next one does, even if the first was killed."""
    (tmp_path / "app.py").write_text(WAITING)
    calls = tmp_path / "calls"
    with ServerProcess(tmp_path, *SERVED) as first:
        queue(first, name="event", wait="go")
        await_true(calls.exists)
        first.process.kill()
    (tmp_path / "go").touch()
    with ServerProcess(tmp_path, *SERVED) as second:
        await_true(lambda: calls.read_text().count("event\n") == 2)
        assert [] == [line for line in second.lines if "another process" in line]


def test_a_queue_that_fails_ends_the_server(tmp_path: Path) -> None:
    """A server that can't hand out events any more takes no more; it says why, with status 1."""
    (tmp_path / "app.py").write_text(WAITING)
    file = tmp_path / "queue.sqlite"
    with contextlib.closing(sqlite3.connect(file)) as database:
        database.execute(queue_file.SCHEMA)
        database.execute(
            "create trigger full before update on events when new.running begin select raise(fail, 'no room'); end"
        )
    with ServerProcess(tmp_path, *SERVED, "--queue", str(file)) as server:
        assert 202 == queue(server, name="event")
        assert 1 == server.wait()
    assert f"Error: cannot keep the queue in {file}: no room; pass --queue FILE to use another file" == server.lines[-1]


@pytest.mark.parametrize("kind", ["Event", "invoke-async"])
def test_an_event_that_finds_the_disk_full_is_refused(tmp_path: Path, kind: str) -> None:
    """Its caller is told why, in the shape of the Lambda API; the server ends, with status 1 and no traceback."""
    (tmp_path / "app.py").write_text(WAITING)
    with ServerProcess(tmp_path, *SERVED, "--queue", str(tmp_path / "queue.sqlite")) as server:
        fill_disk(server)
        path = "/2014-11-13/functions/function/invoke-async/" if kind == "invoke-async" else INVOKE.format("function")
        with client(server.host) as one:
            got = one.call("POST", path, json.dumps({"name": "x"}), {"X-Amz-Invocation-Type": "Event"})
        assert (500, "ServiceException") == (got.status, got.headers["x-amzn-errortype"])
        assert f"cannot keep the queue in {tmp_path / 'queue.sqlite'}: " in got.json["message"]
        assert 1 == server.wait()
    assert server.lines[-1].startswith("Error: cannot keep the queue in ")
    assert [] == [line for line in server.lines if "Traceback" in line]


def test_an_event_that_is_done_when_the_disk_is_full_is_not_lost(tmp_path: Path) -> None:
    """That it is done cannot be noted: the server ends, and the next one handles the event again."""
    (tmp_path / "app.py").write_text(WAITING)
    calls, arguments = tmp_path / "calls", (*SERVED, "--queue", str(tmp_path / "queue.sqlite"))
    with ServerProcess(tmp_path, *arguments) as server:
        assert 202 == queue(server, name="event", wait="go")
        await_true(lambda: calls.exists() and calls.read_text() == "event\n")
        fill_disk(server)
        (tmp_path / "go").touch()
        assert 1 == server.wait()
    assert server.lines[-1].startswith("Error: cannot keep the queue in ")
    assert [] == [line for line in server.lines if "Traceback" in line or "never retrieved" in line]
    with ServerProcess(tmp_path, *arguments):
        await_true(lambda: calls.read_text() == "event\nevent\n")


@pytest.mark.parametrize("stream", ["full", "left"])
def test_a_log_that_cannot_be_written_holds_nothing_up(tmp_path: Path, stream: str) -> None:
    """Its disk is full, or its reader has left: events are handled all the same."""
    (tmp_path / "app.py").write_text("def handler(event, context):\n    print('x' * 10_000)\n    return event\n")
    command = [sys.executable, "-m", "runtime.cli", "serve", *SERVED, "--port", "0", "--concurrency", "1"]
    reader, writer = os.pipe() if stream == "left" else (None, os.open("/dev/full", os.O_WRONLY))
    if reader is not None:
        os.close(reader)
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=writer, text=True) as server:
        os.close(writer)
        try:
            assert server.stdout
            with client(server.stdout.readline().strip().partition("://")[2]) as one:
                for _ in range(3):
                    got = one.call("POST", INVOKE.format("function"), '"x"')
                    assert (200, '"x"') == (got.status, got.body.decode())
        finally:
            server.terminate()
    assert 0 == server.returncode


def fill_disk(server: ServerProcess) -> None:
    """Let no file of a server grow any more: the limit of a process does what a full disk does."""
    if not hasattr(resource, "prlimit"):
        pytest.skip("the limits of another process cannot be set here")
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (0, 0))


def test_a_reload_that_ends_by_itself_is_said(tmp_path: Path) -> None:
    """Here a folder that was watched is gone; what is served goes on."""
    (tmp_path / "app.py").write_text("def handler(event, context): return 'served'\n")
    (tmp_path / "other").mkdir()
    table = "[functions.{}]\nhandler = 'app.handler'\nconvention = 'lambda'\n"
    config = table.format("function") + table.format("other") + "root = 'other'\n"
    (tmp_path / "dispatch.toml").write_text(config)
    with ServerProcess(tmp_path) as server:
        shutil.rmtree(tmp_path / "other")
        save(tmp_path / "dispatch.toml", config + "timeout = 4\n")
        assert "FileNotFoundError" in server.line("dispatch: reloading has stopped: ")
        with client(server.host) as one:
            assert "served" == one.call("POST", INVOKE.format("function"), "{}").json


def test_a_web_server_that_fails_at_its_start_ends_the_platform(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not waited for, and nothing is said to be served; uvicorn offers no real fault of this kind."""

    async def fail(_server: uvicorn.Server, sockets: list[socket.socket] | None = None) -> None:
        raise OSError(f"no room for {sockets}")

    monkeypatch.setattr(uvicorn.Server, "startup", fail)
    shown: list[tuple[str, str]] = []

    async def work() -> None:
        settings = ServeSettings([FunctionConfig(root=tmp_path)], tmp_path / "queue.sqlite", port=0)
        async with asyncio.timeout(PATIENCE):
            await serve(settings, lambda *address: shown.append(address))

    with pytest.raises(OSError, match="no room for"):
        asyncio.run(work())
    assert [] == shown
