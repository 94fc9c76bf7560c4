"""Our runtime under AWS's Runtime Interface Emulator: what the table does not show."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import rie
from support.files import write
from support.runtime import COMMAND

APP = """
import os
def handler(event, context):
    return {"event": event, "id": context.aws_request_id, "left": context.get_remaining_time_in_millis() > 0}
def large(event, context):
    return "x" * event
def leaves(event, context):
    os._exit(3) if event else None
    return "alive"
def words(event, context):
    yield "one "
    yield "two"
def breaks_off(event, context):
    yield "part"
    fails(event)
def fails(size, frames=60):
    if frames:
        fails(size, frames - 1)
    raise ValueError("x" * size)
"""


@pytest.fixture(scope="module", autouse=True)
def emulator() -> None:
    """The emulator's binary, or the reason why there is none."""
    try:
        rie.binary()
    except rie.NoEmulator as reason:
        pytest.skip(str(reason))


@pytest.mark.parametrize("transport", ["socket", "requests"])
def test_many_events(tmp_path: Path, transport: str) -> None:
    """Event after event, small and large, failing and not, over one environment."""
    env = {"HANDLER_CONVENTION": "lambda", "HANDLER_TRANSPORT": transport}
    with rie.rie("app.handler", write(tmp_path, {"app.py": APP}), env) as emulator:
        for number in range(20):
            body = {"n": number, "pad": "x" * number * 1000}
            answer = json.loads(emulator.invoke(json.dumps(body).encode()))
            assert (body, True) == (answer["event"], answer["left"])
        assert "Runtime.UnmarshalError" == json.loads(emulator.invoke(b"nonsense"))["errorType"]
        assert 1 == json.loads(emulator.invoke(b"1"))["event"]


def test_as_the_issue_says(tmp_path: Path) -> None:
    """`HANDLER_CONVENTION=json python -P -m runtime app.handler` serves under the emulator."""
    root = write(tmp_path, {"app.py": "def handler(event, headers):\n    return {'hello': event['name']}\n"})
    command = [*COMMAND, "app.handler"]
    with rie.rie("", root, {"HANDLER_CONVENTION": "json"}, command) as emulator:
        assert {"hello": "Ada"} == json.loads(emulator.invoke(b'{"name": "Ada"}'))


def test_long_error_in_a_stream(tmp_path: Path) -> None:
    """A stream that fails far down with a long message ends in trailers that the emulator can read: 4,096 bytes are its most."""
    with rie.rie("app.breaks_off", write(tmp_path, {"app.py": APP}), {"HANDLER_CONVENTION": "lambda"}) as emulator:
        assert [b"part"] * 4 == [emulator.invoke(size) for size in (b"10", b"5000", b"100000", b"10")]


def test_oversize_answer(tmp_path: Path) -> None:
    """An oversize answer is an error with its size, and the next event is served."""
    with rie.rie("app.large", write(tmp_path, {"app.py": APP}), {"HANDLER_CONVENTION": "lambda"}) as emulator:
        report = json.loads(emulator.invoke(b"7000000"))
        assert "Function.ResponseSizeTooLarge" == report["errorType"]
        assert "7000002" in report["errorMessage"]
        assert b'"xx"' == emulator.invoke(b"2")


def test_streamed_answer(tmp_path: Path) -> None:
    """A streamed answer arrives whole, again and again."""
    with rie.rie("app.words", write(tmp_path, {"app.py": APP}), {"HANDLER_CONVENTION": "lambda"}) as emulator:
        assert [b"one two"] * 3 == [emulator.invoke(b"1") for _ in range(3)]


def test_init_error(tmp_path: Path) -> None:
    """An init error reaches the caller of the first invocation."""
    with rie.rie("app.handlr", write(tmp_path, {"app.py": APP}), {"HANDLER_CONVENTION": "json"}) as emulator:
        report = json.loads(emulator.invoke(b"1"))
        assert "Runtime.HandlerNotFound" == report["errorType"]
        assert "handler" in report["errorMessage"]
