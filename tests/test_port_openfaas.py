"""The port openfaas: both templates beside what OpenFaaS puts around them, and what thirty requests do not show."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

pytest.importorskip("flask")
pytest.importorskip("httpx")
pytest.importorskip("waitress")

import flask
from support.batches import sqs
from support.http_events import delivered
from support.local import ServerProcess
from support.ports import SAMPLES, answers, differing, ours, peer, python, rows
from support.runtime import Ask, Fail, Serve
from support.web import Got

from conventions.ports.openfaas import openfaas
from dispatch import Invocation, http
from dispatch.invocation import handled

SERVER = Path(__file__).parent / "support" / "openfaas.py"
HOST = {"HOSTNAME": "function-1"}

#: The variable of the sample, by template: how its server is called, the handler string.
TEMPLATES = {"http": "function/handler.handle", "classic": "classic/handler.handle"}


@pytest.fixture(scope="module", params=TEMPLATES)
def template(request: pytest.FixtureRequest) -> str:
    """A template: `http` is python3-http, `classic` is python3."""
    return str(request.param)


@pytest.fixture(scope="module")
def platform(template: str) -> Iterator[str]:
    """Where the template's own server listens."""
    with peer(python(str(SERVER), template, "{port}"), HOST, SAMPLES / "openfaas") as host:
        yield host


@pytest.fixture(scope="module")
def theirs(platform: str) -> Mapping[str, Got | str]:
    """What it answers to the thirty requests."""
    return answers(platform)


