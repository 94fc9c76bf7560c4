"""The convention `functions-framework`: functions of Google Cloud, beside the same ones under the package's servers."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("functions_framework")
pytest.importorskip("httpx")

import test_docs
from support.batches import kinesis, sqs
from support.engines import beside_url
from support.files import Files, archive, write
from support.http_events import EVENTS, changed, delivered
from support.local import ServerProcess
from support.ports import PAGES, SAMPLES, answers, differing, documented, ours, peer, python
from support.runtime import Ask, Fail, Serve

from dispatch import Invocation, exceptions, http
from dispatch.load import load

#: Of the package and of the CloudEvents SDK, which it calls by names that have been moved.
pytestmark = pytest.mark.filterwarnings("ignore:.*(utcnow|is_binary):DeprecationWarning")

NAME = "functions-framework"
STREAM = {"HANDLER_INVOKE_MODE": "RESPONSE_STREAM"}

#: The sample's files, each with the function `serve`; the second one is of `aio`.
FILES = ("main", "asynchronous")

CRASH = {"x-google-status": "crash"}
HTML = {"content-type": "text/html; charset=utf-8"}


def request(path: str = "/", method: str = "GET", body: bytes = b"", **headers: str) -> bytes:
    """The event of a request to a function URL."""
    pairs = [("host", "example.com"), *((name.replace("_", "-"), value) for name, value in headers.items())]
    return json.dumps(http.event(http.Request(method, path, headers=pairs, body=body), http.FUNCTION_URL)).encode()


def got(body: bytes, kind: str = http.FUNCTION_URL) -> tuple[int, dict[str, str], bytes]:
    """What the client gets of an answer."""
    status, headers, content = delivered(kind, json.loads(body))
    return status, {name.lower(): value for name, value in headers}, content


def text(body: bytes) -> str:
    """The body that the client gets."""
    return got(body)[2].decode()


#: Answers an event, with headers if need be; the body of the answer.
Call = Callable[..., bytes]
Load = Callable[..., Call]


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Load a function in this process: `loaded(files, handler, env)`."""
    from functions_framework import _function_registry as registry

    root = tmp_path / "task"
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name, empty in (("REGISTRY_MAP", dict), ("INPUT_TYPE_MAP", dict), ("ASGI_FUNCTIONS", set)):
        monkeypatch.setattr(registry, name, empty())
    for name in ("FUNCTION_SIGNATURE_TYPE", "FUNCTION_TARGET"):
        monkeypatch.setenv(name, "")  # the package sets them
        monkeypatch.delenv(name)

    def start(files: Files, handler: str = "hello", env: Mapping[str, str] | None = None) -> Call:
        write(root, files)
        monkeypatch.chdir(root)
        for name, value in (env or {}).items():
            monkeypatch.setenv(name, value)
        loading = load(handler, str(root), NAME)

        def call(body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
            return loading(Invocation(body, headers or {})).read()

        return call

    before = set(sys.modules)
    yield start
    for name in set(sys.modules) - before:
        if str(root) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def error_of(call: Callable[..., object], *arguments: Any) -> tuple[str, str]:
    """The type and the message of the error that a call reports."""
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - any error has a report
        call(*arguments)
    return exceptions.error_type(caught.value), exceptions.message(caught.value)


def function(*lines: str, decorator: str = "http", arguments: str = "request", of: str = "def") -> dict[str, str]:
    """The `main.py` of a function `hello`."""
    head = f"import functions_framework, functions_framework.aio\n@functions_framework.{decorator}\n"
    return {"main.py": f"{head}{of} hello({arguments}):\n" + "".join(f"    {line}\n" for line in lines)}


def plain(*lines: str, arguments: str = "request", of: str = "def") -> dict[str, str]:
    """The same without a decorator, and without an import of the package."""
    return {"main.py": f"{of} hello({arguments}):\n" + "".join(f"    {line}\n" for line in lines)}


# ----------------------------------------------------------------------------------------------------------------------
# The proof
# ----------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def platform() -> Iterator[Mapping[str, str]]:
    """Where the platform's own command serves each file."""
    options = ("--target", "serve", "--host", "127.0.0.1", "--port", "{port}", "--source")
    with ExitStack() as stack:
        yield {
            file: stack.enter_context(
                peer(python("-m", "functions_framework", *options, f"{file}.py"), cwd=SAMPLES / NAME)
            )
            for file in FILES
        }


@pytest.fixture(scope="module", params=FILES)
def both(
    request: pytest.FixtureRequest, platform: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, ServerProcess, set[str]]]:
    """The address of the platform's server, the local platform, and the differences, for each of the files."""
    file = request.param
    with ours(tmp_path_factory.mktemp(file), NAME, f"{file}.serve") as server:
        yield platform[file], server, documented(NAME) if file == "asynchronous" else set()


