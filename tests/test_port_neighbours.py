"""Functions for Alibaba, Scaleway, Tencent and Yandex: what differs from AWS's own, and Scaleway's server beside ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.http_events import delivered
from support.ports import REQUESTS, SAMPLES, answers, differing, documented, ours, peer, python
from support.runtime import Ask
from support.web import Got

from dispatch import http

SERVER = """
import sys, handler
from scaleway_functions_python.local import serve_handler
serve_handler(handler.handle, port=int(sys.argv[1]), debug=False)
"""
SHOW = """
import json
def plain(value):
    return {k: plain(v) for k, v in vars(value).items() if k[0] != "_"} if hasattr(value, "__dict__") else str(value)
def handler(event, context):
    if isinstance(event, bytes):
        event = {"bytes": json.loads(event)}
    shown = context if isinstance(context, dict) else plain(context)
    return {"statusCode": 200, "body": json.dumps({"event": event, "context": shown})}
"""
NAMED = {
    "AWS_LAMBDA_FUNCTION_NAME": "hello",
    "AWS_LAMBDA_FUNCTION_VERSION": "7",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
}


def posted(kind: str) -> bytes:
    """An event of a request with repeated values and a cookie."""
    headers = [("host", "h"), ("cookie", "a=1"), ("content-type", "text/plain")]
    request = http.Request("POST", "/caf%C3%A9", "a=1&a=2", headers, b"hello", client="127.0.0.1")
    return json.dumps(http.event(request, kind)).encode()


def test_scaleways_own_server(tmp_path: Path) -> None:
    """The same function answers the thirty requests alike, but for the rows of the page."""
    pytest.importorskip("scaleway_functions_python")
    asks = {name: ask._replace(target=f"/handle{ask.target}") for name, ask in REQUESTS.items()}
    serving = peer(python("-c", SERVER, "{port}"), {"PYTHONPATH": str(SAMPLES / "scaleway")})
    with serving as host, ours(tmp_path, "scaleway", "handler.handle") as server:
        theirs = answers(host, asks=asks)
        assert documented("scaleway") == set(differing(theirs, server, host, "buffered", asks))
        assert documented("scaleway") == set(differing(theirs, server, host, "streamed", asks))


#: What a function for Scaleway may return.
FORMS: list[Any] = [
    "text", "[1]", '{"statusCode": 404, "body": "x"}', None, 5, [1, 2], {}, {"a": 1}, {"body": "x"}, {"statusCode": 204},
    {"statusCode": "201", "body": {"b": 1, "a": "ü"}}, {"body": [1], "headers": {"content-type": "application/problem+json"}},
    {"body": "aGk=", "isBase64Encoded": True, "headers": {"x-own": ["1", "2"], "Access-Control-Allow-Origin": "https://a"}},
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_answers_as_scaleway(ask: Ask, form: Any) -> None:
    """A dictionary is a response, also without a statusCode, and what else it may be is as Flask has it."""
    local = pytest.importorskip("scaleway_functions_python.local.serving").LocalFunctionServer()
    local.add_handler(lambda event, context: form, "/", None)
    theirs = local.app.test_client().get("/")
    expected = Got.of(theirs.status_code, theirs.headers.items(), theirs.get_data())
    source = f"def handler(event, context):\n    return {form!r}\n"
    answer = json.loads(ask(source, posted(http.ALB_MULTI_VALUE), convention="scaleway").body)
    assert expected == Got.of(*delivered(http.ALB_MULTI_VALUE, answer))


def test_scaleway_streams(ask: Ask) -> None:
    """A body may be a generator, which Scaleway does not have."""
    source = "def handler(event, context):\n    return {'statusCode': 202, 'body': (part for part in ('a', b'b'))}\n"
    answer = json.loads(ask(source, posted(http.HTTP_API), convention="scaleway").body)
    assert (202, "ab") == (answer["statusCode"], answer["body"])


@pytest.mark.parametrize("kind", http.KINDS)
@pytest.mark.parametrize(
    ("convention", "expected"),
    [
        ("scaleway", {"httpMethod": "POST", "path": "/café", "body": "hello", "multiValueHeaders": None}),
        ("tencent", {"httpMethod": "POST", "body": "hello", "queryStringParameters": {}}),
        ("yandex", {"httpMethod": "POST", "url": "/caf%C3%A9", "body": "hello", "pathParams": {}}),
        ("alibaba", {"version": "v1", "rawPath": "/caf%C3%A9", "body": "hello", "isBase64Encoded": False}),
    ],
)
def test_http_events(ask: Ask, convention: str, kind: str, expected: dict[str, Any]) -> None:
    """Whichever kind of AWS's events it is, the function gets the platform's."""
    answer = json.loads(ask(SHOW, posted(kind), convention=convention).body)
    event = json.loads(answer["body"])["event"]
    event = event.get("bytes", event)
    assert expected == {name: event[name] for name in expected}
    assert "a=1" == {name.lower(): value for name, value in event["headers"].items()}["cookie"]


def test_queries(ask: Ask) -> None:
    """Each platform has its own name for them, and its own way with repeated values."""
    found = {}
    for convention, name in (("scaleway", "queryStringParameters"), ("tencent", "queryString"),
                             ("yandex", "multiValueQueryStringParameters"), ("alibaba", "queryParameters")):  # fmt: skip
        answer = json.loads(ask(SHOW, posted(http.FUNCTION_URL), convention=convention).body)
        event = json.loads(answer["body"])["event"]
        found[convention] = event.get("bytes", event)[name]
    assert {
        "scaleway": {"a": "1"},
        "tencent": {"a": "2"},
        "yandex": {"a": ["1", "2"]},
        "alibaba": {"a": "1,2"},
    } == found


@pytest.mark.parametrize(
    ("convention", "expected"),
    [
        ("scaleway", {"memoryLimitInMb": 256, "functionName": "hello", "functionVersion": "7"}),
        ("tencent", {"memory_limit_in_mb": 256, "function_name": "hello", "namespace": "default"}),
        ("yandex", {"memory_limit_in_mb": "256", "function_name": "hello", "function_version": "7"}),
        ("alibaba", {"service": {"name": "", "log_project": "", "log_store": "", "qualifier": "", "version_id": "7"}}),
    ],
)
def test_contexts(ask: Ask, convention: str, expected: dict[str, Any]) -> None:
    """A dictionary or an object, with what is known of the function and of the invocation; any event is AWS's own."""
    answer = json.loads(ask(SHOW, b'{"Records": []}', convention=convention, env=NAMED).body)
    body = json.loads(answer["body"])
    assert {"Records": []} == body["event"].get("bytes", body["event"])
    assert expected == {name: body["context"][name] for name in expected}


