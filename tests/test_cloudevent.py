"""The convention cloudevent: events of every origin, and answers, with whichever major version of the SDK is here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest
from support.files import write
from support.http_events import EVENTS, changed, delivered
from support.runtime import COMMAND, Answer, Fail, Runtime, Serve

from dispatch import Invocation, http
from dispatch.load import load

try:
    MAJOR = int(version("cloudevents").partition(".")[0])
except PackageNotFoundError:
    MAJOR = 0
needs_sdk = pytest.mark.skipif(not MAJOR, reason="the CloudEvents SDK is not installed on this Python")

#: A handler whose answer is its event as JSON, without the time, whose type depends on the SDK's version.
SEEN = """
    import base64

    def seen(event):
        attributes = {name: str(value) for name, value in event.get_attributes().items()}
        attributes.pop("time")
        data = event.get_data()
        return [attributes, ["base64", base64.b64encode(data).decode()] if isinstance(data, bytes) else data]
"""
REQUIRED = {"specversion": "1.0", "id": "7", "source": "/orders", "type": "placed"}
HEADERS = {f"ce-{name}": value for name, value in REQUIRED.items()}
JSON = {"content-type": "application/json"}
STRUCTURED = {"content-type": "application/cloudevents+json; charset=utf-8"}


def posted(kind: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """An HTTP event of this kind that posts this."""
    pairs = [("host", "example.com"), *headers.items()]
    return json.dumps(http.event(http.Request("POST", "/", headers=pairs, body=body), kind)).encode()


@pytest.fixture(scope="module")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """A runtime whose handler answers with what it sees."""
    root = write(tmp_path_factory.mktemp("seen"), {"app.py": SEEN})
    with Runtime(COMMAND, root, {"HANDLER": "app.seen", "HANDLER_CONVENTION": "cloudevent"}) as runtime:
        yield runtime


def of_value(answer: Answer, kind: str | None = None) -> Any:
    """The value that the handler returned, for events of HTTP with the rest of the answer as it must be."""
    if kind is None:
        assert "application/json" == answer.request.header("Content-Type")
        return json.loads(answer.body)
    status, headers, body = delivered(kind, json.loads(answer.body))
    assert (200, [("content-type", "application/json")]) == (status, headers)
    return json.loads(body)


#: Headers, a body, further attributes and the data, of events in binary mode.
BINARY: list[tuple[dict[str, str], bytes, dict[str, str], Any]] = [
    (JSON, b'{"a": [1, "\xc3\xa9"]}', {"datacontenttype": "application/json"}, {"a": [1, "é"]}),
    (JSON, b'"text"', {"datacontenttype": "application/json"}, "text"),
    (JSON, b"", {"datacontenttype": "application/json"}, None),
    (JSON, b"0", {"datacontenttype": "application/json"}, 0),
    ({"content-type": "Application/Vnd.Acme+JSON; v=1"}, b"[]", {"datacontenttype": "Application/Vnd.Acme+JSON; v=1"}, []),
    ({"content-type": "text/plain"}, "Grüße".encode(), {"datacontenttype": "text/plain"}, "Grüße"),
    ({"content-type": "image/png"}, b"\x89PNG", {"datacontenttype": "image/png"}, ["base64", "iVBORw=="]),
    ({"content-type": "image/png"}, b"text", {"datacontenttype": "image/png"}, ["base64", "dGV4dA=="]),
    ({**JSON, "CE-Subject": "Gr%C3%BC%C3%9Fe%20%25"}, b"1", {"datacontenttype": "application/json", "subject": "Grüße %"}, 1),
    ({**JSON, "ce-partitionkey": "k", "ce-time": "2026-01-02T03:04:05.123456789Z"}, b"1",
     {"datacontenttype": "application/json", "partitionkey": "k"}, 1),
]  # fmt: skip


@needs_sdk
@pytest.mark.parametrize("kind", EVENTS)
@pytest.mark.parametrize("event", BINARY)
def test_binary_mode(seeing: Runtime, kind: str, event: tuple[dict[str, str], bytes, dict[str, str], Any]) -> None:
    """The attributes of a request are in its headers, percent-encoded; its body is the data, by its content type."""
    headers, body, attributes, data = event
    answer = seeing.invoke(posted(kind, {**HEADERS, **headers}, body))
    assert [{**REQUIRED, **attributes}, data] == of_value(answer, kind)


@needs_sdk
@pytest.mark.parametrize(("headers", "body", "attributes", "data"), BINARY)
def test_headers_of_the_invocation(
    seeing: Runtime, headers: dict[str, str], body: bytes, attributes: dict[str, str], data: Any
) -> None:
    """The invocation itself may be in binary mode; its answer is not HTTP."""
    given = {"Content-Type": None, **HEADERS, **{name.title(): value for name, value in headers.items()}}
    assert [{**REQUIRED, **attributes}, data] == of_value(seeing.invoke(body, given))


#: Further fields of an event as JSON, and what the handler sees of them.
STRUCTURES: list[tuple[dict[str, Any], dict[str, str], Any]] = [
    ({}, {}, None),
    ({"data": {"a": [1, None]}}, {}, {"a": [1, None]}),
    ({"data": "Grüße", "datacontenttype": "text/plain"}, {"datacontenttype": "text/plain"}, "Grüße"),
    ({"data_base64": "AP8="}, {}, ["base64", "AP8="]),
    ({"data": None, "subject": None, "data_base64": None}, {}, None),
    ({"data": 0, "count": 3, "flag": True}, {"count": "3", "flag": "True"}, 0),
]


@needs_sdk
@pytest.mark.parametrize("kind", [None, *EVENTS])
@pytest.mark.parametrize(("fields", "attributes", "data"), STRUCTURES)
def test_structured_mode(
    seeing: Runtime, kind: str | None, fields: dict[str, Any], attributes: dict[str, str], data: Any
) -> None:
    """The whole event is JSON: the body of a request, or what the function is invoked with."""
    body = json.dumps({**REQUIRED, **fields}).encode()
    answer = seeing.invoke(body if kind is None else posted(kind, STRUCTURED, body))
    assert [{**REQUIRED, **attributes}, data] == of_value(answer, kind)


@needs_sdk
def test_structured_without_its_content_type(seeing: Runtime) -> None:
    """An event that is posted as plain JSON is an event, too."""
    answer = seeing.invoke(posted(http.FUNCTION_URL, JSON, json.dumps({**REQUIRED, "data": 1}).encode()))
    assert [REQUIRED, 1] == of_value(answer, http.FUNCTION_URL)


@needs_sdk
def test_structured_mode_wins(seeing: Runtime) -> None:
    """If the content type says that the body is an event, headers are not looked at, as the specification has it."""
    body = json.dumps({**REQUIRED, "id": "in the body"}).encode()
    answer = seeing.invoke(posted(http.ALB, {**HEADERS, **STRUCTURED}, body))
    assert [{**REQUIRED, "id": "in the body"}, None] == of_value(answer, http.ALB)


ENVELOPE = {
    "version": "0",
    "id": "58c17c28",
    "detail-type": "Object Created",
    "source": "aws.s3",
    "account": "123456789012",
    "time": "2026-01-02T03:04:05Z",
    "region": "eu-central-1",
    "resources": ["arn:aws:s3:::bucket"],
    "detail": {"bucket": {"name": "bucket"}},
}
OF_THE_ENVELOPE = {
    "specversion": "1.0",
    "id": "58c17c28",
    "type": "Object Created",
    "source": "aws.s3",
    "account": "123456789012",
    "region": "eu-central-1",
    "datacontenttype": "application/json",
    "subject": "arn:aws:s3:::bucket",
}


@needs_sdk
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, {}),
        ({"resources": []}, {"subject": None}),
        ({"resources": ["arn:a", "arn:b"]}, {"subject": "arn:a", "resources": "arn:a arn:b"}),
        ({"replay-name": "again"}, {"replayname": "again"}),
    ],
)
def test_event_bridge(seeing: Runtime, change: dict[str, Any], expected: dict[str, Any]) -> None:
    """Each field of EventBridge's envelope has its attribute, and the detail is the data."""
    attributes = {name: value for name, value in {**OF_THE_ENVELOPE, **expected}.items() if value is not None}
    seen = of_value(seeing.invoke(json.dumps({**ENVELOPE, **change}).encode()))
    assert [attributes, {"bucket": {"name": "bucket"}}] == seen


