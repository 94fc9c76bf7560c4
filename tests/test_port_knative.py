"""The convention knative beside func-python's own servers, and what no request to those shows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

pytest.importorskip("func_python")

from support.files import write
from support.http_events import EVENTS, delivered
from support.local import ServerProcess
from support.ports import REQUESTS, SAMPLES, answers, differing, documented, ours, peer, python
from support.runtime import COMMAND, Fail, Runtime, Serve
from support.runtime import Ask as AskOnce
from support.web import JSON, Ask, Got

from dispatch import http

#: The headers of a CloudEvent in binary mode, and one in structured mode.
EVENT = {"specversion": "1.0", "id": "7", "source": "/orders", "type": "placed"}
HEADERS = {f"ce-{name}": value for name, value in EVENT.items()}
STRUCTURED = {"content-type": "application/cloudevents+json"}

#: The thirty requests as CloudEvents in binary mode, then what else an event may be.
EVENT_REQUESTS = {
    **{name: ask._replace(headers=(*HEADERS.items(), *ask.headers)) for name, ask in REQUESTS.items()},
    **{
        f"structured-{number}": Ask("POST", "/echo", tuple(STRUCTURED.items()), json.dumps(body).encode())
        for number, body in enumerate(
            [
                {**EVENT, "data": {"a": [1, "é"]}, "time": "2026-01-02T03:04:05Z", "subject": "s"},
                {**EVENT, "data_base64": "AP8=", "count": 3},
                {**EVENT, "specversion": "9"},
                {**EVENT, "id": ""},
                {**EVENT, "time": "soon"},
                {},
                [EVENT],
                "text",
            ]
        )
    },
    "structured-not-json": Ask("POST", "/echo", tuple(STRUCTURED.items()), b"{"),
    "binary-without-type": Ask("POST", "/echo", tuple(HEADERS.items())[:3]),
    "binary-time": Ask("POST", "/echo", (*HEADERS.items(), ("ce-time", "soon"))),
    "binary-escaped": Ask("POST", "/echo", (*HEADERS.items(), ("ce-subject", "Gr%C3%BC%C3%9Fe %25"))),
    "binary-wins": Ask("POST", "/echo", (*HEADERS.items(), *STRUCTURED.items()), json.dumps(EVENT).encode()),
    "batch": Ask("POST", "/echo", (("content-type", "application/cloudevents-batch+json"),), b"[]"),
    **{name: Ask("GET", f"/{name}", tuple(HEADERS.items())) for name in ("silent", "wrong")},
    "liveness": Ask("GET", "/health/liveness"),
    "readiness": Ask("HEAD", "/health/readiness"),
}

#: Besides the thirty.
MORE_REQUESTS = {path: Ask("GET", f"/{path}") for path in ("health/liveness", "health/readiness", "silent")}


def command(module: str, sample: str) -> list[str]:
    """func-python's server for a function."""
    return python("-c", f"from func_python.{module} import serve; from {sample} import new; serve(new)")


@pytest.fixture(scope="module")
def plain() -> Iterator[str]:
    """func-python's server of ordinary requests."""
    environment = {"LISTEN_ADDRESS": "127.0.0.1:{port}"}
    with peer(command("http", "func"), environment, SAMPLES / "knative") as host:
        yield host


@pytest.fixture(scope="module")
def eventing() -> Iterator[str]:
    """func-python's server of CloudEvents."""
    environment = {"LISTEN_ADDRESS": "127.0.0.1:{port}"}
    with peer(command("cloudevent", "events"), environment, SAMPLES / "knative") as host:
        yield host


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The local platform with the function of ordinary requests."""
    with ours(tmp_path_factory.mktemp("plain"), "knative", "func.new") as one:
        yield one


@pytest.fixture(scope="module")
def events_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The local platform with the function of CloudEvents."""
    with ours(tmp_path_factory.mktemp("events"), "knative", "events.new") as one:
        yield one


@pytest.fixture(scope="module")
def reference(plain: str) -> Mapping[str, Got | str]:
    """What func-python answers to the requests and to more of them."""
    return answers(plain) | answers(plain, asks=MORE_REQUESTS)


@pytest.mark.parametrize("function", ["buffered", "streamed"])
def test_requests(function: str, reference: Mapping[str, Got | str], plain: str, server: ServerProcess) -> None:
    """Status, headers and body are those of func-python's server, but for the rows of the page."""
    theirs = {name: reference[name] for name in REQUESTS}
    assert documented("knative") == set(differing(theirs, server, plain, function))


