"""The port digitalocean: beside a stand-in, and what it does differently from openwhisk."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

pytest.importorskip("httpx")

from support.actions import PNG, post, seen, stand_in
from support.local import ServerProcess
from support.ports import answers, differing, documented, ours
from support.runtime import Ask, Serve
from support.web import Got

from conventions.ports.digitalocean import Context
from dispatch import Invocation


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    """Where the stand-in listens."""
    with stand_in("digitalocean") as one:
        yield one


@pytest.fixture(scope="module")
def theirs(host: str) -> Mapping[str, Got | str]:
    """What it answers to the thirty requests."""
    return answers(host, "/api/v1/web/fn-1/sample/hello")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The local platform with the same function."""
    with ours(tmp_path_factory.mktemp("digitalocean"), "digitalocean", "__main__.main") as one:
        yield one


@pytest.mark.parametrize("function", ["buffered", "streamed"])
def test_answers_as_the_platform(
    function: str, theirs: Mapping[str, Got | str], host: str, server: ServerProcess
) -> None:
    """Status, headers and body are the same, but for the rows of the page."""
    assert documented("digitalocean") == set(differing(theirs, server, host, function))


FUNCTIONS = """
    def none():
        return {"body": "none"}

    def one(event):
        return {"body": sorted(event)}

    def default(event={}, context=None):
        return {"body": type(context).__name__}

    class Class:
        def method(self, event):
            return {"body": "method"}

        def __call__(self, event, context):
            return {"body": "instance"}

    method, instance = Class().method, Class()

    def empty(event, context):
        return None

    def error(event, context):
        return {"error": "no"}

    async def context(_, context):
        names = ["function_name", "function_version", "activation_id", "request_id", "namespace", "api_host", "api_key"]
        left = context.get_remaining_time_in_millis()
        return {"body": [getattr(context, name) for name in names], "left": 0 < left < 100_000_000_000,
                "deadline": type(context.deadline).__name__}
"""


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        ("none", {"body": "none"}),
        ("one", {"body": ["a"]}),
        ("default", {"body": "Context"}),
        ("method", {"body": "method"}),
        ("instance", {"body": "instance"}),
        ("empty", {}),
    ],
)
def test_parameters(ask: Ask, handler: str, expected: Any) -> None:
    """Both parameters are optional, and so is the result."""
    assert expected == json.loads(ask(FUNCTIONS, b'{"a": 1}', f"app.{handler}", "digitalocean").body)


def test_context(serve: Serve) -> None:
    """What Lambda has for it; there is no API to call."""
    headers = {
        "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-west-1:123456789012:function:hello",
        "Lambda-Runtime-Aws-Request-Id": "5",
    }
    env = {"AWS_LAMBDA_FUNCTION_NAME": "hello", "AWS_LAMBDA_FUNCTION_VERSION": "3"}
    with serve(FUNCTIONS, "app.context", "digitalocean", env=env) as runtime:
        answer = json.loads(runtime.invoke(b"{}", headers).body)
    assert {
        "body": ["/123456789012/hello", "3", "5", "5", "123456789012", "", ""],
        "left": True,
        "deadline": "int",
    } == answer


def test_context_without_a_deadline() -> None:
    """There is no time to wait for."""
    context = Context(Invocation(b""))
    assert (0, 0) == (context.deadline, context.get_remaining_time_in_millis())


def test_error_of_digitalocean(ask: Ask) -> None:
    """As in OpenWhisk."""
    report = ask(FUNCTIONS, b"{}", "app.error", "digitalocean").report
    assert ("ApplicationError", "no") == (report["errorType"], report["errorMessage"])


@pytest.mark.parametrize(
    ("body", "content_type", "text", "is_base64"),
    [(b'{"a": 1}', "application/json", '{"a": 1}', False), (b"\x89PNG", "image/png", PNG, True), (b"", "", "", False)],
)
def test_raw_events(
    monkeypatch: pytest.MonkeyPatch, body: bytes, content_type: str, text: str, is_base64: bool
) -> None:
    """With `web: raw`, body and query are not parsed; only what is binary is base64."""
    monkeypatch.setenv("HANDLER_WEB", "raw")
    event = seen(post(body, content_type, "/x", "a=1&a=2"), "digitalocean")
    assert {
        "body": text,
        "headers": event["__ow_headers"],
        "isBase64Encoded": is_base64,
        "method": "POST",
        "path": "/x",
        "queryString": "a=1&a=2",
    } == event["http"]
    assert "a" not in event


def test_parsed_events() -> None:
    """Query and body are at the top level, the request is in `http`, which no caller can replace."""
    event = seen(post(b'{"shark": 1, "http": "mine"}', "application/json", "/x", "shark=2&a=b"), "digitalocean")
    assert ({"headers", "method", "path"}, "POST", "/x") == (
        event["http"].keys(),
        event["http"]["method"],
        event["http"]["path"],
    )
    assert (1, "b") == (event["shark"], event["a"])


def test_binary_body_of_a_parsed_event() -> None:
    """It is where OpenWhisk has it, and marked."""
    event = seen(post(b"\x89PNG", "image/png"), "digitalocean")
    assert (PNG, True) == (event["__ow_body"], event["__ow_isBase64Encoded"])
    assert "__ow_isBase64Encoded" not in seen(post(b"a", "text/plain"), "digitalocean")