@needs_sdk
def test_a_cloudevent_on_an_event_bus(seeing: Runtime) -> None:
    """If the detail is a CloudEvent, as AWS recommends to publish it, it is the event."""
    seen = of_value(seeing.invoke(json.dumps({**ENVELOPE, "detail": {**REQUIRED, "data": [1]}}).encode()))
    assert [REQUIRED, [1]] == seen


def structured(**fields: Any) -> bytes:
    """An event as JSON; a field that is `...` is left out."""
    return json.dumps({name: value for name, value in {**REQUIRED, **fields}.items() if value is not ...}).encode()


@needs_sdk
@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_attribute(seeing: Runtime, name: str) -> None:
    """Each required attribute that is missing is named, in both modes; empty ones and ones that are not text, too."""
    headers = {key: value for key, value in HEADERS.items() if key != f"ce-{name}"}
    for event in (structured(**{name: ...}), posted(http.HTTP_API, headers)):
        report = seeing.invoke(event).report
        assert ("Runtime.UnmarshalError", True) == (report["errorType"], f"has no {name};" in report["errorMessage"])
    for value in ("", 5):
        message = seeing.invoke(structured(**{name: value})).report["errorMessage"]
        assert f"the CloudEvent's {name} must be a text that is not empty, not {value!r}" == message