@pytest.fixture(scope="module")
def server(template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The local platform with the same function."""
    with ours(tmp_path_factory.mktemp("openfaas"), "openfaas", TEMPLATES[template], HOST) as one:
        yield one


@pytest.mark.parametrize("function", ["buffered", "streamed"])
def test_answers_as_the_template(
    function: str, template: str, theirs: Mapping[str, Got | str], platform: str, server: ServerProcess
) -> None:
    """Status, headers and body are the same, but for the rows of the page."""
    concerned = {name: asks for name, asks in rows("openfaas").items() if name.startswith(template)}
    assert set().union(*concerned.values()) == set(differing(theirs, server, platform, function))


# ----------------------------------------------------------------------------------------------------------------------
# python3-http
# ----------------------------------------------------------------------------------------------------------------------

#: What a view may return, in Flask's words.
FORMS: list[Callable[[], Any]] = [
    lambda: "text",
    lambda: b"\xff",
    lambda: bytearray(b"ab"),
    lambda: ["a", 1],
    lambda: ("text", 201),
    lambda: ("text", "418 I'M A TEAPOT"),
    lambda: ("text", {"x-own": 5, "x-list": ["a", "b"]}),
    lambda: ("text", [("x-own", "1"), ("Content-Type", "text/plain")]),
    lambda: ("text", 202, {"content-type": "application/pdf"}),
    lambda: ({"b": 1, "a": "ü"}, 201, [("x-own", "1"), ("X-Own", "2")]),
    lambda: ([], {"content-type": "application/problem+json"}),
    lambda: (part for part in ("a", b"b", "ü")),
    lambda: ((part for part in ("a", "b")), 206, {"x-own": "1"}),
    lambda: iter(["a"]),
    lambda: flask.Response("made", 203, {"x-own": "1"}),
    lambda: (flask.Response("made", 203, {"x-own": "1", "x-more": "2"}), 400, {"x-own": "3"}),
    lambda: flask.jsonify(day=date(2026, 1, 2), price=Decimal("1.50"), key=UUID(int=7)),
    lambda: flask.make_response("made", {"set-cookie": ["a=1", "b=2"]}),
    lambda: flask.redirect("/elsewhere"),
    lambda: flask.abort(403),
    lambda: flask.request.args["absent"],
    lambda: (1, 2, 3, 4),
    lambda: 5,
    lambda: ("text", 200, {"x-own": "a\nb"}),
    object,
    lambda: (None, 200),
    lambda: [datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)],
]


def under_flask(form: Callable[[], Any]) -> Got:
    """What Flask makes of what a view returns."""
    app = flask.Flask("index")
    app.add_url_rule("/", view_func=form, endpoint="view")
    response = app.test_client().get("/", headers={"host": "example.com"})
    return Got.of(response.status_code, response.headers.items(), response.get_data())


def under_ours(form: Callable[[], Any]) -> Got:
    """What a caller gets of a function that returns it."""

    def handle(event: Any, context: Any) -> Any:
        return form()

    event = http.event(http.Request("GET", "/", headers=[("host", "example.com")]), http.ALB_MULTI_VALUE)
    invocation = Invocation(json.dumps(event).encode())
    token = handled.set(invocation)
    try:
        body = json.loads(openfaas(handle)(invocation).read())
    finally:
        handled.reset(token)
    return Got.of(*delivered(http.ALB_MULTI_VALUE, body))


@pytest.mark.parametrize("number", range(len(FORMS)))
def test_answers_as_flask(number: int, caplog: pytest.LogCaptureFixture) -> None:
    """What is not a dictionary is answered as Flask answers it; of failures, the page is shorter."""
    expected, actual = under_flask(FORMS[number]), under_ours(FORMS[number])
    if expected.status == 500:
        expected = expected._replace(body=b"internal server error\n")
        assert "GET / failed" in caplog.text
    assert expected == actual


#: What functions do with `event.query` and `event.headers`, in Werkzeug's words.
USES = [
    "query['a']", "query.get('a')", "query.get('n', type=int)", "query.get('a', 0, type=int)", "query.get('x', 'no')",
    "query.getlist('a')", "query.getlist('a', type=int)", "query.getlist('x')", "list(query)", "dict(query)", "len(query)",
    "'a' in query", "'x' in query", "list(query.items())", "list(query.items(multi=True))", "query.to_dict()",
    "query.to_dict(flat=False)", "[[name, values] for name, values in query.lists()]", "list(query.values())",
    "json.dumps(query)", "isinstance(query, dict)", "bool(query)", "query.get('A')",
    "headers['x-own']", "headers.get('X-OWN')", "headers.get('absent')", "headers.get('X-Number', type=int)",
    "headers.getlist('x-own')", "headers.get_all('x-own')", "'X-Own' in headers", "'x-own' in headers", "1 in headers",
    "sorted(headers)", "sorted(headers.items())", "dict(headers) == dict(headers.items())", "sorted(headers.keys())",
    "len(headers)", "headers.get('content-type')",
]  # fmt: skip


@pytest.mark.parametrize("use", USES)
def test_request_as_flask(use: str) -> None:
    """Query and headers behave as Werkzeug's, as far as functions use them."""
    code = compile(use, "use", "eval")
    pairs = [("Host", "localhost"), ("X-Own", "a, b"), ("X-Number", "5"), ("Content-Type", "text/plain")]
    with flask.Flask("index").test_request_context("/?a=1&b=&a=x&n=7", headers=pairs):
        expected = eval(code, {"json": json, "query": flask.request.args, "headers": flask.request.headers})

    def handle(event: Any, context: Any) -> Any:
        return {"body": {"value": eval(code, {"json": json, "query": event.query, "headers": event.headers})}}

    assert {"value": json.loads(json.dumps(expected))} == json.loads(called(handle, "/?a=1&b=&a=x&n=7", pairs).body)


def called(handle: Any, target: str = "/", pairs: list[tuple[str, str]] | None = None, body: bytes = b"") -> Got:
    """What a caller gets who posts to the function."""
    path, _, query = target.partition("?")
    request = http.Request(
        "POST", path, query, pairs or [("Host", "localhost")], body, client="127.0.0.1", scheme="http"
    )
    event = http.event(request, http.ALB_MULTI_VALUE)
    event["multiValueHeaders"].pop("x-forwarded-for")
    invocation = Invocation(json.dumps(event).encode())
    token = handled.set(invocation)
    try:
        answer = json.loads(openfaas(handle)(invocation).read())
    finally:
        handled.reset(token)
    return Got.of(*delivered(http.ALB_MULTI_VALUE, answer))


HTTP = """
    import json
    from werkzeug.exceptions import NotFound

    async def waits(event, context):
        return {"body": {"body": event.body.decode(), "path": event.path, "method": event.method}}

    async def parts(event, context):
        async def each():
            yield "a"
            yield b"b"
        return {"body": each()}

    def broken_parts(event, context):
        yield "a"
        raise LookupError("midway")

    def fails(event, context):
        raise LookupError("secret")

    def leaves(event, context):
        raise SystemExit(3)

    def lacks(event, context):
        return event.query["name"]

    def lacks_header(event, context):
        return event.headers["X-Name"]

    def not_found(event, context):
        raise NotFound("no such thing")

    def refuses(event, context):
        return {"statusCode": 422, "body": {"error": "no"}}

    def unsendable(event, context):
        return {"headers": {"x-own": "\u4e16"}, "body": "x"}

    class Callable:
        def handle(self, event, context=None):
            return context.hostname

        def __call__(self, event, context):
            return "called"

    method, instance = Callable().handle, Callable()

    def anything(*args):
        return str(len(args))

    def nothing():
        return "x"
"""
EVENT = json.dumps(http.event(http.Request("GET", "/a", headers=[("host", "localhost")]), http.FUNCTION_URL)).encode()


def answer_of(ask: Ask, handler: str, event: bytes = EVENT, files: Any = HTTP, **options: Any) -> tuple[int, str]:
    """The status and the body for an HTTP event."""
    answer = json.loads(ask(files, event, handler, "openfaas", **options).body)
    return answer["statusCode"], answer["body"]


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        ("waits", (200, '{"body":"","method":"GET","path":"/a"}\n')),
        ("parts", (200, "ab")),
        ("fails", (500, "internal server error\n")),
        ("broken_parts", (500, "internal server error\n")),
        ("leaves", (500, "internal server error\n")),
        ("unsendable", (500, "internal server error\n")),
        ("lacks", (400, "the request lacks 'name'\n")),
        ("lacks_header", (500, "internal server error\n")),
        ("method", (200, "localhost")),
        ("instance", (200, "called")),
        ("anything", (200, "2")),
    ],
)
def test_functions(ask: Ask, handler: str, expected: tuple[int, str]) -> None:
    """Coroutines, generators, methods and failures; of a failure the caller learns nothing."""
    assert expected == answer_of(ask, f"app.{handler}")