def without_chance(answer: Got | str) -> Got | str:
    """An answer without the ids and times that the SDK makes up."""
    assert isinstance(answer, Got)
    headers = {name: value for name, value in answer.headers.items() if name != "ce-time"}
    return Got(answer.status, headers, re.sub(rb'"(id|time)": "[^"]{20,}"', b"", answer.body))


@pytest.mark.parametrize("function", ["buffered", "streamed"])
def test_events(function: str, eventing: str, events_server: ServerProcess) -> None:
    """CloudEvents in both modes are answered as by func-python's server of CloudEvents."""
    theirs = answers(eventing, asks=EVENT_REQUESTS)
    found = answers(eventing, f"/lambda-url/{function}", events_server.host, EVENT_REQUESTS)
    assert {} == {
        name: (theirs[name], found[name])
        for name in EVENT_REQUESTS
        if without_chance(theirs[name]) != without_chance(found[name])
    }


# ----------------------------------------------------------------------------------------------------------------------
# What is not in the requests
# ----------------------------------------------------------------------------------------------------------------------

#: A function that answers with what it was called for, and fails where it is asked to.
SEEN = """
    import json

    async def handle(scope, receive, send):
        event = scope.get("event")
        body = (await receive())["body"].decode()
        if "fail" in body:
            raise ValueError("no \\udc80 luck")
        if event is None:
            status = 422 if "refuse" in body else 200
            answer = {"path": scope["path"], "method": scope["method"], "body": body}
        else:
            status = 422 if event.get_type() == "refuse" else 200
            answer = {"path": scope["path"], "type": event.get_type(), "data": event.get_data()}
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"x/y")]})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})
"""

EVENT_BRIDGE = {"id": "1", "source": "shop", "detail-type": "placed", "detail": {"n": 1}, "resources": ["arn:x"]}
SQS = {"Records": [{"eventSource": "aws:sqs", "messageId": "1", "body": "x"}]}
S3 = {"Records": [{"eventSource": "aws:s3", "s3": {"object": {"key": "k"}}}]}


@pytest.fixture(scope="module")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """A runtime whose function answers with what it sees."""
    root = write(tmp_path_factory.mktemp("seen"), {"app.py": SEEN})
    settings = {"HANDLER": "app.handle", "HANDLER_CONVENTION": "knative", "HANDLER_EVENTS_PATH": "/jobs"}
    with Runtime(COMMAND, root, settings) as runtime:
        yield runtime


def dumps(value: Any) -> bytes:
    """JSON in UTF-8."""
    return json.dumps(value).encode()


def request(
    kind: str, path: str = "/", headers: Mapping[str, str] = {}, body: bytes = b"", method: str = "POST"
) -> bytes:
    """An HTTP event of a kind."""
    pairs = [("host", "example.com"), *headers.items()]
    return dumps(http.event(http.Request(method, path, headers=pairs, body=body), kind))


@pytest.mark.parametrize("event", [SQS, S3, {"n": 1}, [1], None, "fine", {"detail": 1}], ids=repr)
def test_other_events_are_posted(event: Any, seeing: Runtime) -> None:
    """An event that is neither HTTP nor a CloudEvent comes as JSON, and the body is the answer."""
    answer = seeing.invoke(dumps(event))
    assert {"path": "/jobs", "method": "POST", "body": json.dumps(event)} == json.loads(answer.body)
    assert "x/y" == answer.request.header("Content-Type")


@pytest.mark.parametrize(
    ("event", "kind", "data"),
    [
        (EVENT_BRIDGE, "placed", {"n": 1}),
        ({**EVENT, "data": [1, "é"]}, "placed", [1, "é"]),
        ({"detail-type": "x", "detail": {**EVENT, "data": 2}, "source": "s"}, "placed", 2),
    ],
    ids=["EventBridge", "structured", "inside EventBridge"],
)
def test_events_of_lambda(event: Any, kind: str, data: Any, seeing: Runtime) -> None:
    """CloudEvents and events of EventBridge reach the CloudEvents variant."""
    answer = seeing.invoke(dumps(event))
    assert {"path": "/jobs", "type": kind, "data": data} == json.loads(answer.body)


@pytest.mark.parametrize("kind", EVENTS)
def test_events_over_http(kind: str, seeing: Runtime) -> None:
    """A request of any kind may be a CloudEvent."""
    answer = seeing.invoke(request(kind, "/here", {**HEADERS, **JSON}, b"[1]"))
    status, headers, body = delivered(kind, json.loads(answer.body))
    assert (200, [("content-type", "x/y")]) == (status, headers)
    assert {"path": "/here", "type": "placed", "data": [1]} == json.loads(body)


