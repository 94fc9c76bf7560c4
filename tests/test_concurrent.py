"""`HANDLER_CONCURRENCY=async`: several invocations at once on one event loop."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from support.api import event, refusal
from support.logs import JSON, records
from support.runtime import Runtime, Serve
from support.wire import Reply

THREE = {"HANDLER_CONCURRENCY": "async", "HANDLER_WORKERS": "3"}
#: Handlers that meet: none goes on before the third has come, which one after another they never would.
MEETING = """
    import asyncio, contextvars, dispatch, logging, os, sys
    arrived, all_here = [], asyncio.Event()

    async def meet(count=3):
        arrived.append(1)
        if len(arrived) >= count:
            all_here.set()
        await all_here.wait()
"""


def all_at_once(runtime: Runtime, *bodies: bytes) -> list[str]:
    """Hand out an event for each body, with traces of their own; the request ids."""
    names = ["first", "second", "third"][: len(bodies)]
    headers = [{"Lambda-Runtime-Trace-Id": f"trace-{name}"} for name in names]
    runtime.api.hand_out(*[event(*each) for each in zip(bodies, names, headers, strict=True)])
    return names


def test_at_the_same_time(serve: Serve) -> None:
    """So many events are handled at the same time; current(), trace id and records are each event's own."""
    source = f"""{MEETING}
    async def part():
        await asyncio.sleep(0)
        logging.error("part")
        return dispatch.current().request_id

    async def handler(event, headers):
        before = dispatch.current().trace_id
        await meet()
        logging.error(event)
        parts = await asyncio.gather(part(), asyncio.create_task(part()), asyncio.to_thread(lambda: dispatch.current().request_id))
        return " ".join([event, before, dispatch.current().trace_id, *parts, str(os.getpid()), str("_X_AMZN_TRACE_ID" in os.environ)])
    """
    runtime = serve(source, env={**THREE, **JSON, "_X_AMZN_TRACE_ID": "of-the-start"})
    names = all_at_once(runtime, b"A", b"B", b"C")
    for name, letter in zip(names, "ABC", strict=True):
        process = runtime.child.process.pid
        expected = f"{letter} trace-{name} trace-{name} {name} {name} {name} {process} False"
        assert expected == runtime.answer(name).body.decode()
    told = sorted((record["requestId"], record["message"]) for record in records(runtime.end()))
    assert sorted((n, m) for n, x in zip(names, "ABC", strict=True) for m in (x, "part", "part")) == told


@pytest.mark.parametrize("convention", ["standard", "json", "lambda"])
def test_streaming(serve: Serve, convention: str) -> None:
    """Async generators stream side by side, each chunk as soon as it is made."""
    source = f"""{MEETING}
    async def handler(event, context):
        yield b"begun "
        await meet()
        for number in range(3):
            yield f"{{dispatch.current().request_id}} {{number}} ".encode()
            await asyncio.sleep(0)
        yield b"end"
    """
    runtime = serve(source, "app.handler", convention, env=THREE)
    names = all_at_once(runtime, b"1", b"2")
    for name in names:
        runtime.api.wait(lambda: [r for r in runtime.api.answers(name) if r.body == b"begun "])  # noqa: B023
    runtime.api.hand_out(event(b"3", "third"))
    for name in (*names, "third"):
        assert f"begun {name} 0 {name} 1 {name} 2 end".encode() == runtime.answer(name).body


FAILURES = {
    "raise ValueError('mine')": "ValueError",
    "sys.exit(3)": "Runtime.ExitError",
    "raise KeyboardInterrupt": "KeyboardInterrupt",
    "asyncio.current_task().cancel(); await asyncio.sleep(0)": "CancelledError",
    "await asyncio.wait_for(asyncio.sleep(60), 0.001)": "TimeoutError",
}


@pytest.mark.parametrize("code", FAILURES)
def test_failures_are_each_ones_own(serve: Serve, code: str) -> None:
    """An invocation that fails, whichever way, does not touch the others, nor the events to come."""
    source = f"""{MEETING}
    async def handler(event, headers):
        await meet()
        if event == "fail":
            {code}
        await asyncio.sleep(0.01)
        return event
    """
    runtime = serve(source, env=THREE)
    first, second, third = all_at_once(runtime, b"a", b"fail", b"c")
    assert (b"a", b"c") == (runtime.answer(first).body, runtime.answer(third).body)
    assert FAILURES[code] == runtime.answer(second).report["errorType"]
    assert b"again" == runtime.invoke(b"again").body


def test_large_mixture(serve: Serve) -> None:
    """Two hundred events, failing and streaming and large, each get their own answer."""
    source = """
    import asyncio, random
    async def handler(event, headers):
        await asyncio.sleep(random.random() / 200)
        if event["n"] % 7 == 0:
            raise ValueError(event["n"])
        return {"n": event["n"], "pad": "x" * (event["n"] * 700)}
    """
    runtime = serve(source, "app.handler", "json", env={**THREE, "HANDLER_WORKERS": "8"})
    runtime.api.hand_out(*[event(json.dumps({"n": number}).encode(), f"n-{number}") for number in range(200)])
    for number in range(200):
        answer = runtime.answer(f"n-{number}")
        told: Any = json.loads(answer.body)
        assert ("error" if number % 7 == 0 else "response") == answer.kind
        assert str(number) == str(told.get("n", told.get("errorMessage")))
    assert 200 == len(runtime.api.finished("POST"))