def test_exceptions_of_werkzeug_are_answers(ask: Ask) -> None:
    """As in Flask, where they are raised by `abort`."""
    status, body = answer_of(ask, "app.not_found")
    assert (404, True) == (status, "no such thing" in body)


def test_a_failure_is_logged_and_the_next_event_answered(serve: Serve) -> None:
    """The traceback begins with the user's own line."""
    with serve(HTTP, "app.fails", "openfaas") as runtime:
        for _ in range(2):
            assert 500 == json.loads(runtime.invoke(EVENT).body)["statusCode"]
        assert "GET /a failed" in runtime.child.log
        assert 'raise LookupError("secret")' in runtime.child.log
        assert "conventions" not in runtime.child.log


QUEUE = json.dumps(sqs("a", "b")).encode()


@pytest.mark.parametrize("event", [b'{"a": 1}', b"not JSON \xff", b"", QUEUE])
def test_other_events_are_posted(ask: Ask, event: bytes) -> None:
    """The event's own bytes are the body, also where they are not JSON."""
    source = """
        def handle(event, context):
            return f"{event.method} {event.path} {event.headers['Content-Type']} {event.body.hex()}"
    """
    kind = "application/json" if event[:1] == b"{" else "application/octet-stream"
    answer = ask(source, event, "app.handle", "openfaas")
    assert f"POST / {kind} {event.hex()}".encode() == answer.body
    assert "text/html; charset=utf-8" == answer.request.header("Content-Type")


@pytest.mark.parametrize(
    ("handler", "kind", "message"),
    [
        ("fails", "LookupError", "secret"),
        ("leaves", "Runtime.ExitError", "3"),
        ("refuses", "ApplicationError", 'the application answered POST / with status 422: {"error":"no"}\n'),
    ],
)
def test_other_events_fail(ask: Ask, handler: str, kind: str, message: str) -> None:
    """An exception, and a status of 400 or more, are function errors."""
    report = ask(HTTP, b"{}", f"app.{handler}", "openfaas").report
    assert (kind, True) == (report["errorType"], message in report["errorMessage"])


def test_a_handler_without_parameters(fail: Fail) -> None:
    """It says what the platform calls."""
    failed = fail(HTTP, "app.nothing", "openfaas")
    assert "Runtime.HandlerNotFound" == failed.type
    assert "OpenFaaS calls handle(event, context), or handle(req)" in failed.report["errorMessage"]


@pytest.mark.parametrize("handler", ["function/handler.handle", "function.handler.handle"])
def test_imports_within_the_package(ask: Ask, handler: str) -> None:
    """The template imports `function.handler`, so that relative imports work."""
    files = {"function/handler.py": "from .other import VALUE\n\ndef handle(event, context):\n    return VALUE\n",
             "function/other.py": "VALUE = 'found'\n"}  # fmt: skip
    assert (200, "found") == answer_of(ask, handler, files=files)


def test_flask_itself_in_a_function(ask: Ask) -> None:
    """A function that imports Flask can use its request."""
    source = """
        from flask import jsonify, request

        def handle(event, context):
            return jsonify(path=request.path), 201
    """
    assert (201, '{"path":"/a"}\n') == answer_of(ask, "app.handle", files=source)


# ----------------------------------------------------------------------------------------------------------------------
# python3
# ----------------------------------------------------------------------------------------------------------------------

