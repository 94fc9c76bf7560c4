"""The peers themselves: AWS's own runtime client is served by each as ours is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import rie
from support.api import event
from support.files import write
from support.runtime import AWS, AWS_COMMAND, start

APP = """
def handler(event, context):
    return {"event": event, "arn": context.invoked_function_arn, "client": str(context.client_context)}
def fails(event, context):
    raise KeyError("on purpose")
"""


def test_ric_over_the_scripted_api(tmp_path: Path) -> None:
    """Awslambdaric takes the scripted Runtime API for real, and its requests are recorded."""
    root = write(tmp_path, {"app.py": APP})
    with start(AWS, "app.handler", root, {}) as runtime:
        runtime.api.hand_out(event(b'{"a": 1}', "one"), event(b"2", "two", framing="chunked"))
        answers = runtime.api.wait_for("POST", "/response", 2)
    assert [{"a": 1}, 2] == [json.loads(answer.body)["event"] for answer in answers]
    assert [] == [request.path for request in runtime.api.requests if request.pipelined]


def test_ric_on_the_local_platform(tmp_path: Path) -> None:
    """Awslambdaric runs on our embedded platform: answers, failures, a client context, a large event."""
    from runtime.testing import Function, serving

    root = write(tmp_path, {"app.py": APP})
    with serving(Function(handler="app.handler", root=root, command=[*AWS_COMMAND, "app.handler"])) as platform:
        first = json.loads(platform.invoke(b'{"a": 1}', client_context='{"custom": {"k": "v"}}').body)
        assert {"a": 1} == first["event"]
        assert first["arn"].startswith("arn:aws:lambda:")
        assert "'k': 'v'" in first["client"]
        large = "x" * 500_000
        assert large == json.loads(platform.invoke(json.dumps(large)).body)["event"]
        bad = platform.invoke(b"nonsense")
        assert bad.error is not None
        assert "Runtime.UnmarshalError" == bad.error.type
        assert 3 == json.loads(platform.invoke(b"3").body)["event"]


def test_reports_equal_those_of_ric(tmp_path: Path) -> None:
    """In the lambda convention an error report equals the one of AWS's own client, but for the request's id."""
    from runtime.testing import Function, serving

    root = write(tmp_path, {"app.py": APP})
    ours = Function(name="ours", handler="app.fails", root=root, convention="lambda")
    theirs = Function(name="theirs", handler="app.fails", root=root, command=[*AWS_COMMAND, "app.fails"])
    reports = []
    with serving(ours, theirs) as platform:
        for name in ("ours", "theirs"):
            error = platform.invoke(b"{}", name).error
            assert error is not None
            reports.append({**json.loads(error.body), "requestId": ""})
    assert reports[1] == reports[0]


def test_ric_under_the_emulator(tmp_path: Path) -> None:
    """The emulator's harness serves awslambdaric too, so a failure of ours there is ours."""
    try:
        rie.binary()
    except rie.NoEmulator as reason:
        pytest.skip(str(reason))
    root = write(tmp_path, {"app.py": APP})
    with rie.rie("app.handler", root, {}, [*AWS_COMMAND, "app.handler"]) as emulator:
        assert {"a": 1} == json.loads(emulator.invoke(b'{"a": 1}'))["event"]
