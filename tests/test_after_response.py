"""`dispatch.after_response`: work between the answer and the next poll. And the deadline that it has to keep."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pytest_mock import MockerFixture
from support.api import OK, event
from support.logs import JSON, records
from support.runtime import AWS_COMMAND, COMMAND, Serve

import dispatch
from conventions.context import LambdaContext
from conventions.lambda_ import lambda_
from dispatch.invocation import Invocation
from runtime.testing import Function, serving

ORDER = """
    import asyncio, dispatch

    def say(word, end="."):
        print(f"{word} {dispatch.current().request_id}{end}")

    async def wait(word):
        await asyncio.sleep(0)
        say(word)

    def more():
        say("more")
        dispatch.after_response(say, "even more")

    def handler(event, headers):
        dispatch.after_response(say, "first", end="!")
        dispatch.after_response(wait, "second")
        dispatch.after_response(more)
        say("handler")
        if event == "fail":
            raise ValueError(event)
        return event
"""


@pytest.mark.parametrize("body", [b"fine", b"fail"])
def test_order(serve: Serve, body: bytes) -> None:
    """Calls run in order, functions and coroutines, also those put off meanwhile and after a failure; then the poll."""
    runtime = serve(ORDER)
    for name in ("one", "two"):
        runtime.api.hand_out(event(body, name))
        assert ("response" if body == b"fine" else "error") == runtime.answer(name).kind
        runtime.child.wait_log(f"even more {name}.\n")
    said = [line for line in runtime.child.log.splitlines() if line.endswith((".", "!"))]
    words = ("handler {}.", "first {}!", "second {}.", "more {}.", "even more {}.")
    assert [word.format(name) for name in ("one", "two") for word in words] == said


@pytest.mark.parametrize("transport", ["socket", "requests"])
def test_between_the_answer_and_the_poll(serve: Serve, tmp_path: Path, transport: str) -> None:
    """It runs when the answer has been sent, and nothing is polled for before it is done."""
    source = f"""
    import dispatch
    def work():
        print("BUSY")
        open({str(tmp_path / "gate")!r}).close()
        print("DONE")
    def handler(event, headers):
        if event:
            dispatch.after_response(work)
        return "answer"
    """
    import os

    os.mkfifo(tmp_path / "gate")
    runtime = serve(source, env={"HANDLER_TRANSPORT": transport})
    runtime.invoke()  # the poll travels with this answer, and must not with the next
    assert b"answer" == runtime.invoke(b"later").body
    runtime.child.wait_log("BUSY")
    assert 2 == len(runtime.api.finished("GET", "next"))
    with (tmp_path / "gate").open("wb"):
        runtime.api.wait_for("GET", "next", 3)
    runtime.child.wait_log("DONE")


@pytest.mark.parametrize("code", ["raise ValueError('late')", "sys.exit(3)", "raise KeyboardInterrupt"])
def test_failures(serve: Serve, code: str) -> None:
    """What fails is logged with the invocation's id; what comes behind it runs, and the environment goes on."""
    source = f"""
    import dispatch, sys
    def fail():
        {code}
    async def fail_async():
        {code}
    def handler(event, headers):
        for call in (fail, fail_async):
            dispatch.after_response(call)
        return event
    """
    runtime = serve(source, env=JSON)
    assert [b"a", b"b"] == [runtime.invoke(body).body for body in (b"a", b"b")]
    runtime.api.wait_for("GET", "next", 3)
    found = records(runtime.end())
    assert 4 == len(found)
    assert 2 == len({record["requestId"] for record in found})
    assert ["fail", "fail_async"] * 2 == [record["stackTrace"][-1].split(" in ")[1].split("\n")[0] for record in found]


def test_too_late(serve: Serve) -> None:
    """Past the deadline nothing is begun, and the log names what is left out."""
    source = """
    import dispatch
    def bill():
        print("BILLED")
    def handler(event, headers):
        dispatch.after_response(bill)
    """
    runtime = serve(source)
    runtime.invoke(b"", {"Lambda-Runtime-Deadline-Ms": "1"})
    runtime.api.wait_for("GET", "next", 2)
    assert "left out: bill\n" in runtime.child.log
    assert "BILLED" not in runtime.child.log


@pytest.mark.parametrize("kind", ["generator", "async generator", "script", "lambda", "json"])
def test_everywhere(serve: Serve, kind: str) -> None:
    """It works in every convention, and in answers that stream, when the last chunk has gone."""
    put_off = "import dispatch\ndef later():\n    print('LATER\\n', end='')\n"
    sources = {
        "generator": "def handler(e, h):\n    yield 'x'\n    dispatch.after_response(later)\n    yield 'y'\n",
        "async generator": "async def handler(e, h):\n    yield 'x'\n    dispatch.after_response(later)\n    yield 'y'\n",
        "script": "dispatch.after_response(later)\nprint('xy', end='')\n",
        "lambda": "def handler(e, c):\n    dispatch.after_response(later)\n    return 'xy'\n",
        "json": "def handler(e, h):\n    dispatch.after_response(later)\n    return 'xy'\n",
    }
    handler = "app.py" if kind == "script" else "app.handler"
    convention = kind if kind in {"lambda", "json"} else ""
    runtime = serve(put_off + sources[kind], handler, convention)
    assert b"xy" == runtime.invoke(b"1").body.strip(b'"')
    runtime.child.wait_log("LATER\n")


