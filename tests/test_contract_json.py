"""The conventions json and lambda: events parsed, answers encoded, the managed runtime's context."""

from __future__ import annotations

import json
import math

import pytest
from support.api import ARN
from support.runtime import Ask, Serve

ECHO = "def handler(event, context):\n    return event\n"
MANAGED = {
    "custom": {"a": 1},
    "env": {"locale": "de"},
    "client": {"installation_id": "i", "app_title": "t"},
    "w3c": {"traceparent": "00-1", "other": "x"},
}


@pytest.mark.parametrize("convention", ["json", "lambda"])
@pytest.mark.parametrize(
    "text",
    [
        "null",
        "true",
        "0",
        "-1.5e3",
        '""',
        "[]",
        "{}",
        '{"a": {"b": [1, "\\u00e9", null]}}',
        '"\\ud83d\\udc0d"',
        "123456789012345678901",
    ],
)
def test_round_trip(ask: Ask, convention: str, text: str) -> None:
    """Every kind of JSON value comes back as it went, as application/json."""
    answer = ask(ECHO, text.encode(), convention=convention)
    assert (json.loads(text), "application/json") == (json.loads(answer.body), answer.request.header("Content-Type"))


DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize("convention", ["json", "lambda"])
@pytest.mark.parametrize(
    "body", [b"", b"nonsense", b"{", b"[1,]", b"{'a': 1}", b'"\xff"', b"1 2", pytest.param(DEEP, id="deep")]
)
def test_events_that_are_no_json(serve: Serve, convention: str, body: bytes) -> None:
    """What is no JSON is an UnmarshalError of this event; the handler is not called."""
    runtime = serve("def handler(event, context):\n    print('CALLED')\n", "app.handler", convention)
    assert "Runtime.UnmarshalError" == runtime.invoke(body).report["errorType"]
    assert b"null" == runtime.invoke(b"1").body
    assert 1 == runtime.end().count("CALLED")


@pytest.mark.parametrize("convention", ["json", "lambda"])
@pytest.mark.parametrize("value", ["object()", "{'a': {1: object()}}", "lambda: 1", "1j"])
def test_values_that_are_no_json(ask: Ask, convention: str, value: str) -> None:
    """What JSON can't express is a MarshalError that names the culprit's type."""
    report = ask(f"def handler(event, context):\n    return {value}\n", b"1", convention=convention).report
    kind = type(eval(value)).__name__ if value != "{'a': {1: object()}}" else "object"
    assert "Runtime.MarshalError" == report["errorType"]
    assert kind in report["errorMessage"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Decimal('12345678901234567890.10')", b"12345678901234567890.10"),
        ("datetime(2026, 1, 2, tzinfo=timezone.utc)", b'"2026-01-02T00:00:00+00:00"'),
        ("{Colour.RED, }", b'["red"]'),
        ("Level.HIGH", b"3"),
        ("[P(1, None)]", b'[{"x":1,"y":null}]'),
        ("P(P(1, 2), {4})", b'{"x":{"x":1,"y":2},"y":[4]}'),
        ("Q(1, 2)", b'{"x":1}'),
        ("(1, 'a')", b'[1,"a"]'),
        ("{'k': UUID(int=0)}", b'{"k":"00000000-0000-0000-0000-000000000000"}'),
        ("Lazy(UUID(int=0))", b'"00000000-0000-0000-0000-000000000000"'),
        ("{1: 2}", b'{"1":2}'),
        ("set()", b"[]"),
        ("'Grüße'", '"Grüße"'.encode()),
    ],
)
def test_rich_values(ask: Ask, value: str, expected: bytes) -> None:
    """Json takes Decimal as a number, dates, UUID (and a proxy of one), dataclasses, sets and Enum, wherever they are."""
    source = f"""
    from dataclasses import InitVar, dataclass
    from datetime import date, datetime, timezone
    from decimal import Decimal
    from enum import Enum, IntEnum
    from typing import ClassVar
    from uuid import UUID
    class Colour(Enum):
        RED = "red"
    class Level(IntEnum):
        HIGH = 3
    @dataclass
    class P:
        x: object
        y: object
    @dataclass
    class Q:
        x: object
        y: InitVar[object]
        z: ClassVar[int] = 3
    class Lazy:
        def __init__(self, value):
            self.value = value
        __class__ = property(lambda self: type(self.value))
        __str__ = lambda self: str(self.value)
    def handler(event, headers):
        return {value}
    """
    body = ask(source, b"1", convention="json").body
    if value.startswith("Decimal"):
        assert expected == body
    assert json.loads(expected) == json.loads(body)


def test_json_headers(ask: Ask) -> None:
    """Json hands the headers over like standard."""
    source = "def handler(event, headers):\n    return headers['x-OWN']\n"
    assert b'"mine"' == ask(source, b"1", convention="json", headers={"X-Own": "mine"}).body