#: Events, the error that they are, and what its message has.
FAILURES = [
    ({**EVENT, "type": "refuse"}, "ApplicationError", "POST /jobs with status 422"),
    (["refuse"], "ApplicationError", "POST /jobs with status 422"),
    ({**EVENT, "data": "fail"}, "ValueError", "luck"),
    (["fail"], "ValueError", "luck"),
    ({**EVENT, "id": ""}, "Runtime.UnmarshalError", "the CloudEvent's id must be a text that is not empty"),
    ({**EVENT, "specversion": "2.0"}, "Runtime.UnmarshalError", "specversion is '2.0'"),
]


@pytest.mark.parametrize(("event", "kind", "message"), FAILURES)
def test_function_errors(event: Any, kind: str, message: str, seeing: Runtime) -> None:
    """A failure at an event that is not HTTP is the function's; the next event is handled."""
    report = seeing.invoke(dumps(event)).report
    assert kind == report["errorType"]
    assert message in report["errorMessage"]
    assert "response" == seeing.invoke(dumps([1])).kind


@pytest.mark.parametrize("headers", [{}, {**HEADERS, **JSON}], ids=["plain", "event"])
def test_exceptions_over_http(headers: dict[str, str], serve: Serve) -> None:
    """The caller gets a 500 with the text, the log the traceback, and the next request is answered."""
    runtime = serve(SEEN, "app.handle", "knative")
    answer = json.loads(runtime.invoke(request(http.FUNCTION_URL, "/", headers, b'"fail"')).body)
    status, _, body = delivered(http.FUNCTION_URL, answer)
    assert (500, True) == (status, b"luck" in body)
    if headers:
        error = json.loads(body)
        assert ("dev.functions.error", "/cloudevent/error") == (error["type"], error["source"])
    assert 200 == json.loads(runtime.invoke(request(http.FUNCTION_URL, "/", headers, b"1")).body)["statusCode"]
    log = runtime.end()
    assert "POST / failed" in log
    assert "ValueError: no" in log


BREAKING = """
    async def handle(scope, receive, send):
        send = getattr(send, "http", send)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-a", b"b")]})
        if scope["path"] != "/start":
            await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        raise {"/exit": SystemExit(3)}.get(scope["path"], KeyError("midway"))
"""


@pytest.mark.parametrize("headers", [{}, HEADERS], ids=["plain", "event"])
@pytest.mark.parametrize(("path", "text"), [("/start", b"'midway'"), ("/body", b"'midway'"), ("/exit", b"sys.exit(3)")])
def test_exceptions_within_a_response(path: str, text: bytes, headers: dict[str, str], ask: AskOnce) -> None:
    """func-python's connection breaks off, so this is a 500, if nothing has been sent."""
    answer = ask(BREAKING, request(http.FUNCTION_URL, path, headers), "app.handle", "knative")
    status, found, body = delivered(http.FUNCTION_URL, json.loads(answer.body))
    assert (500, [("content-type", "text/plain")]) == (status, found)
    assert body.startswith(b"Error: ")
    assert body.endswith(text) or text in body


def test_refused_status(ask: AskOnce) -> None:
    """A response that could not even begin is followed by the one that reports it."""
    source = BINARY.replace("status=202", "status=2020")
    answer = json.loads(ask(source, request(http.FUNCTION_URL, headers=HEADERS), "app.handle", "knative").body)
    assert (500, "dev.functions.error") == (answer["statusCode"], json.loads(answer["body"])["type"])


def test_exceptions_within_a_stream(ask: AskOnce) -> None:
    """What has been sent stays; the failure is in the trailers."""
    env = {"HANDLER_INVOKE_MODE": "RESPONSE_STREAM"}
    answer = ask(BREAKING, request(http.FUNCTION_URL, "/body", HEADERS), "app.handle", "knative", env=env)
    assert answer.body.endswith(b"begun")
    assert "KeyError" == dict(answer.request.trailers)["lambda-runtime-function-error-type"]


LIVING = """
    import os

    def new():
        print("new")
        return Function()

    class Function:
        async def start(self, cfg):
            self.name = cfg["NAME"]
            cfg["NAME"] = "changed"
            print("start")

        {stop}

        async def ready(self):
            return self.name != "unready"

        def alive(self):
            return (0, b"dead") if self.name == "unready" else 1

        async def handle(self, scope, receive, send):
            await send({{"type": "http.response.start", "status": 200, "headers": []}})
            await send({{"type": "http.response.body", "body": f"{{self.name}} {{os.environ['NAME']}}".encode()}})
"""
STOP = "def stop(self): print('stop')"