def test_proof(both: tuple[str, ServerProcess, set[str]]) -> None:
    """Thirty requests are answered as by the platform, but for the rows of the page, which concern only `aio`."""
    host, server, expected = both
    theirs = answers(host)
    assert expected == differing(theirs, server, host, "buffered").keys()
    # No content type is added to a streamed answer.
    assert expected - {"answer-text"} == differing(theirs, server, host, "streamed").keys()
    assert server.line("LookupError: fail")


def test_page(tmp_path: Path) -> None:
    """What the page shows is what comes out; `test_docs` does not run where the package is installed."""
    test_docs.test_blocks(PAGES / f"{NAME}.md", tmp_path)


# ----------------------------------------------------------------------------------------------------------------------
# Handler strings and signatures
# ----------------------------------------------------------------------------------------------------------------------

HELLO = "def hello(request): return __name__\n"


@pytest.mark.parametrize(
    ("file", "handler", "env", "expected"),
    [
        ("main.py", "main.hello", {}, "main"),
        ("main.py", "hello", {}, "main"),
        ("folder/app.py", "folder/app.hello", {}, "app"),
        ("folder/app.py", "folder.app.hello", {}, "app"),
        ("folder/app.py", "hello", {"FUNCTION_SOURCE": "folder/app.py"}, "app"),
        ("package/__init__.py", "package.hello", {}, "__init__"),
    ],
)
def test_handler_strings(loaded: Load, file: str, handler: str, env: dict[str, str], expected: str) -> None:
    """The file is loaded under its own name, as by the platform."""
    call = loaded({file: HELLO}, handler, env)
    assert (200, HTML, expected.encode()) == got(call(request()))


@pytest.mark.parametrize("stem", ["dispatch", "folder/conventions"])
def test_names_of_ours(ask: Ask, stem: str) -> None:
    """A file with the name of one of our packages, and what it imports beside it."""
    source = (
        "import functions_framework.aio\nfrom .beside import TEXT\nfrom runtime import MORE\n"
        "@functions_framework.aio.http\nasync def hello(request): return __name__ + TEXT + MORE\n"
    )
    folder, _, name = stem.rpartition("/")
    beside = {"beside": "TEXT = '!'\n", "runtime": "MORE = '?'\n"}
    files = {f"{stem}.py": source, **{f"{folder}/{name}.py".lstrip("/"): text for name, text in beside.items()}}
    assert f"{name}!?" == text(ask(files, request(), f"{stem}.hello", NAME).body)


def test_variables(loaded: Load) -> None:
    """Those that the platform sets are there."""
    files = plain("import os", "return os.environ['FUNCTION_TARGET'] + os.environ['FUNCTION_SIGNATURE_TYPE']")
    assert "hellohttp" == text(loaded(files)(request()))


@pytest.mark.parametrize("kind", EVENTS)
def test_every_kind_of_event(loaded: Load, kind: str) -> None:
    """API Gateway, function URLs and load balancers."""
    answer = loaded(function("return request.method"))(json.dumps(EVENTS[kind]).encode())
    assert b"GET" == got(answer, kind)[2]


def test_base_path(loaded: Load) -> None:
    """It is removed from the path that the function sees."""
    event = json.dumps(changed(http.FUNCTION_URL, rawPath="/prod/a")).encode()
    call = loaded(function("return request.path"), env={"HANDLER_BASE_PATH": "/prod"})
    assert "/a" == text(call(event))