@pytest.mark.parametrize("state", ["idle", "busy"])
def test_termination(serve: Serve, state: str) -> None:
    """SIGTERM ends it in order, whether it waits or awaits."""
    hooks = "def dispatch_shutdown(reason):\n    print('SHUTDOWN', reason)\n"
    source = "import asyncio\nasync def handler(event, headers):\n    print('BUSY')\n    await asyncio.sleep(60)\n"
    runtime = serve({"app.py": source, "own.py": hooks}, env={**THREE, "HANDLER_PLUGINS": "own"})
    runtime.api.wait_for("GET", "next", 3)
    if state == "busy":
        all_at_once(runtime, b"", b"")
        runtime.child.wait_log("BUSY")
    assert 1 == runtime.end().count("SHUTDOWN SIGTERM")


def test_runtime_api_that_goes_away(serve: Serve) -> None:
    """When the Runtime API has gone, the runtime ends with status 1."""
    runtime = serve(f"{MEETING}\n    async def handler(event, headers):\n        return event\n", env=THREE)
    assert b"one" == runtime.invoke(b"one").body
    runtime.api.wait_for("GET", "next", 3)
    runtime.api.stop()
    assert 1 == runtime.child.wait()
    assert "no event after 3 tries" in runtime.child.log


def test_runtime_api_that_is_broken(serve: Serve) -> None:
    """A 500 to a poll ends the runtime, also when the other polls are unanswered."""
    runtime = serve("async def handler(event, headers):\n    return event\n", env=THREE)
    runtime.api.wait_for("GET", "next", 3)
    runtime.api.hand_out(Reply(500, body=b"broken"))
    assert 1 == runtime.child.wait()
    assert "with status 500 broken" in runtime.child.log


def test_refused_answer(serve: Serve) -> None:
    """A refused answer is logged; the others and the events to come are served."""
    runtime = serve("async def handler(event, headers):\n    return event\n", env=THREE)
    runtime.api.answer_posts(refusal(410, "InvokeTimeout"))
    runtime.invoke(b"late")
    runtime.child.wait_log("with status 410")
    assert [b"a", b"b", b"c"] == [runtime.invoke(body).body for body in (b"a", b"b", b"c")]


def test_work_after_the_answer(serve: Serve) -> None:
    """What was put off runs with its own invocation as the current one, while others are handled."""
    source = f"""{MEETING}
    async def later(name):
        await asyncio.sleep(0)
        print(f"LATER {{name}} {{dispatch.current().request_id}}\\n", end="")
    async def handler(event, headers):
        await meet()
        dispatch.after_response(later, event)
    """
    runtime = serve(source, env=THREE)
    names = all_at_once(runtime, b"first", b"second", b"third")
    for name in names:
        runtime.child.wait_log(f"LATER {name} {name}")


TAKEN = {
    "async def handler(event, headers):\n    return event\n": True,
    "async def handler(event, headers):\n    yield event\n": True,
    "class Call:\n    async def __call__(self, event, headers):\n        return event\nhandler = Call()\n": True,
    "class Own:\n    async def call(self, event, headers):\n        return event\nhandler = Own().call\n": True,
    "import functools\nasync def call(more, event, headers):\n    return event\nhandler = functools.partial(call, 1)\n": True,
    "def handler(event, headers):\n    return event\n": False,
    "handler = lambda event, headers: event\n": False,
}


@pytest.mark.parametrize("source", TAKEN)
def test_what_is_taken(serve: Serve, source: str) -> None:
    """Whatever is made with async def is taken; a plain function, which would run in several threads, is refused."""
    runtime = serve(source, env=THREE)
    if TAKEN[source]:
        assert b"event" == runtime.invoke(b"event").body
    else:
        assert "use an `async def` function or a program" in runtime.failed().log


def test_other_value(serve: Serve) -> None:
    """Any other value is an init error that tells what there is."""
    failed = serve("", env={"HANDLER_CONCURRENCY": "threads"}).failed()
    assert re.search("HANDLER_CONCURRENCY is 'threads'; allowed: async", failed.log)


@pytest.mark.parametrize("code", ["sys.exit(3)", "raise KeyboardInterrupt"])
def test_task_that_exits(serve: Serve, code: str) -> None:
    """A task of a handler's own that exits does not take the event loop, on which all the others are, with it."""
    source = f"""{MEETING}
    async def leave():
        {code}
    async def handler(event, headers):
        await meet(2)
        if event == "fail":
            await asyncio.create_task(leave())
        await asyncio.sleep(0.01)
        return event
    """
    runtime = serve(source, env=THREE)
    first, second = all_at_once(runtime, b"a", b"fail")
    assert b"a" == runtime.answer(first).body
    assert "error" == runtime.answer(second).kind
    assert b"again" == runtime.invoke(b"again").body