@needs_sdk
def test_times(seeing: Runtime) -> None:
    """Every form of a time that RFC 3339 has is accepted."""
    ends = ["Z", "z", "-00:00", "+14:00", ".5Z", ".123456789-03:30"]
    times = [f"2026-01-02{between}03:04:05{end}" for between in "Tt " for end in ends]
    assert ["response"] * len(times) == [seeing.invoke(structured(time=time)).kind for time in times]


@needs_sdk
@pytest.mark.parametrize(
    ("event", "words"),
    [
        (structured(specversion="0.3"), "specversion is '0.3'; this convention reads 1.0"),
        (structured(specversion="2.0"), "specversion is '2.0'"),
        (structured(time="yesterday"), "time is not a time with its offset from UTC (RFC 3339): 'yesterday'"),
        (structured(time="2026-01-02T03:04:05"), "time is not a time with its offset"),
        *(
            (structured(time=time), "time is not a time with its offset from UTC (RFC 3339)")
            for time in ("2026-W01-1T00:00:00Z", "20260102T030405Z", "2026-01-02T03Z", "2026-01-02T03:04:05,5Z",
                         "2026-01-02T03:04:05.Z", "2026-01-02T03:04:05+0100", "2026-01-02T03:04:05+01:00:30")
        ),
        (structured(time=5), "time must be a text"),
        (structured(id=["i" * 1000]), f"id must be a text that is not empty, not ['{'i' * 198}…"),
        (structured(subject=""), "subject must be a text that is not empty, not ''"),
        (structured(bad_name="x"), "attribute 'bad_name'; names have lower-case letters and digits only"),
        (structured(CamelCase="x"), "attribute 'CamelCase'"),
        (structured(nested={"a": 1}), "nested must be text, a number, true or false"),
        (structured(data=1, data_base64="AA=="), "has data and data_base64"),
        (structured(data_base64="!"), "data_base64 is not base64: '!'"),
        (structured(data_base64=1), "data_base64 is not base64"),
        (b"[]", "batch of 0 CloudEvents"),
        (b"[1, 2]", "batch of 2 CloudEvents, which only a request of the content type"),
        (b'"text"', "it is JSON, but not an object: 'text'"),
        (b"text", "the event is not JSON"),
        (b'{"Records": []}', "not a CloudEvent: it has no specversion; it has: Records"),
        (b"{}", "it has no specversion; it has: nothing"),
        (json.dumps({**ENVELOPE, "resources": "arn:a"}).encode(), "resources must be a list of texts, not 'arn:a'"),
        (json.dumps({**ENVELOPE, "source": ""}).encode(), "source must be a text that is not empty"),
        (json.dumps(EVENTS[http.FUNCTION_URL]).encode(), "GET / has no ce- headers, and its body is not JSON"),
        (posted(http.ALB, {**HEADERS, **JSON}, b"{"), "data is application/json, but not JSON"),
        (posted(http.ALB, {**HEADERS, "ce-data": "x"}), "attribute 'data'"),
        (posted(http.ALB, {"content-type": "application/cloudevents-batch+json"}, b"[{}]"), "it has no specversion"),
        (posted(http.ALB, {"content-type": "application/cloudevents-batch+json"}, b"{}"), "JSON, but not a list"),
        (posted(http.ALB, {"content-type": "application/cloudevents+avro"}, b"x"), "as application/cloudevents+avro"),
        (json.dumps(changed(http.ALB, body="%", isBase64Encoded=True)).encode(), "isBase64Encoded"),
    ],
)  # fmt: skip
def test_malformed_events(seeing: Runtime, event: bytes, words: str) -> None:
    """An event that is not a CloudEvent is an error that names the fault; the next one is handled."""
    report = seeing.invoke(event).report
    assert ("Runtime.UnmarshalError", True) == (report["errorType"], words in report["errorMessage"]), report
    assert [REQUIRED, None] == of_value(seeing.invoke(structured()))