KIND = "return type(request).__module__"


@pytest.mark.parametrize(
    ("files", "env", "expected"),
    [
        (function(KIND, of="async def"), {}, "flask.wrappers"),
        (plain(KIND, of="async def"), {}, "flask.wrappers"),
        (plain(KIND, of="async def"), {"FUNCTION_USE_ASGI": "true"}, "starlette.requests"),
        (plain(KIND), {"FUNCTION_USE_ASGI": "1"}, "starlette.requests"),
        (plain(KIND), {"FUNCTION_USE_ASGI": "false"}, "flask.wrappers"),
        (function(KIND, decorator="aio.http"), {}, "starlette.requests"),
        (function("yield 'a'", "yield b'b'", of="async def"), {}, "ab"),
    ],
)
def test_async(loaded: Load, files: dict[str, str], env: dict[str, str], expected: str) -> None:
    """`async def` is awaited, whichever kind of request the function receives."""
    assert expected == text(loaded(files, env=env)(request()))


def test_the_invocation_is_current(loaded: Load) -> None:
    """Also in the thread in which Starlette's plain functions run."""
    files = function("import dispatch", "return dispatch.current().body.decode()[:1]", decorator="aio.http")
    assert "{" == text(loaded(files)(request()))


@pytest.mark.parametrize(
    ("env", "shown"),
    [
        ({}, "\nprinted\n"),
        ({"LOG_EXECUTION_ID": "true"}, '{"message": "printed", "logging.googleapis.com/labels": '),
        ({"ENTRY_POINT": "hello"}, '{"severity": "INFO", "message": "printed"}'),
    ],
)
def test_logs(serve: Serve, env: dict[str, str], shown: str) -> None:
    """Prints, logging, and both variables of the platform that change them."""
    lines = ("import logging", "print('printed')", "logging.getLogger().warning('warned')", "return 'ok'")
    runtime = serve(function(*lines), "hello", NAME, env=env)
    assert "ok" == text(runtime.invoke(request()).body)
    log = runtime.end()
    assert shown in f"\n{log}"
    assert "warned" in log


# ----------------------------------------------------------------------------------------------------------------------
# Failures of requests
# ----------------------------------------------------------------------------------------------------------------------

CRASHED = (CRASH | HTML, b"500 Internal Server Error: The server")
BY_GUNICORN = ({"content-type": "text/html"}, b"<html>\n  <head>\n    <title>Internal Server Error</title>\n")
BY_UVICORN = ({"content-type": "text/plain; charset=utf-8"}, b"Internal Server Error")
STARLETTE_S = ("from starlette.responses import StreamingResponse", "return StreamingResponse(iter([1]))")

