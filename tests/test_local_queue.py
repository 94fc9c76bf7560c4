"""Events that nobody waits for: how often, how long, and where they end."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import json
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from support.wire import PATIENCE

from runtime.local.asynchronous.destinations import record
from runtime.local.asynchronous.queue import Queue
from runtime.local.environments.platform import Platform
from runtime.local.function import AsyncSettings, FunctionConfig
from runtime.local.invocation import Event

HANDLER = """
import json, time

def count(event, context):
    with open("calls.jsonl", "a") as file:
        file.write(json.dumps({"id": context.aws_request_id, "event": event, "at": time.time()}) + "\\n")
    if "fail" in str(event.get("mode")):
        raise ValueError("no")
"""
#: Lambda's waits of a minute and two become 60 and 120 ms.
SCALE = 0.001


class Setting:
    """A queue at work, and what was said of it."""

    def __init__(self, root: Path, platform: Platform, queue: Queue, said: list[str]) -> None:
        self.root = root
        self.platform = platform
        self.queue = queue
        self.said = said

    def calls(self) -> list[Any]:
        """Every time a function was called."""
        file = self.root / "calls.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until it holds."""
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110 - it is a file, or a table
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def working(root: Path, scale: float = SCALE, **settings: Any) -> AsyncIterator[Setting]:
    """A platform with the function `one`, and its queue."""
    (root / "app.py").write_text(HANDLER)
    asynchronous = AsyncSettings(**settings.pop("asynchronous", {}))
    one = FunctionConfig("one", "app.count", root, "lambda", asynchronous=asynchronous, timeout=20, **settings)
    other = FunctionConfig("other", "app.count", root, "lambda", timeout=20)
    said: list[str] = []
    async with Platform([one, other]) as platform:
        queue = Queue.open(root / "state" / "queue.sqlite", platform, scale, said.append)
        work = asyncio.ensure_future(queue.run())
        try:
            yield Setting(root, platform, queue, said)
        finally:
            work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await work
            await platform.close()
            queue.close()


def put(setting: Setting, mode: str = "", request_id: str = "1") -> Coroutine[Any, Any, None]:
    """Queue an event for `one`."""
    return setting.queue.put("one", Event(json.dumps({"mode": mode}).encode(), request_id))


def test_a_success_is_done_once(tmp_path: Path) -> None:
    """An event that succeeds leaves the queue, and is handled once."""

    async def work() -> None:
        async with working(tmp_path) as setting:
            await put(setting)
            await setting.until(lambda: len(setting.queue) == 0)
            assert ["1"] == [call["id"] for call in setting.calls()]

    asyncio.run(work())


@pytest.mark.parametrize("retries", [0, 1, 2])
def test_a_failure_is_tried_again_as_often_as_is_set(tmp_path: Path, retries: int) -> None:
    """With one request id; then it is given up, and that is said."""

    async def work() -> None:
        async with working(tmp_path, asynchronous={"retries": retries}) as setting:
            await put(setting, "fail")
            await setting.until(lambda: len(setting.queue) == 0)
            assert ["1"] * (retries + 1) == [call["id"] for call in setting.calls()]
            assert ["gave up the queued event 1 of one: RetriesExhausted"] == setting.said

    asyncio.run(work())


def test_the_waits_are_lambdas(tmp_path: Path) -> None:
    """After the first failure the next try is a minute away, on this scale 0.6 seconds; after the second, two."""

    async def work() -> None:
        async with working(tmp_path, scale=0.01) as setting:
            await put(setting, "fail")
            await setting.until(lambda: len(setting.calls()) == 3)
            first, second, third = (call["at"] for call in setting.calls())
            assert second - first >= 0.6
            assert third - second >= 1.2

    asyncio.run(work())


def test_an_event_that_is_too_old_is_not_tried(tmp_path: Path) -> None:
    """Its record says so, and has no answer in it."""

    async def work() -> None:
        asynchronous = {"maximum_age": 60, "on_failure": "failed.jsonl"}
        async with working(tmp_path, asynchronous=asynchronous, scale=0.0001) as setting:
            await put(setting, "fail")
            await setting.until(lambda: len(setting.queue) == 0)
        record = json.loads((tmp_path / "failed.jsonl").read_text())
        assert "EventAgeExceeded" == record["requestContext"]["condition"]
        assert {"mode": "fail"} == record["requestPayload"]
        assert "responsePayload" not in record

    asyncio.run(work())