@pytest.mark.parametrize(
    ("source", "status", "body"),
    [
        ("return 'text'", 200, "text"),
        ("return {'a': 1}", 200, '{"a":1}'),
        ("return None", 200, ""),
        ("return {'statusCode': 404, 'body': {'a': 1}}", 404, '{"a":1}'),
        ("return {'statusCode': 200, 'body': 'aGk=', 'isBase64Encoded': True}", 200, "hi"),
        ("import asyncio\n    yield 'one '\n    yield 'two'", 200, "one two"),
    ],
)
def test_answers(ask: Ask, source: str, status: int, body: str) -> None:
    """A dictionary with a statusCode is the response; anything else is the body of one."""
    function = f"def handler(event, context):\n    {source}\n"
    answer = json.loads(ask(function, posted(http.FUNCTION_URL), convention="yandex").body)
    assert (status, body) == (answer["statusCode"], answer["body"])


@pytest.mark.parametrize(
    ("source", "event", "error"),
    [
        ("return {'statusCode': 200, 'headers': 'x'}", posted(http.HTTP_API), "Runtime.MarshalError"),
        ("raise LookupError('x')", posted(http.HTTP_API), "LookupError"),
        ("raise LookupError('x')", b"{}", "LookupError"),
        ("return {'statusCode': 'many'}", posted(http.HTTP_API), "Runtime.MarshalError"),
        ("return {'statusCode': 200, 'body': 'é', 'isBase64Encoded': True}", posted(http.ALB), "Runtime.MarshalError"),
        ("return object()", b"{}", "Runtime.MarshalError"),
        ("return 1", b"no JSON", "Runtime.UnmarshalError"),
    ],
)
def test_errors(ask: Ask, source: str, event: bytes, error: str) -> None:
    """An exception, a wrong answer and an event that is not JSON are function errors."""
    function = f"def handler(event, context):\n    {source}\n"
    assert error == ask(function, event, convention="yandex").report["errorType"]


@pytest.mark.parametrize("source", ["{'statusCode': 'many'}", "{'body': None}", "{'headers': 'x'}", "object()"])
def test_wrong_answers_for_scaleway(ask: Ask, source: str) -> None:
    """What Flask cannot send, either, is an error that says so."""
    function = f"def handler(event, context):\n    return {source}\n"
    assert "Runtime.MarshalError" == ask(function, posted(http.ALB), convention="scaleway").report["errorType"]


def test_alibaba_gets_any_bytes(ask: Ask) -> None:
    """An event is bytes, whether or not they are JSON, and bytes may be the answer."""
    assert (
        b"\xffxe" == ask("def handler(event, context):\n    return event[::-1]\n", b"ex\xff", convention="alibaba").body
    )