FAILURES = {
    "raises": (function("raise LookupError('own')"), CRASHED, "LookupError: own"),
    "async": (function("raise LookupError('own')", of="async def"), CRASHED, "LookupError: own"),
    "nothing": (function("return None"), CRASHED, "TypeError: The view function"),
    "exits": (function("import sys", "sys.exit(3)"), BY_GUNICORN, "SystemExit: 3"),
    "midway": (function("yield 'a'", "raise LookupError('own')"), BY_GUNICORN, "LookupError: own"),
    "status": (function("return 'a', 99"), BY_GUNICORN, "not a WSGI status"),
    "aio": (
        function("raise LookupError('own')", decorator="aio.http", of="async def"),
        ({**CRASH, "content-type": "text/plain"}, b"Internal Server Error"),
        "LookupError: own",
    ),
    "aio-stream": (function(*STARLETTE_S, decorator="aio.http"), BY_UVICORN, "AttributeError: 'int' object"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_failures(loaded: Load, caplog: pytest.LogCaptureFixture, name: str) -> None:
    """The client gets what the platform's server sends, the log the traceback; the next request is served."""
    files, (headers, body), logged = FAILURES[name]
    call = loaded(files)
    for _ in range(2):
        status, found, page = got(call(request()))
        assert (500, headers, body) == (status, found, page[: len(body)])
        assert logged in caplog.text
        caplog.clear()


def test_a_stream_that_fails_later(loaded: Load) -> None:
    """The error is that of the invocation, which has answered in part."""
    call = loaded(function("yield 'a'", "raise LookupError('own')"), env=STREAM)
    assert ("LookupError", "own") == error_of(call, request())


def test_own_error_handler(loaded: Load) -> None:
    """`functions_framework.errorhandler` is the application's."""
    files = function("1 / 0")
    files["main.py"] += "@functions_framework.errorhandler(ZeroDivisionError)\ndef zero(error): return 'zero', 418\n"
    assert (418, HTML, b"zero") == got(loaded(files)(request()))


# ----------------------------------------------------------------------------------------------------------------------
# Other events
# ----------------------------------------------------------------------------------------------------------------------

BRIDGE = {
    "version": "0",
    "id": "7",
    "detail-type": "Placed",
    "source": "own.orders",
    "account": "123456789012",
    "time": "2026-01-02T03:04:05Z",
    "region": "eu-west-1",
    "resources": ["arn:aws:own:1"],
    "detail": {"order": 1},
}
OBJECT = {
    "eventSource": "aws:s3",
    "eventName": "ObjectCreated:Put",
    "eventTime": "2026-01-02T03:04:05.678Z",
    "responseElements": {"x-amz-request-id": "C3D1"},
    "s3": {
        "bucket": {"name": "pictures"},
        "object": {"key": "caf%C3%A9+1.png", "size": 1024, "eTag": "d41d", "sequencer": "0A"},
    },
}
S3 = {"Records": [OBJECT]}
BATCH = {"aws:sqs": sqs("a"), "aws:s3": S3}
PUBSUB = {
    "specversion": "1.0",
    "id": "m-a",
    "source": "//pubsub.googleapis.com/projects/123456789012/topics/queue",
    "type": "google.cloud.pubsub.topic.v1.messagePublished",
    "time": "2018-12-17T21:37:29.183Z",
    "datacontenttype": "application/json",
}
STORAGE = {
    "specversion": "1.0",
    "id": "C3D1-10",
    "source": "//storage.googleapis.com/projects/_/buckets/pictures",
    "type": "google.cloud.storage.object.v1.finalized",
    "time": "2026-01-02T03:04:05.678Z",
    "datacontenttype": "application/json",
    "subject": "objects/café 1.png",
}
STORED = {
    "kind": "storage#object",
    "id": "pictures/café 1.png/10",
    "bucket": "pictures",
    "name": "café 1.png",
    "generation": "10",
    "metageneration": "1",
    "size": "1024",
    "etag": "d41d",
    "updated": "2026-01-02T03:04:05.678Z",
    "timeCreated": "2026-01-02T03:04:05.678Z",
}
IN_HEADERS = {"ce-specversion": "1.0", "ce-id": "3", "ce-source": "/a", "ce-type": "b"}

#: What is a function of CloudEvents.
CLOUD = [(decorator, of) for decorator in ("cloud_event", "aio.cloud_event") for of in ("def", "async def")]
every_cloud = pytest.mark.parametrize(("decorator", "of"), CLOUD)
AS_EVENT = {"FUNCTION_SIGNATURE_TYPE": "event"}

Output = pytest.CaptureFixture[str]


def seen(output: Output) -> list[Any]:
    """What functions have printed of their events."""
    return [json.loads(line) for line in output.readouterr().out.splitlines()]


def cloud(*lines: str, decorator: str = "cloud_event", of: str = "def") -> dict[str, str]:
    """A function of CloudEvents that prints its event."""
    shown = ("import json", "print(json.dumps([dict(event.get_attributes()), event.get_data()]))")
    return function(*shown, *lines, decorator=decorator, of=of, arguments="event")


def background(*lines: str) -> dict[str, str]:
    """A background function that prints its event."""
    return plain("import json", "print(json.dumps([data, vars(context)]))", *lines, arguments="data, context")


def event(value: Any) -> bytes:
    """The value as an event."""
    return json.dumps(value).encode()


@every_cloud
def test_events_of_a_cloudevent_function(loaded: Load, capsys: Output, decorator: str, of: str) -> None:
    """EventBridge's envelope, a CloudEvent as JSON, in headers and of HTTP; the object is of the package's class."""
    check = "assert type(event) is functions_framework.CloudEvent"
    call = loaded(cloud(check, "return 1", decorator=decorator, of=of))
    assert b"1" == call(event(BRIDGE))
    assert b"1" == call(b'{"specversion": "1.0", "id": "2", "source": "/a", "type": "b", "data": [2]}')
    assert b"1" == call(b"plain", {**IN_HEADERS, "Content-Type": "text/plain"})
    posted = request("/", "POST", b'{"a": 1}', content_type="application/json", **IN_HEADERS)
    assert (200, b"OK") == got(call(posted))[::2]
    found = seen(capsys)
    assert "Placed" == found[0][0]["type"]
    expected = [("7", {"order": 1}), ("2", [2]), ("3", "plain"), ("3", {"a": 1})]
    assert expected == [(attributes["id"], data) for attributes, data in found]


@every_cloud
def test_failures_of_a_cloudevent_function(loaded: Load, decorator: str, of: str) -> None:
    """A function error of the user's type; a request gets status 500."""
    call = loaded(cloud("raise LookupError('own')", decorator=decorator, of=of))
    assert ("LookupError", "own") == error_of(call, event(BRIDGE))
    assert ("LookupError", "own") == error_of(call, event(S3))
    posted = request("/", "POST", b'{"a": 1}', content_type="application/json", **IN_HEADERS)
    assert "crash" == got(call(posted))[1]["x-google-status"]


@every_cloud
def test_sqs_as_pubsub(loaded: Load, capsys: Output, decorator: str, of: str) -> None:
    """One call for each message; those that raise are partial batch failures."""
    batch = sqs("a", "bad", "c")
    batch["Records"][0]["messageAttributes"] = {"colour": {"stringValue": "red", "dataType": "String"}}
    fails = "if event['id'] == 'm-bad': raise LookupError('own')"
    answer = loaded(cloud(fails, decorator=decorator, of=of))(event(batch))
    assert {"batchItemFailures": [{"itemIdentifier": "m-bad"}]} == json.loads(answer)
    message = {
        "data": base64.b64encode(b"a").decode(),
        "attributes": {"colour": "red"},
        "messageId": "m-a",
        "publishTime": "2018-12-17T21:37:29.183Z",
    }
    found = seen(capsys)
    assert [PUBSUB, {"message": message, "subscription": "projects/123456789012/subscriptions/queue"}] == found[0]
    assert ["m-a", "m-bad", "m-c"] == [attributes["id"] for attributes, _ in found]


def test_sqs_of_a_group(loaded: Load, capsys: Output) -> None:
    """The group is the ordering key; nothing in it is handled after a failure."""
    answer = loaded(cloud("raise LookupError"))(event(sqs("a@1", "b@1", "c@2", fifo=True)))
    assert {"batchItemFailures": [{"itemIdentifier": f"m-{name}"} for name in "abc"]} == json.loads(answer)
    keys = [(attributes["id"], data["message"]["orderingKey"]) for attributes, data in seen(capsys)]
    assert [("m-a", "1"), ("m-c", "2")] == keys


def test_the_least_of_records(loaded: Load, capsys: Output) -> None:
    """Records as people write them for a test."""
    call = loaded(cloud())
    removed = {"eventName": "ObjectRemoved:Delete", "s3": {"bucket": {"name": "b"}, "object": {"key": "k"}}}
    call(event({"Records": [{"eventSource": "aws:sqs", "messageId": "1", "body": "x"}]}))
    call(event({"Records": [{"eventSource": "aws:s3", **removed}]}))
    (of_queue, _), (of_bucket, data) = seen(capsys)
    expected = ("1", "google.cloud.storage.object.v1.deleted", "k")
    assert expected == (of_queue["id"], of_bucket["type"], data["name"])


def test_a_message_that_cannot_be_read(loaded: Load, caplog: pytest.LogCaptureFixture) -> None:
    """It alone fails."""
    bad = {"eventSource": "aws:sqs", "messageId": "1", "body": "x", "attributes": {"SentTimestamp": "soon"}}
    answer = loaded(cloud())(event({"Records": [bad, {**bad, "messageId": "2", "attributes": {}}]}))
    assert {"batchItemFailures": [{"itemIdentifier": "1"}]} == json.loads(answer)
    assert "not an SQS message: ValueError" in caplog.text


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ObjectCreated:CompleteMultipartUpload", "finalized"),
        ("ObjectRemoved:Delete", "deleted"),
        ("ObjectRemoved:DeleteMarkerCreated", "archived"),
        ("LifecycleExpiration:Delete", "deleted"),
        ("ObjectTagging:Put", "metadataUpdated"),
    ],
)
def test_s3_as_cloud_storage(loaded: Load, capsys: Output, name: str, expected: str) -> None:
    """One call for each object."""
    call = loaded(cloud())
    assert b"null" == call(event(S3))
    assert b"null" == call(event({"Records": [{**OBJECT, "eventName": name}]}))
    first, (attributes, data) = seen(capsys)
    assert [STORAGE, STORED] == first
    assert f"google.cloud.storage.object.v1.{expected}" == attributes["type"]
    assert ("timeDeleted" in data) == (expected == "deleted")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (kinesis("a"), "unsupported records in the event: aws:kinesis; supported: records of aws:sqs or aws:s3, "),
        ({"Records": [{"EventSource": "aws:sns"}]}, "unsupported records in the event: aws:sns; "),
        ({"Records": []}, "unsupported records in the event: none; "),
        ({"Records": [1]}, "unsupported records in the event: none; "),
        ({"Records": [{"eventSource": {}}]}, "unsupported records in the event: {}; "),
        ({"Records": [{"eventSource": "aws:s3", "s3": []}]}, "not a record of S3: KeyError 'eventName'"),
        ({"Records": [OBJECT, 1]}, "not a record of S3: TypeError "),
        (
            {"Records": [{**OBJECT, "eventName": "ObjectRestore:Post"}]},
            "the record's event has no equivalent in Cloud Storage: 'ObjectRestore:Post'; supported: ObjectCreated, ",
        ),
        ({}, "not a CloudEvent: it has no specversion; it has: nothing"),
        ([], "the event is a batch of 0 CloudEvents"),
    ],
)
@pytest.mark.parametrize("signature", ["cloudevent", "event"])
def test_events_that_are_refused(loaded: Load, signature: str, value: Any, expected: str) -> None:
    """The message says what is supported, and nothing is called."""
    call = loaded(plain("raise LookupError", arguments="*arguments"), env={"FUNCTION_SIGNATURE_TYPE": signature})
    error, message = error_of(call, event(value))
    assert ("Runtime.UnmarshalError", expected) == (error, message[: len(expected)])