@pytest.mark.parametrize("kind", ["", "async "])
def test_json_script(serve: Serve, kind: str) -> None:
    """A script's main(handler, event) gets the handler string and the parsed body."""
    source = f"calls = []\n{kind}def main(handler, event):\n    calls.append(event)\n    return [handler, calls]\n"
    runtime = serve({"s.py": source}, "s.py", "json")
    answers = [json.loads(runtime.invoke(b'{"a": 1}').body) for _ in range(2)]
    assert [["s.py", [{"a": 1}]], ["s.py", [{"a": 1}, {"a": 1}]]] == answers


def test_json_script_without_main(serve: Serve) -> None:
    """A script without main() can't follow the json convention, and the start says so."""
    failed = serve({"s.py": "print('x')\n"}, "s.py", "json").failed()
    assert 1 == failed.status
    assert "main" in failed.report["errorMessage"]


def test_context_object(ask: Ask) -> None:
    """Lambda's context has every attribute of the managed runtime's."""
    source = """
    def handler(event, context):
        c = context.client_context
        return {
            "id": len(context.aws_request_id), "arn": context.invoked_function_arn, "tenant": context.tenant_id,
            "names": [context.function_name, context.function_version, context.memory_limit_in_mb],
            "log": [context.log_group_name, context.log_stream_name],
            "identity": [context.identity.cognito_identity_id, context.identity.cognito_identity_pool_id],
            "client": [c.custom, c.env, c.client.installation_id, c.client.app_title, c.client.app_package_name],
            "w3c": context.w3c(), "left": 0 < context.get_remaining_time_in_millis() <= 60_000,
            "repr": repr(context).startswith("LambdaContext([aws_request_id="),
        }
    """
    env = {
        "AWS_LAMBDA_FUNCTION_NAME": "sample",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_LOG_GROUP_NAME": "group",
        "AWS_LAMBDA_LOG_STREAM_NAME": "stream",
    }
    headers = {
        "Lambda-Runtime-Client-Context": json.dumps(MANAGED),
        "Lambda-Runtime-Cognito-Identity": '{"cognitoIdentityId": "one", "cognitoIdentityPoolId": "pool"}',
        "Lambda-Runtime-Aws-Tenant-Id": "tenant",
    }
    answer = json.loads(ask(source, b"{}", convention="lambda", env=env, headers=headers).body)
    expected = {
        "id": 36,
        "arn": ARN,
        "tenant": "tenant",
        "names": ["sample", "$LATEST", "512"],
        "log": ["group", "stream"],
        "identity": ["one", "pool"],
        "client": [{"a": 1}, {"locale": "de"}, "i", "t", None],
        "w3c": {"traceparent": "00-1"},
        "left": True,
        "repr": True,
    }
    assert expected == answer


@pytest.mark.parametrize("value", [None, ""])
def test_context_without_headers(ask: Ask, value: str | None) -> None:
    """Headers that are empty or missing make attributes of None, not failures."""
    source = """
    def handler(event, context):
        return [context.client_context, context.tenant_id, context.identity.cognito_identity_id, context.w3c()]
    """
    names = ("Client-Context", "Cognito-Identity", "Aws-Tenant-Id", "Trace-Id")
    headers = {f"Lambda-Runtime-{name}": value for name in names}
    assert [None, None, None, {}] == json.loads(ask(source, b"{}", convention="lambda", headers=headers).body)


@pytest.mark.parametrize("name", ["Client-Context", "Cognito-Identity"])
def test_context_that_is_no_json(serve: Serve, name: str) -> None:
    """A context header that can't be parsed fails the invocation with its own type."""
    runtime = serve(ECHO, "app.handler", "lambda")
    report = runtime.invoke(b"{}", {f"Lambda-Runtime-{name}": "{"}).report
    assert ("Runtime.LambdaContextUnmarshalError", "response") == (report["errorType"], runtime.invoke(b"{}").kind)


@pytest.mark.parametrize(
    ("value", "expected", "content_type"),
    [
        ("b'raw\\xff'", b"raw\xff", "application/unknown"),
        ("None", b"null", "application/json"),
        ("{'a': (1, 2)}", b'{"a": [1, 2]}', "application/json"),
        ("float('nan')", b"NaN", "application/json"),
        ("Decimal('1.0')", b"1.0", "application/json"),
        ("{'b': b'text'}", b'{"b": "text"}', "application/json"),
        ("T(1)", b'{"x": 1}', "application/json"),
    ],
)
def test_managed_encoding(ask: Ask, value: str, expected: bytes, content_type: str) -> None:
    """Lambda encodes what the managed runtime accepts, byte for byte."""
    source = f"""
    from collections import namedtuple
    from decimal import Decimal
    T = namedtuple("T", "x")
    def handler(event, context):
        return {value}
    """
    answer = ask(source, b"{}", convention="lambda")
    assert (expected, content_type) == (answer.body, answer.request.header("Content-Type"))


def test_decimal_nan_is_nan(ask: Ask) -> None:
    """The managed runtime's one exception: Decimal('NaN') is NaN."""
    source = "from decimal import Decimal\ndef handler(event, context):\n    return Decimal('-NaN')\n"
    assert math.isnan(json.loads(ask(source, b"{}", convention="lambda").body))