CLASSIC = """
    import os, sys

    def leaves(req):
        print("before")
        sys.exit(int(req or 0))

    def fails(req):
        raise LookupError("secret")

    def variables(req):
        return sorted(name for name in os.environ if name.startswith("Http_"))

    def path(req):
        return os.environ.get("Http_Path")

    def number(req):
        return 5

    async def waits(req):
        print("printed", end=" ")
        return req

    def parts(req):
        print("first", end=" ")
        return iter(["second ", 3])

    def page(req):
        return " <HTML>"

    def closes(req):
        sys.stdout.close()
"""


def posted(body: str, **headers: str) -> bytes:
    """An HTTP event."""
    pairs = [("host", "example.com"), *((name.replace("_", "-"), value) for name, value in headers.items())]
    request = http.Request("POST", "/a", "b=c", headers=pairs, body=body.encode())
    return json.dumps(http.event(request, http.FUNCTION_URL)).encode()


@pytest.mark.parametrize(
    ("handler", "body", "expected"),
    [
        ("leaves", "", (200, "before\n")),
        ("leaves", "3", (500, "exit status 3\n")),
        ("leaves", "x", (500, "exit status 1\n")),
        ("fails", "", (500, "exit status 1\n")),
        ("number", "", (200, "5\n")),
        ("waits", "x", (200, "printed x\n")),
        ("parts", "", (200, "first second 3")),
        ("closes", "", (200, "")),
        (
            "variables",
            "",
            (
                200,
                "['Http_ContentLength', 'Http_Content_Length', 'Http_Host', 'Http_Method', 'Http_Path', 'Http_Query']\n",
            ),
        ),
    ],
)
def test_classic_functions(ask: Ask, handler: str, body: str, expected: tuple[int, str]) -> None:
    """What is printed and returned is the body; a process that fails is a 500."""
    assert expected == answer_of(ask, f"app.{handler}", posted(body), CLASSIC)


@pytest.mark.parametrize(
    ("handler", "headers", "env", "expected"),
    [
        ("path", {"content_type": "text/csv"}, {}, "text/csv"),
        ("path", {}, {}, "text/plain; charset=utf-8"),
        ("page", {}, {}, "text/html; charset=utf-8"),
        ("page", {"content_type": "text/csv"}, {"content_type": "image/png"}, "image/png"),
    ],
)
def test_classic_content_types(
    ask: Ask, handler: str, headers: dict[str, str], env: dict[str, str], expected: str
) -> None:
    """The variable's, the request's, or what Go detects, in this order."""
    answer = json.loads(ask(CLASSIC, posted("", **headers), f"app.{handler}", "openfaas", env=env).body)
    assert expected == answer["headers"]["Content-Type"]


def test_variables_end_with_the_request(serve: Serve) -> None:
    """A request leaves no variables for the next one."""
    with serve(CLASSIC, "app.variables", "openfaas") as runtime:
        first = json.loads(runtime.invoke(posted("", x_own="1", user_agent="test")).body)["body"]
        second = json.loads(runtime.invoke(posted("")).body)["body"]
    assert ({"Http_X_Own", "Http_User_Agent"}, "Http_X_Own" in second) == (
        {"Http_X_Own", "Http_User_Agent"} & set(eval(first)),
        False,
    )


def test_classic_other_events(ask: Ask) -> None:
    """The event is standard input; a failure is a function error."""
    assert b"printed {}\n" == ask(CLASSIC, b"{}", "app.waits", "openfaas").body
    assert "LookupError" == ask(CLASSIC, b"{}", "app.fails", "openfaas").report["errorType"]
    assert "Runtime.ExitError" == ask(CLASSIC, b"7", "app.leaves", "openfaas").report["errorType"]


def test_no_frames_of_ours_are_logged(serve: Serve) -> None:
    """Nor in the cause of an error: that a function has left is one of ours, and why it has is the user's."""
    with serve(CLASSIC, "app.leaves", "openfaas") as runtime:
        runtime.invoke(posted("3"))
        assert "sys.exit(int(req or 0))" in runtime.child.log
        assert "conventions/" not in runtime.child.log


def test_streams(serve: Serve) -> None:
    """With HANDLER_INVOKE_MODE the body is sent part by part."""
    with serve(HTTP, "app.parts", "openfaas", env={"HANDLER_INVOKE_MODE": "RESPONSE_STREAM"}) as runtime:
        answer = runtime.invoke(EVENT)
    prelude, _, body = answer.body.partition(bytes(8))
    assert (200, b"ab") == (json.loads(prelude)["statusCode"], body)
    assert "streaming" == answer.request.header("Lambda-Runtime-Function-Response-Mode")