RESOURCE = {
    "name": "projects/_/buckets/pictures/objects/café 1.png",
    "service": "storage.googleapis.com",
    "type": "storage#object",
}
STORED_AT = STORAGE["time"]


@pytest.mark.parametrize(
    ("value", "data", "context"),
    [
        (BRIDGE, {"order": 1}, ["7", "2026-01-02T03:04:05Z", "Placed", "arn:aws:own:1"]),
        ({"specversion": "1.0", "id": "1", "source": "/a", "type": "b", "data": [1]}, [1], ["1", "", "b", "/a"]),
        ({**STORAGE, "data": STORED}, STORED, ["C3D1-10", STORED_AT, "google.storage.object.finalize", RESOURCE]),
        (S3, STORED, ["C3D1-10", STORED_AT, "google.storage.object.finalize", RESOURCE]),
    ],
)
def test_events_of_a_background_function(
    loaded: Load, capsys: Output, value: Any, data: Any, context: list[Any]
) -> None:
    """CloudEvents, converted as by functions-framework, and EventBridge's events."""
    assert b"null" == loaded(background("return 1"), env=AS_EVENT)(event(value))
    names = ("event_id", "timestamp", "event_type", "resource")
    assert [[data, dict(zip(names, context, strict=True))]] == seen(capsys)