def test_a_throttled_event_waits_and_is_not_counted(tmp_path: Path) -> None:
    """More events than environments: all are handled in the end, each once."""

    async def work() -> None:
        async with working(tmp_path, concurrency=1) as setting:
            for number in range(6):
                await put(setting, request_id=str(number))
            await setting.until(lambda: len(setting.queue) == 0)
            assert sorted(map(str, range(6))) == sorted(call["id"] for call in setting.calls())

    asyncio.run(work())


@pytest.mark.parametrize("destination", ["function:other", "arn:aws:lambda:us-east-1:012345678912:function:other"])
def test_a_function_is_a_destination(tmp_path: Path, destination: str) -> None:
    """It gets the record as its event."""

    async def work() -> None:
        async with working(tmp_path, asynchronous={"retries": 0, "on_failure": destination}) as setting:
            await put(setting, "fail")
            await setting.until(lambda: len(setting.calls()) == 2 and len(setting.queue) == 0)
            record = setting.calls()[1]["event"]
            assert ("1.0", "no") == (record["version"], record["responsePayload"]["errorMessage"])
            assert record["requestContext"]["functionArn"].endswith(":function:one:$LATEST")

    asyncio.run(work())


def test_a_record_of_an_event_as_deep_as_can_be_read_can_be_written(tmp_path: Path) -> None:
    """It is deeper than the event by itself; the event is text in it then."""
    low, high = 0, 400_000
    while high - low > 1:
        middle = (low + high) // 2
        try:
            json.loads("[" * middle + "]" * middle)
            low = middle
        except RecursionError:
            high = middle
    function = FunctionConfig(root=tmp_path)
    for depth in range(low - 8, low + 2):
        text = "[" * depth + "]" * depth
        made = record(Event(text.encode(), "1"), function, "RetriesExhausted", 1, text.encode())
        assert "RetriesExhausted" in json.dumps(made)


class Receiver(http.server.BaseHTTPRequestHandler):
    """Keeps what is posted to it, and answers with the status that the path names."""

    got: list[bytes]

    def do_POST(self) -> None:
        """One record."""
        self.got.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(int(self.path[1:]))
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - its name in the standard library
        """Say nothing."""


@pytest.mark.parametrize(("status", "said"), [("200", 1), ("500", 2)])
def test_a_url_is_a_destination(tmp_path: Path, status: str, said: int) -> None:
    """The record is posted there; a destination that does not take it is named."""
    received: list[bytes] = []
    handler = type("Kept", (Receiver,), {"got": received})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/{status}"

        async def work() -> list[str]:
            async with working(tmp_path, asynchronous={"retries": 0, "on_failure": url}) as setting:
                await put(setting, "fail")
                await setting.until(lambda: len(setting.queue) == 0)
                return setting.said

        lines = asyncio.run(work())
        server.shutdown()

    assert {"mode": "fail"} == json.loads(received[0])["requestPayload"]
    assert said == len(lines)


def test_an_event_for_a_function_that_is_gone_is_dropped(tmp_path: Path) -> None:
    """It is said, and it does not stay in the queue."""

    async def work() -> None:
        async with working(tmp_path) as setting:
            await setting.queue.put("gone", Event(b"{}", "1"))
            await setting.until(lambda: len(setting.queue) == 0)
            assert "no such function: 'gone'; available: one, other" in setting.said[0]

    asyncio.run(work())


def test_what_was_not_done_is_done_by_the_next_queue(tmp_path: Path) -> None:
    """An event that was being handled when the platform ended is handled again."""

    async def interrupted() -> None:
        async with working(tmp_path) as setting:
            await put(setting)

    async def resumed() -> None:
        async with working(tmp_path) as setting:
            await setting.until(lambda: len(setting.queue) == 0)
            assert ["1"] == [call["id"] for call in setting.calls()][:1]

    asyncio.run(interrupted())
    asyncio.run(resumed())
