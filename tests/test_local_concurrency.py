"""How many events a function handles at once, and which callers are refused."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from support.local import write_handler, write_program
from support.runtime import AWS_COMMAND
from support.wire import PATIENCE

from runtime.local.environments.platform import Platform, UnknownFunction
from runtime.local.environments.pool import Throttled
from runtime.local.function import FunctionConfig
from runtime.local.invocation import Event

#: A runtime that echoes, and that asks for its next event, or ends, as its last one said.
SMALL = """
import json, os, time, urllib.request as web
api = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation/"
while True:
    event = web.urlopen(api + "next")
    body = event.read()
    web.urlopen(api + event.headers["Lambda-Runtime-Aws-Request-Id"] + "/response", body).read()
    said = json.loads(body)
    while not os.path.exists(said.get("poll when", "/")):
        time.sleep(0.01)
    if "then" in said:
        exit(0)
"""
FAILING = """
def handler(event, context):
    raise ValueError(event)
"""
RUNTIMES = {
    "awslambdaric": ((*AWS_COMMAND, "app.handler"), b"{}"),
    "eight lines": ((sys.executable, "small.py"), b"{}"),
    "eight lines that end": ((sys.executable, "small.py"), b'{"then": "exit"}'),
    "ours": ((), b"{}"),
}


@pytest.mark.parametrize("concurrency", [1, 3])
@pytest.mark.parametrize("kind", RUNTIMES)
def test_callers_that_wait_for_their_answers_are_not_refused(tmp_path: Path, kind: str, concurrency: int) -> None:
    """As many callers as the function may have environments, each with one event at a time; all are handled."""
    write_handler(tmp_path, FAILING)
    (tmp_path / "small.py").write_text(SMALL)
    command, event = RUNTIMES[kind]
    times = 4 if b"exit" in event else 20
    function = FunctionConfig(
        "one", "app.handler", tmp_path, "lambda", command=command, concurrency=concurrency, timeout=PATIENCE
    )

    async def call_again_and_again(platform: Platform) -> int:
        return len([await (await platform.invoke("one", Event(event, ""))).answer.read() for _ in range(times)])

    async def work() -> list[int]:
        async with Platform([function]) as platform:
            return await asyncio.gather(*(call_again_and_again(platform) for _ in range(concurrency)))

    assert [times] * concurrency == asyncio.run(work())


@pytest.mark.parametrize("then", ["poll", "exit"])
def test_an_event_waits_for_an_environment_that_has_answered(tmp_path: Path, then: str) -> None:
    """However long it takes to ask again, or if it ends instead; one more than the limit is refused."""
    write_program(tmp_path / "bootstrap", SMALL)
    end = ', "then": "exit"' if then == "exit" else ""
    event = Event(f'{{"poll when": "{tmp_path}/go"{end}}}'.encode(), "")

    async def work() -> None:
        function = FunctionConfig("one", root=tmp_path, command=("./bootstrap",), concurrency=1, timeout=PATIENCE)
        async with Platform([function]) as platform, asyncio.timeout(PATIENCE):
            assert event.body == await (await platform.invoke("one", event)).answer.read()
            given_up, waiting = (asyncio.ensure_future(platform.invoke("one", event)) for _ in range(2))
            await asyncio.sleep(0)
            with pytest.raises(Throttled):
                await waiting
            given_up.cancel()
            waiting = asyncio.ensure_future(platform.invoke("one", event))
            await asyncio.sleep(0)
            assert not waiting.done()
            (tmp_path / "go").touch()
            assert event.body == await (await waiting).answer.read()

    asyncio.run(work())


def test_a_function_that_is_replaced_or_removed_takes_its_waiting_events_along(tmp_path: Path) -> None:
    """A new version handles them; without one they are refused."""
    write_program(tmp_path / "bootstrap", SMALL)
    event = Event(f'{{"poll when": "{tmp_path}/go"}}'.encode(), "")

    async def work() -> None:
        function = FunctionConfig("one", root=tmp_path, command=("./bootstrap",), concurrency=1, timeout=PATIENCE)
        async with Platform([function]) as platform, asyncio.timeout(PATIENCE):
            await (await platform.invoke("one", event)).answer.read()
            moved = asyncio.ensure_future(platform.invoke("one", event))
            await asyncio.sleep(0)
            await platform.replace(function)
            assert event.body == await (await moved).answer.read()
            removed = asyncio.ensure_future(platform.invoke("one", event))
            await asyncio.sleep(0)
            await platform.remove("one")
            with pytest.raises(UnknownFunction):
                await removed
            (tmp_path / "go").touch()

    asyncio.run(work())