def test_messages_of_a_background_function(loaded: Load, capsys: Output) -> None:
    """As the platform sends those of Pub/Sub."""
    call = loaded(background("if context.event_id == 'm-bad': raise LookupError('own')"), env=AS_EVENT)
    answer = call(event(sqs("a", "bad")))
    assert {"batchItemFailures": [{"itemIdentifier": "m-bad"}]} == json.loads(answer)
    (message, context), _ = seen(capsys)
    assert {"data": "YQ==", "attributes": {}} == message
    assert ("m-a", "google.pubsub.topic.publish") == (context["event_id"], context["event_type"])


def test_background_events_in_headers(loaded: Load, capsys: Output) -> None:
    """Of the invocation itself, and of HTTP, where the platform's application reads them."""
    call = loaded(background(), env=AS_EVENT)
    headers = {f"ce-{name}": value for name, value in {**STORAGE, "subject": "objects/x"}.items()}
    assert b"null" == call(event(STORED), {**headers, "content-type": "application/json"})
    assert "OK" == text(call(request("/", "POST", event(STORED), content_type="application/json", **headers)))
    assert ["projects/_/buckets/pictures/objects/x"] * 2 == [context["resource"]["name"] for _, context in seen(capsys)]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({**STORAGE, "data": {}}, "Failed to convert CloudEvent to BackgroundEvent."),
        ({**PUBSUB, "source": "own", "data": {}}, "Unexpected CloudEvent source."),
    ],
)
def test_background_events_that_are_refused(loaded: Load, value: Any, expected: str) -> None:
    """They name what is wrong; nothing is called."""
    error = error_of(loaded(plain("raise LookupError", arguments="*arguments"), env=AS_EVENT), event(value))
    assert ("Runtime.UnmarshalError", f"functions-framework cannot convert the event: {expected}") == error