@pytest.mark.parametrize("stop", [STOP, f"async {STOP}", ""], ids=["plain", "async", "none"])
def test_life(stop: str, serve: Serve) -> None:
    """`new` and `start` run once, before the first event, `stop` at SIGTERM; all may be async."""
    runtime = serve(LIVING.format(stop=stop), "app.new", "knative", env={"NAME": "me"})
    for _ in range(2):
        assert "me me" == json.loads(runtime.invoke(request(http.FUNCTION_URL)).body)["body"]
    log = runtime.end()
    assert ["new", "start", *(["stop"] if stop else [])] == log.split()


@pytest.mark.parametrize(
    ("name", "path", "status", "text"),
    [
        ("me", "readiness", 200, "OK"),
        ("unready", "readiness", 500, "OK"),
        ("me", "liveness", 200, "OK"),
        ("unready", "liveness", 500, "b'dead'"),
    ],
)
def test_probes(name: str, path: str, status: int, text: str, ask: AskOnce) -> None:
    """The probes answer by the function's methods, whose result may have a text."""
    event = request(http.FUNCTION_URL, f"/health/{path}", HEADERS, method="GET")
    answer = json.loads(ask(LIVING.format(stop=""), event, "app.new", "knative", env={"NAME": name}).body)
    assert (status, text, {"content-type": "text/plain"}) == (answer["statusCode"], answer["body"], answer["headers"])


def test_more_requests(reference: Mapping[str, Got | str], plain: str, server: ServerProcess) -> None:
    """The probes, and a function that sends nothing, answer as under func-python."""
    assert {name: reference[name] for name in MORE_REQUESTS} == answers(
        plain, "/lambda-url/buffered", server.host, MORE_REQUESTS
    )


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        ("raise KeyError('headers')", "KeyError", "'headers'"),
        ("raise SystemExit(3)", "Runtime.ExitError", "sys.exit(3)"),
    ],
)
def test_failing_start(body: str, kind: str, message: str, fail: Fail) -> None:
    """A `start` that fails is an init error, whatever it raises."""
    source = f"""
        class Function:
            def start(self, cfg): {body}
            async def handle(self, scope, receive, send): pass
        def new(): return Function()
    """
    failed = fail(source, "app.new", "knative")
    assert kind == failed.type
    assert message in failed.report["errorMessage"]


@pytest.mark.parametrize(
    ("source", "handler", "message"),
    [
        ("def new(): return 7", "app.new", "the object that new() returned has no method 'handle': int 7"),
        ("def main(context): pass", "app.main", "not a Knative function, whose name is 'new' or 'handle': function <"),
        ("class new:\n    handle = 1", "app.new", "the object that new() returned has no method 'handle': new <"),
        ("def new(): pass", "app.handle", "no 'handle' in app"),
        ("handle = 7", "app.handle", "not a Knative function, whose name is 'new' or 'handle': int 7"),
    ],
)
def test_wrong_objects(source: str, handler: str, message: str, fail: Fail) -> None:
    """Any other object is an init error that says what there is."""
    failed = fail(source, handler, "knative")
    assert "Runtime.HandlerNotFound" == failed.type
    assert message in failed.report["errorMessage"]


def test_without_the_sdk(serve: Serve) -> None:
    """Ordinary requests work; a CloudEvent names the package that is missing."""
    sources = {"app.py": SEEN, "cloudevents.py": "raise ImportError('not here')"}
    runtime = serve(sources, "app.handle", "knative")
    assert 200 == json.loads(runtime.invoke(request(http.FUNCTION_URL)).body)["statusCode"]
    report = runtime.invoke(dumps(EVENT)).report
    assert "Runtime.ImportModuleError" == report["errorType"]
    assert "the knative convention needs the CloudEvents SDK" in report["errorMessage"]
    assert "handler-dispatch[cloudevents]" in report["errorMessage"]


BINARY = """
    from cloudevents.core.v1.event import CloudEvent

    async def handle(scope, receive, send):
        event = CloudEvent({"type": "t", "source": "/s", "id": "1", "subject": "ü"}, {"a": 1})
        await send.binary(event, status=202)
"""


def test_binary_answer_to_an_event_that_is_not_http(ask: AskOnce) -> None:
    """There are no headers for the attributes, so they are in the body."""
    answer = ask(BINARY, dumps(EVENT), "app.handle", "knative")
    assert STRUCTURED["content-type"] == answer.request.header("Content-Type")
    assert ("ü", {"a": 1}) == (json.loads(answer.body)["subject"], json.loads(answer.body)["data"])