ANSWERS = """
    import asyncio, json
    from datetime import datetime, timezone
    from decimal import Decimal
    try:
        from cloudevents.core.v1.event import CloudEvent
    except ImportError:
        from cloudevents.http import CloudEvent
    import dispatch

    MADE = {"id": "8", "source": "/s", "type": "t", "time": TIME}

    def made(data, **attributes):
        return CloudEvent({**MADE, **attributes}, data)

    async def handler(event):
        await asyncio.sleep(0)
        return eval(event.get_data())
"""
TIME = "datetime(2026, 1, 2, tzinfo=timezone.utc)" if MAJOR > 1 else "'2026-01-02T00:00:00Z'"
MADE = {"specversion": "1.0", "id": "8", "source": "/s", "type": "t", "time": "2026-01-02T00:00:00Z"}
OF_MADE = [(f"ce-{name}", value) for name, value in MADE.items()]


@pytest.fixture(scope="module")
def answering(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """A runtime whose handler, an `async def`, answers with the expression in the data."""
    root = write(tmp_path_factory.mktemp("answers"), {"app.py": ANSWERS.replace("TIME}", TIME + "}")})
    with Runtime(COMMAND, root, {"HANDLER": "app.handler", "HANDLER_CONVENTION": "cloudevent"}) as runtime:
        yield runtime


def asking(expression: str) -> bytes:
    """An event, as JSON, that asks for this answer."""
    return structured(data=expression)


@needs_sdk
@pytest.mark.parametrize("kind", EVENTS)
@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("None", (204, [], b"")),
        ("{'total': Decimal('1.10')}", (200, [("content-type", "application/json")], b'{"total":1.10}')),
        ("'text'", (200, [("content-type", "application/json")], b'"text"')),
        ("made({'a': [1]})", (200, [*OF_MADE, ("content-type", "application/json")], b'{"a":[1]}')),
        ("made([1, 2])", (200, [*OF_MADE, ("content-type", "application/json")], b"[1,2]")),
        ("made(None)", (200, OF_MADE, b"")),
        ("made('text')", (200, [*OF_MADE, ("content-type", "application/json")], b'"text"')),
        ("made('text', datacontenttype='text/plain')", (200, [*OF_MADE, ("content-type", "text/plain")], b"text")),
        ("made(b'\\x00\\xff', datacontenttype='image/x')", (200, [*OF_MADE, ("content-type", "image/x")], b"\0\xff")),
        ("made(b'raw')", (200, OF_MADE, b"raw")),
        ("made(None, subject='Grüße \"%')", (200, [*OF_MADE, ("ce-subject", "Gr%C3%BC%C3%9Fe%20%22%25")], b"")),
        ("made(None, count=3, flag=True)", (200, [*OF_MADE, ("ce-count", "3"), ("ce-flag", "true")], b"")),
    ],
)
def test_answers_over_http(
    answering: Runtime, kind: str, expression: str, expected: tuple[int, list[tuple[str, str]], bytes]
) -> None:
    """A CloudEvent is answered in binary mode, a value as JSON, None as 204, in the event's own format."""
    answer = answering.invoke(posted(kind, STRUCTURED, asking(expression)))
    status, headers, body = expected
    assert (status, sorted(headers), body) == delivered(kind, json.loads(answer.body))