def test_background_failures(loaded: Load) -> None:
    """A function error of the user's type."""
    call = loaded(background("raise LookupError('own')"), env=AS_EVENT)
    assert ("LookupError", "own") == error_of(call, event(BRIDGE))


POINT = """
import functions_framework

class Point:
    def __init__(self, x): self.x = x
    @staticmethod
    def from_dict(values): return Point(values["x"])
    def to_dict(self): return {"x": self.x}

@functions_framework.typed
%s
"""


@pytest.mark.parametrize(
    ("source", "expected", "of_http"),
    [
        ("def hello(point: Point): return Point(point.x + 1)", b'{"x":2}', b'{"x": 2}'),
        ("def hello(point: Point): return None", b"null", b""),
        ("def hello(point: Point): return 'ü'", '"ü"'.encode(), "ü".encode()),
        ("async def hello(point: Point): return [point.x]", b"[1]", b"[1]\n"),
    ],
)
def test_typed(loaded: Load, source: str, expected: bytes, of_http: bytes) -> None:
    """The parsed JSON through `from_dict`; the answer is JSON, over HTTP the response of the platform."""
    call = loaded({"main.py": POINT % source})
    assert expected == call(b'{"x": 1}')
    assert (200, of_http) == got(call(request("/", "POST", b'{"x": 1}', content_type="application/json")))[::2]


@pytest.mark.parametrize(("body", "error"), [(b"{}", "KeyError"), (b"{", "Runtime.UnmarshalError")])
def test_typed_failures(loaded: Load, body: bytes, error: str) -> None:
    """What `from_dict` raises is the function's error."""
    assert error == error_of(loaded({"main.py": POINT % "def hello(point: Point): return point"}), body)[0]


@pytest.mark.parametrize("decorator", ["http", "aio.http"])
def test_events_of_an_http_function(loaded: Load, decorator: str) -> None:
    """They are posted; a status of 400 or more is a function error."""
    call = loaded(function("1 / (request.method == 'POST')", "return str(request.url)", decorator=decorator))
    assert b"http://localhost/events" == call(event(sqs("a")))
    call = loaded(function("raise LookupError('own')", decorator=decorator))
    error, message = error_of(call, b"{}")
    assert ("ApplicationError", "the application answered POST /events with status 500") == (error, message[:53])