def test_past_the_deadline(serve: Serve) -> None:
    """What the deadline leaves no time for is left out, which the log tells; the next event is served."""
    source = """
    import dispatch
    def later():
        print("LATER")
    def handler(event, headers):
        dispatch.after_response(later)
        return event
    """
    runtime = serve(source)
    assert b"late" == runtime.invoke(b"late", {"Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000))}).body
    runtime.child.wait_log("the deadline of")
    assert "LATER" not in runtime.child.log
    assert b"fine" == runtime.invoke(b"fine").body
    runtime.child.wait_log("LATER")


def test_outside_of_an_invocation() -> None:
    """Outside of an invocation there is no answer to wait for."""
    with pytest.raises(LookupError, match="no invocation is being handled here"):
        dispatch.after_response(print)


# The deadline


def context_of(deadline: int) -> LambdaContext:
    """The context that a handler of the lambda convention gets."""
    got: list[LambdaContext] = []
    lambda_(lambda _event, context: got.append(context))(
        Invocation(b"1", {"Lambda-Runtime-Deadline-Ms": str(deadline)})
    )
    return got[0]


@pytest.mark.parametrize(
    ("now", "left"), [(999.999, 1), (999.0004, 999), (0.0, 1_000_000), (1000.0, 0), (1000.001, 0), (1e9, 0)]
)
def test_to_the_millisecond(mocker: MockerFixture, now: float, left: int) -> None:
    """The time that is left is right to the millisecond, never negative, and that of awslambdaric's context."""
    from awslambdaric.lambda_context import LambdaContext as Theirs

    mocker.patch("time.time", return_value=now + 1.8e9)
    deadline = 1_800_001_000_000
    invocation = Invocation(b"", {"Lambda-Runtime-Deadline-Ms": str(deadline)})
    theirs = Theirs("", None, None, deadline)
    expected = theirs.get_remaining_time_in_millis()
    assert expected == context_of(deadline).get_remaining_time_in_millis()
    assert abs(left - expected) <= 1
    assert max(0.0, 1000 - now) == pytest.approx(invocation.remaining_time, abs=1e-6)


def test_at_every_millisecond(mocker: MockerFixture) -> None:
    """Whatever the fraction of the clock, both contexts agree."""
    from awslambdaric.lambda_context import LambdaContext as Theirs

    deadline = 1_795_305_600_123
    ours, theirs = context_of(deadline), Theirs("", None, None, deadline)
    for step in range(1000):
        mocker.patch("time.time", return_value=deadline / 1000 - step / 333)
        assert theirs.get_remaining_time_in_millis() == ours.get_remaining_time_in_millis()


SLOW = """
import threading
def handler(event, context):
    if event == "slow":
        threading.Event().wait()
    return event
"""


@pytest.mark.parametrize("command", [(*COMMAND, "app.handler"), (*AWS_COMMAND, "app.handler")], ids=["ours", "aws"])
def test_past_the_deadline_under_the_local_platform(tmp_path: Path, command: tuple[str, ...]) -> None:
    """A handler past its deadline is killed, the caller is told as Lambda tells it; a new environment serves the next."""
    (tmp_path / "app.py").write_text(SLOW)
    settings: dict[str, Any] = {"environment": {"HANDLER_CONVENTION": "lambda"}, "timeout": 1}
    with serving(Function(handler="app.handler", root=tmp_path, command=command, **settings)) as local:
        late = local.invoke(b'"slow"')
        assert late.error is not None
        assert "Sandbox.Timedout" == late.error.type
        assert b"Task timed out after 1.00 seconds" in late.body
        pool = local.platform.pools["function"]
        pool.function = replace(pool.function, timeout=30)  # the next event may take its time on a busy machine
        assert b'"fine"' == local.invoke(b'"fine"').body


def test_while_the_reply_is_under_way(serve: Serve) -> None:
    """On a kept connection, calls run before the reply to the answer has been read, and the poll follows them."""
    runtime = serve(
        "import dispatch\ndef handler(event, headers):\n    dispatch.after_response(print, 'AFTER', event)\n"
    )
    gate = threading.Event()
    runtime.invoke(b"one")
    runtime.api.wait_for("GET", "next", 2)
    runtime.api.answer_posts(replace(OK, gate=gate))
    runtime.api.hand_out(event(b"two", "two"))
    runtime.child.wait_log("AFTER two\n")
    gate.set()
    runtime.invoke(b"three")
    runtime.child.wait_log("AFTER three\n")
    assert 1 == runtime.api.connections


def test_a_connection_that_ends_meanwhile(serve: Serve) -> None:
    """The poll finds its way all the same, once."""
    runtime = serve(
        "import dispatch\ndef handler(event, headers):\n    dispatch.after_response(print, 'AFTER', event)\n"
    )
    runtime.invoke(b"one")
    runtime.api.wait_for("GET", "next", 2)
    runtime.api.answer_posts(replace(OK, close=True))
    for body in (b"two", b"three"):
        runtime.invoke(body)
    runtime.child.wait_log("AFTER three\n")
    assert 4 == len(runtime.api.wait_for("GET", "next", 4))