@needs_sdk
@pytest.mark.parametrize(
    ("expression", "expected", "content_type"),
    [
        ("None", None, "application/json"),
        ("{'a': Decimal('1.5')}", {"a": 1.5}, "application/json"),
        ("made({'a': 1})", {**MADE, "data": {"a": 1}}, "application/cloudevents+json"),
        ("made('text')", {**MADE, "data": "text"}, "application/cloudevents+json"),
        ("made(None)", MADE, "application/cloudevents+json"),
        ("made(b'\\x00\\xff')", {**MADE, "data_base64": "AP8="}, "application/cloudevents+json"),
        ("made([1], count=3, flag=True)", {**MADE, "count": 3, "flag": True, "data": [1]}, "application/cloudevents+json"),
    ],
)  # fmt: skip
def test_answers_elsewhere(answering: Runtime, expression: str, expected: Any, content_type: str) -> None:
    """For an event that is not HTTP, a CloudEvent goes back as JSON."""
    answer = answering.invoke(asking(expression))
    assert (expected, content_type) == (json.loads(answer.body), answer.request.header("Content-Type"))


@needs_sdk
@pytest.mark.parametrize("body", [asking("object()"), posted(http.ALB, STRUCTURED, asking("made({1: object()})"))])
def test_answers_that_cannot_be_sent(answering: Runtime, body: bytes) -> None:
    """A value that JSON cannot express is a MarshalError that names its type, also inside a CloudEvent."""
    report = answering.invoke(body).report
    assert ("Runtime.MarshalError", True) == (report["errorType"], "object" in report["errorMessage"])


@needs_sdk
@pytest.mark.parametrize("kind", [None, http.HTTP_API])
def test_streamed_answers(answering: Runtime, kind: str | None) -> None:
    """A generator streams a line of JSON for each item; items that are CloudEvents are written as such."""
    event = asking("(each for each in [{'a': 1}, made(2)])")
    answer = answering.invoke(event if kind is None else posted(kind, STRUCTURED, event))
    assert [{"a": 1}, {**MADE, "data": 2}] == [json.loads(line) for line in answer.body.splitlines()]
    assert "streaming" == answer.request.header("Lambda-Runtime-Function-Response-Mode")


@needs_sdk
def test_a_head_request_gets_no_body(answering: Runtime) -> None:
    """The answer to HEAD has the headers of a CloudEvent alone."""
    headers = [("host", "example.com"), *HEADERS.items(), ("content-type", "text/plain")]
    event = http.event(http.Request("HEAD", "/", headers=headers, body=b"made(1)"), http.REST_API)
    status, _, body = delivered(http.REST_API, json.loads(answering.invoke(json.dumps(event).encode()).body))
    assert (200, b"") == (status, body)