# ----------------------------------------------------------------------------------------------------------------------
# Functions that cannot be loaded
# ----------------------------------------------------------------------------------------------------------------------

PLAIN = plain("pass")
TYPED = {"FUNCTION_SIGNATURE_TYPE": "typed"}
NOT_FOUND, MALFORMED = "Runtime.HandlerNotFound", "Runtime.MalformedHandlerName"
NO_MODULE, SETTING = "Runtime.ImportModuleError", "Runtime.InvalidSetting"
CANNOT = "functions-framework cannot serve hello in main.py: "


@pytest.mark.parametrize(
    ("files", "handler", "env", "kind", "message"),
    [
        (PLAIN, "main.hallo", {}, NOT_FOUND, "no 'hallo' in main.py; it has: hello"),
        ({"main.py": "hello = 3\n"}, "hello", {}, NOT_FOUND, CANNOT),
        (PLAIN, "app.hello", {}, NO_MODULE, "no file app.py in "),
        (PLAIN, "hello", {"FUNCTION_SOURCE": "app.py"}, NO_MODULE, "no file app.py in "),
        (PLAIN, "hello", {"FUNCTION_SOURCE": "../a.py"}, MALFORMED, "FUNCTION_SOURCE is '../a.py', which leaves the task root "),
        (PLAIN, "../main.hello", {}, MALFORMED, "the handler ../main.hello would leave"),
        (PLAIN, "main:hello", {}, MALFORMED, "not a function in a file: main:hello; write it like main.hello"),
        (PLAIN, "main.py", {}, MALFORMED, "not a function in a file: main.py; write it like main.hello"),
        (PLAIN, "lambda request: 'x'", {}, MALFORMED, "not a function in a file: lambda"),
        (PLAIN, "", {}, MALFORMED, "the handler string is empty"),
        ({"main.py": "import nothing\n"}, "hello", {}, NO_MODULE, "the module main cannot be imported: No module named 'nothing'"),
        ({"main.py": "def (\n"}, "hello", {}, "Runtime.UserCodeSyntaxError", "the module main cannot be compiled: "),
        ({"main.py": "raise LookupError('own')\n"}, "hello", {}, "LookupError", "own"),
        (PLAIN, "hello", {"FUNCTION_SIGNATURE_TYPE": "own"}, SETTING, "FUNCTION_SIGNATURE_TYPE is 'own'; allowed: http, "),
        (PLAIN, "hello", {"FUNCTION_USE_ASGI": "maybe"}, SETTING, "FUNCTION_USE_ASGI is 'maybe'; allowed: true, false"),
        (PLAIN, "hello", TYPED, NOT_FOUND, "FUNCTION_SIGNATURE_TYPE is 'typed', but hello has no input type; "),
        (PLAIN, "hello", {**TYPED, "FUNCTION_USE_ASGI": "1"}, NOT_FOUND, f"{CANNOT}ASGI server does not support"),
        (function("pass", decorator="typed"), "hello", {}, NOT_FOUND, f"{CANNOT}Functions using the @typed decorator"),
        ({"app.pyz": archive({"main.py": HELLO})}, "app.pyz/main.hello", {}, MALFORMED, "functions-framework cannot load a file in an archive: app.pyz"),
    ],
)  # fmt: skip
def test_init_errors(loaded: Load, *, files: Files, handler: str, env: dict[str, str], kind: str, message: str) -> None:
    """They say what was looked for, and what there is."""
    found, words = error_of(loaded, files, handler, env)
    assert (kind, message) == (found, words[: len(message)])


def test_without_the_package(fail: Fail) -> None:
    """The init error names the package to install."""
    files = {**PLAIN, "functions_framework/__init__.py": "raise ModuleNotFoundError('own')\n"}
    failed = fail(files, "hello", NAME)
    assert (1, NO_MODULE) == (failed.status, failed.type)
    assert failed.report["errorMessage"].endswith("cannot be imported: own; install functions-framework")


@pytest.mark.parametrize("file", FILES)
def test_under_an_asgi_server(file: str, tmp_path: Path) -> None:
    """As behind a function URL."""
    assert {} == beside_url(NAME, f"{file}.serve", tmp_path)