@needs_sdk
def test_an_exception_is_a_function_error(answering: Runtime) -> None:
    """An exception is reported with its own type and the user's frames, for events of HTTP as for others."""
    for event in (asking("1 / 0"), posted(http.HTTP_API, STRUCTURED, asking("1 / 0"))):
        report = answering.invoke(event).report
        assert "ZeroDivisionError" == report["errorType"]
        assert "app.py" in report["stackTrace"][0]


@needs_sdk
def test_the_sdk_reads_the_same(tmp_path: Path) -> None:
    """The function gets the object that the SDK itself reads from the same headers and body."""
    write(tmp_path, {"own.py": "SEEN = []\ndef handler(event):\n    SEEN.append(event)\n"})
    function = load("own.handler", str(tmp_path), "cloudevent")
    seen: list[Any] = function.user_object.__globals__["SEEN"]
    messages = [
        ({**HEADERS, **JSON, "ce-time": "2026-01-02T03:04:05Z", "ce-own": "x"}, b'{"a": [1]}'),
        ({**HEADERS, **JSON, "ce-time": "2026-01-02T03:04:05+01:00"}, b"[]"),
        (STRUCTURED, structured(time="2026-01-02T03:04:05Z", data={"a": 1}, datacontenttype="application/json")),
        (STRUCTURED, structured(time="2026-01-02T03:04:05.25Z", own="x", data=[1])),
    ]
    for headers, body in messages:
        function(Invocation(posted(http.FUNCTION_URL, headers, body)))
        expected = by_the_sdk(headers, body)
        assert type(expected) is type(seen[-1])
        assert (dict(expected.get_attributes()), expected.get_data()) == (
            dict(seen[-1].get_attributes()),
            seen[-1].get_data(),
        )


def by_the_sdk(headers: dict[str, str], body: bytes) -> Any:
    """The event that the SDK's own function reads."""
    if MAJOR == 1:
        return import_module("cloudevents.http").from_http(headers, body)
    binding = import_module("cloudevents.core.bindings.http")
    return binding.from_http_event(binding.HTTPMessage(headers=headers, body=body))


@needs_sdk
def test_the_sdk_reads_what_is_sent(answering: Runtime) -> None:
    """The SDK reads an answer over HTTP as the event that the function returned."""
    answer = answering.invoke(posted(http.FUNCTION_URL, STRUCTURED, asking("made({'a': 1}, own='x')")))
    _, headers, body = delivered(http.FUNCTION_URL, json.loads(answer.body))
    read = by_the_sdk(dict(headers), body)
    attributes = dict(read.get_attributes())
    assert ("8", "/s", "t", "x", {"a": 1}) == (
        *(attributes[each] for each in ("id", "source", "type", "own")),
        read.get_data(),
    )


@needs_sdk
def test_answers_of_another_version(answering: Runtime) -> None:
    """An event of CloudEvents 0.3 cannot be sent: both majors of the SDK have it, and its JSON is another."""
    expression = (
        "__import__('cloudevents.core.v03.event', fromlist=['*']).CloudEvent({**MADE, 'specversion': '0.3'})"
        if MAJOR > 1
        else "made(None, specversion='0.3')"
    )
    report = answering.invoke(asking(expression)).report
    assert ("Runtime.MarshalError", True) == (report["errorType"], "'0.3'" in report["errorMessage"])


@needs_sdk
def test_the_invocation(serve: Serve) -> None:
    """`dispatch.current()` is there, as everywhere."""
    runtime = serve(
        "import dispatch\ndef handler(event):\n    return dispatch.current().headers['x-own']\n",
        convention="cloudevent",
    )
    assert b'"mine"' == runtime.invoke(structured(), {"X-Own": "mine"}).body


def test_without_the_sdk(fail: Fail) -> None:
    """Without the SDK it is an init error that names the extra, whatever else is called cloudevents."""
    files = {"app.py": "def handler(event): pass\n", "cloudevents.py": ""}
    failed = fail(files, convention="cloudevent")
    assert ("Runtime.ImportModuleError", 1) == (failed.type, failed.status)
    assert "install it with handler-dispatch[cloudevents]" in failed.report["errorMessage"]
