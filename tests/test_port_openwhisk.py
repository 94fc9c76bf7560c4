"""The port openwhisk: beside a stand-in for the controller, and what thirty requests do not show."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

pytest.importorskip("httpx")

from support.actions import PNG, called, post, seen, stand_in
from support.batches import sqs
from support.http_events import EVENTS, delivered
from support.local import ServerProcess
from support.ports import answers, differing, documented, ours
from support.runtime import Ask, Fail, Serve
from support.web import Got

from dispatch import Invocation, http
from dispatch.discovery import built_in
from dispatch.invocation import handled


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    """Where the stand-in listens."""
    with stand_in("openwhisk") as one:
        yield one


@pytest.fixture(scope="module")
def theirs(host: str) -> Mapping[str, Got | str]:
    """What it answers to the thirty requests."""
    return answers(host, "/api/v1/web/guest/default/sample.http")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The local platform with the same function."""
    with ours(tmp_path_factory.mktemp("openwhisk"), "openwhisk", "__main__.main") as one:
        yield one


@pytest.mark.parametrize("function", ["buffered", "streamed"])
def test_answers_as_the_platform(
    function: str, theirs: Mapping[str, Got | str], host: str, server: ServerProcess
) -> None:
    """Status, headers and body are the same, but for the rows of the page."""
    assert documented("openwhisk") == set(differing(theirs, server, host, function))


# ----------------------------------------------------------------------------------------------------------------------
# Web actions
# ----------------------------------------------------------------------------------------------------------------------


def given(args: dict[str, Any]) -> dict[str, Any]:
    """The arguments without what every request has."""
    return {name: value for name, value in args.items() if name not in {"__ow_method", "__ow_headers", "__ow_path"}}


FORM = "application/x-www-form-urlencoded"

#: A body, its type, and what the action gets of it, parsed and raw.
BODIES: list[tuple[bytes, str, dict[str, Any], str]] = [
    (b"", "", {}, ""),
    (b"", "application/json", {}, ""),
    (b"", "text/plain", {"__ow_body": ""}, ""),
    (b'{"b": [1, "\xc3\xa9"]}', "application/json", {"b": [1, "é"]}, base64.b64encode(b'{"b": [1, "\xc3\xa9"]}').decode()),
    (b'{"b": 1}', "Application/Problem+JSON; charset=utf-8", {"b": 1}, '{"b": 1}'),
    (b"[1]", "application/json", {"__ow_body": [1]}, base64.b64encode(b"[1]").decode()),
    (b"0", "application/json", {"__ow_body": 0}, base64.b64encode(b"0").decode()),
    (b"null", "application/json", {"__ow_body": None}, base64.b64encode(b"null").decode()),
    (b"b=x+y&b=%C3%A9&c", FORM, {"b": "é", "c": ""}, "b=x+y&b=%C3%A9&c"),
    (b"", FORM, {}, ""),
    (b"caf\xe9", "text/plain", {"__ow_body": "caf\ufffd"}, "caf\ufffd"),
    (b"<a/>", "application/xml", {"__ow_body": "<a/>"}, "<a/>"),
    (b"<a/>", "application/atom+xml", {"__ow_body": "<a/>"}, "<a/>"),
    (b"\x89PNG", "image/png", {"__ow_body": PNG}, PNG),
    (b"\x89PNG", "image/svg+xml", {"__ow_body": PNG}, PNG),
    (b"\x89PNG", "", {"__ow_body": PNG}, PNG),
    (b"abc", "application/x-own; charset=utf-8", {"__ow_body": "abc"}, "abc"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "content_type", "expected", "raw"), BODIES)
def test_bodies(body: bytes, content_type: str, expected: dict[str, Any], raw: str, monkeypatch: Any) -> None:
    """A JSON object and a form become arguments, anything else is text or base64; raw, nothing is parsed."""
    request = post(body, content_type, query="a=1&a=2")
    assert {"a": "2", **expected} == given(seen(request))

    monkeypatch.setenv("HANDLER_WEB", "raw")
    assert {"__ow_query": "a=1&a=2", "__ow_body": raw} == given(seen(request))


def test_context_of_a_request() -> None:
    """Method, headers in lower case, path; the body goes before the query."""
    request = post(b'{"a": 1}', "application/json", "/x/%7euser/caf%c3%a9/a%2Fb%20c", "a=2&b=%26")
    args = seen(request)
    assert {"a": 1, "b": "&"} == given(args)
    assert ("post", "/x/~user/caf%C3%A9/a%2Fb%20c") == (args["__ow_method"], args["__ow_path"])
    assert ("example.com", "application/json") == (args["__ow_headers"]["host"], args["__ow_headers"]["content-type"])


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", ""),
        ("/a/", "/a/"),
        ("/api/v1/web/guest/default/hello", ""),
        ("/api/v1/web/guest/demo/hello.http/x/y", "/x/y"),
        ("/api/v1/web/guest/demo/hello/", "/"),
        ("/api/v1/web/guest", "/api/v1/web/guest"),
        ("/api/v1/web//demo/hello", "/api/v1/web//demo/hello"),
    ],
)
def test_paths(path: str, expected: str) -> None:
    """The path after the action, also where the URL is the one that OpenWhisk has."""
    assert expected == seen(post(path=path))["__ow_path"]


@pytest.mark.parametrize("request_", [
    post(query="__ow_path=/x"), post(b'{"__ow_user": "me"}', "application/json"), post(b"__ow_body=1", FORM),
])  # fmt: skip
def test_reserved_parameters(request_: http.Request) -> None:
    """No caller can pass what only the platform passes."""
    got = called(lambda args: {"body": "called"}, request_)
    assert (400, "Request defines parameters that are not allowed (e.g., reserved properties).") == refusal(got)


def refusal(got: Got) -> tuple[int, str]:
    """The status and the reason of an answer that the controller gives by itself."""
    answer = json.loads(got.body)
    assert ({"error", "code"}, "7") == (answer.keys(), answer["code"])
    assert "application/json" == got.headers["content-type"]
    return got.status, answer["error"]


def test_malformed_json() -> None:
    """The action is not called."""
    status, reason = refusal(called(lambda args: {"body": "called"}, post(b"[" * 100_000, "application/json")))
    assert (400, "The request content was malformed:\n") == (status, reason[:35])


PRETTY = {"content-type": "text/html; charset=UTF-8"}
JSON = {"content-type": "application/json"}
TEXT = {"content-type": "text/plain; charset=UTF-8"}
NOT_HTTP = "Response is not valid 'message/http'."
MISMATCH = "Response type in header did not match generated content type."
UNKNOWN = "Response did not specify a known content-type."

#: Results, and what the caller gets: status, headers and body; or the reason of a 400.
RESULTS: list[tuple[Any, tuple[int, dict[str, str], bytes] | str]] = [
    ({}, (204, {}, b"")),
    ({"body": ""}, (204, {}, b"")),
    ({"body": None, "statusCode": 200, "headers": {"Content-Type": "text/plain", "x": "1"}}, (200, {"x": "1"}, b"")),
    ({"body": "ü"}, (200, PRETTY, "ü".encode())),
    ({"body": "a", "statusCode": "404"}, (404, PRETTY, b"a")),
    ({"body": "a", "statusCode": 201.0}, (201, PRETTY, b"a")),
    ({"body": "a", "statusCode": 200.5}, NOT_HTTP),
    ({"body": "a", "statusCode": True}, NOT_HTTP),
    ({"body": "a", "statusCode": None}, NOT_HTTP),
    ({"body": "a", "statusCode": 1000}, NOT_HTTP),
    ({"body": "a", "statusCode": "9" * 5000}, NOT_HTTP),
    ({"body": {"b": [1, None]}}, (200, JSON, b'{"b":[1,null]}')),
    ({"body": [1]}, (200, JSON, b"[1]")),
    ({"body": 5}, (200, JSON, b"5")),
    ({"body": False}, (200, JSON, b"false")),
    ({"body": {}, "headers": {"content-type": "application/problem+json"}}, (200, {"content-type": "application/problem+json"}, b"{}")),
    ({"body": {}, "headers": {"content-type": "text/plain"}}, MISMATCH),
    ({"body": "a", "headers": {"content-type": "text/plain; charset=latin-1; a=b"}},
     (200, {"content-type": "text/plain; a=b; charset=UTF-8"}, b"a")),
    ({"body": "{}", "headers": {"content-type": "application/json"}}, (200, JSON, b"{}")),
    ({"body": "e30=", "headers": {"content-type": "application/json"}}, (200, JSON, b"{}")),
    ({"body": PNG, "headers": {"content-type": "image/png"}}, (200, {"content-type": "image/png"}, b"\x89PNG")),
    ({"body": PNG.rstrip("="), "headers": {"content-type": "image/png"}}, (200, {"content-type": "image/png"}, b"\x89PNG")),
    ({"body": "a b", "headers": {"content-type": "image/png"}}, MISMATCH),
    ({"body": "a", "headers": {"content-type": "png"}}, UNKNOWN),
    ({"body": "a", "headers": {"x": [1, True, ["b"]], "Set-Cookie": ["a=1", "b=2"]}},
     (200, {**PRETTY, "x": "1, b, true", "set-cookie": "a=1, b=2"}, b"a")),
    ({"body": "a", "headers": {"x": {}}}, NOT_HTTP),
    ({"body": "a", "headers": {"x": None}}, NOT_HTTP),
    ({"body": "a", "headers": []}, NOT_HTTP),
    ([1], NOT_HTTP),
    ({"error": "no"}, NOT_HTTP),
    ({"error": {"statusCode": 404, "body": "no"}, "body": "yes"}, (404, PRETTY, b"no")),
    ({"body": (part for part in ("a", b"b"))}, (200, PRETTY, b"ab")),
    ({"body": iter([b"\x89PNG"]), "headers": {"content-type": "image/png"}}, (200, {"content-type": "image/png"}, b"\x89PNG")),
    ((part for part in ("a", "b")), (200, PRETTY, b"ab")),
]  # fmt: skip


@pytest.mark.parametrize(("result", "expected"), RESULTS)
def test_results(result: Any, expected: tuple[int, dict[str, str], bytes] | str) -> None:
    """What a result becomes over HTTP."""
    got = called(lambda args: result, post())
    if isinstance(expected, str):
        assert (400, expected) == refusal(got)
    else:
        assert expected == got


#: Results, an extension, and the answer.
EXTENSIONS: list[tuple[Any, str, tuple[int, dict[str, str], bytes] | tuple[int, str]]] = [
    ({"body": "a", "statusCode": 404}, "json", (200, JSON, b'{"body":"a","statusCode":404}')),
    ([1], "json", (200, JSON, b"[1]")),
    ({"error": "no"}, "json", (400, "Response is not valid 'application/json'.")),
    ({"html": "<p>"}, "html", (200, PRETTY, b"<p>")),
    ({"body": "<p>", "html": "no"}, "html", (200, PRETTY, b"<p>")),
    ({"body": {}}, "html", (400, "Response is not valid 'text/html'.")),
    ({"svg": "<svg/>"}, "svg", (200, {"content-type": "image/svg+xml"}, b"<svg/>")),
    ({"text": "a"}, "text", (200, TEXT, b"a")),
    ({"body": [1, True]}, "text", (200, TEXT, b"[1,true]")),
    ({}, "text", (404, "Response does not include requested property.")),
    ([1], "text", (200, TEXT, b"[1]")),
]


@pytest.mark.parametrize(("result", "extension", "expected"), EXTENSIONS)
def test_extensions(result: Any, extension: str, expected: Any) -> None:
    """The action's name in the URL of OpenWhisk says what of the result is the answer."""
    got = called(lambda args: result, post(path=f"/api/v1/web/guest/default/hello.{extension}"))
    assert expected == (got if len(expected) == 3 else refusal(got))


@pytest.mark.parametrize("result", ["text", None, 5, b"bytes", {"body": b"bytes"}, {"body": {1, 2}}, {"body": float("nan")},
                                    {"headers": {"x": "a\nb"}, "body": "a"}, {"body": iter([5])}])  # fmt: skip
def test_results_that_are_not_json(result: Any, caplog: pytest.LogCaptureFixture) -> None:
    """They end the action loop; here the caller gets a 502, and the log the reason."""
    assert (502, "There was an error processing your request.") == refusal(called(lambda args: result, post()))
    assert "POST / failed" in caplog.text
    assert "codec.py" not in caplog.text


def test_preflight() -> None:
    """The platform answers OPTIONS by itself; the headers that are asked for are allowed."""
    invocation = Invocation(
        json.dumps(
            http.event(
                http.Request("OPTIONS", "/", headers=[("access-control-request-headers", "x-own")]), http.FUNCTION_URL
            )
        ).encode()
    )
    answer = json.loads(built_in("openwhisk")(lambda args: 1 / 0)(invocation).read())
    assert (200, "", "x-own") == (
        answer["statusCode"],
        answer["body"],
        answer["headers"]["Access-Control-Allow-Headers"],
    )


def test_own_options(monkeypatch: pytest.MonkeyPatch) -> None:
    """With custom-options the action answers OPTIONS, and no header is added."""
    monkeypatch.setenv("HANDLER_WEB", "raw, custom-options")
    invocation = Invocation(json.dumps(http.event(http.Request("OPTIONS", "/"), http.FUNCTION_URL)).encode())
    handler = built_in("openwhisk")(lambda args: {"headers": {"allow": args["__ow_method"]}, "statusCode": 200})
    token = handled.set(invocation)
    try:
        answer = json.loads(handler(invocation).read())
    finally:
        handled.reset(token)
    assert (200, {"allow": "options"}) == (answer["statusCode"], answer["headers"])


def test_a_wrong_setting(fail: Fail) -> None:
    """It is an init error that names the words."""
    failed = fail("def main(args): return {}", "app.main", "openwhisk", env={"HANDLER_WEB": "yes"})
    assert "HANDLER_WEB is 'yes'; allowed: true, or one or more of raw, custom-options" == failed.report["errorMessage"]


# ----------------------------------------------------------------------------------------------------------------------
# At the boundary
# ----------------------------------------------------------------------------------------------------------------------

MAIN = """
    import os, sys

    async def main(args):
        return {"body": {"args": args, "deadline": int(os.environ["__OW_DEADLINE"]) > 0,
                         "ids": [os.environ["__OW_ACTIVATION_ID"], os.environ["__OW_TRANSACTION_ID"]],
                         "name": os.environ["__OW_ACTION_NAME"], "namespace": os.environ["__OW_NAMESPACE"]}}

    def echo(args):
        return {"got": repr(args)} if isinstance(args, bytes) else {"got": args}

    def errs(args):
        return {"error": args.get("what", "no"), "more": 1}

    def lists(args):
        return [1, 2]

    def fails(args):
        raise LookupError("secret")

    def leaves(args):
        sys.exit(3)

    def nothing(args):
        pass

    async def streams(args):
        async def parts():
            yield "a"
            yield "b"
        return {"body": parts()}

    def breaks(args):
        def parts():
            yield "a"
            raise LookupError("midway")
        return {"body": parts()}
"""
QUEUE = sqs("a")


@pytest.mark.parametrize(
    ("handler", "event", "expected"),
    [
        ("echo", b'{"a": 1}', {"got": {"a": 1}}),
        ("echo", b"[1]", {"got": [1]}),
        ("echo", b"", {"got": {}}),
        ("echo", b"null", {"got": {}}),
        ("echo", b"\xff", {"got": repr(b"\xff")}),
        ("echo", json.dumps(QUEUE).encode(), {"got": QUEUE}),
        ("lists", b"{}", [1, 2]),
    ],
)
def test_other_events(ask: Ask, handler: str, event: bytes, expected: Any) -> None:
    """The payload is the event, parsed, or its bytes; the answer is the result."""
    answer = ask(MAIN, event, f"app.{handler}", "openwhisk")
    assert (expected, "application/json") == (json.loads(answer.body), answer.request.header("Content-Type"))


@pytest.mark.parametrize(
    ("handler", "event", "kind", "message"),
    [
        ("errs", b"{}", "ApplicationError", "no"),
        ("errs", b'{"what": {"a": 1}}', "ApplicationError", '{"a":1}'),
        ("errs", b'{"what": null}', "ApplicationError", "null"),
        ("fails", b"{}", "LookupError", "secret"),
        ("leaves", b"{}", "Runtime.ExitError", "3"),
        (
            "nothing",
            b"{}",
            "Runtime.MarshalError",
            "the action returned NoneType; it must return a dictionary or a list",
        ),
    ],
)
def test_other_events_fail(ask: Ask, handler: str, event: bytes, kind: str, message: str) -> None:
    """An error in the result is a function error, as is an exception."""
    report = ask(MAIN, event, f"app.{handler}", "openwhisk").report
    assert (kind, True) == (report["errorType"], message in report["errorMessage"])


def test_variables_of_the_action_loop(serve: Serve) -> None:
    """They are those of the current activation."""
    headers = {"Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-west-1:123456789012:function:hello"}
    env = {"AWS_LAMBDA_FUNCTION_NAME": "hello"}
    with serve(MAIN, "app.main", "openwhisk", env=env) as runtime:
        for number in ("1", "2"):
            sent = {**headers, "Lambda-Runtime-Aws-Request-Id": number}
            seen = json.loads(runtime.invoke(b"{}", sent).body)["body"]
            assert ([number, number], True, "/123456789012/hello", "123456789012") == (
                seen["ids"],
                seen["deadline"],
                seen["name"],
                seen["namespace"],
            )


@pytest.mark.parametrize("kind", EVENTS)
@pytest.mark.parametrize(("handler", "status", "body"), [("fails", 502, None), ("leaves", 502, None), ("streams", 200, b"ab"),
                                                         ("breaks", 502, None)])  # fmt: skip
def test_failures_and_streams(serve: Serve, kind: str, handler: str, status: int, body: bytes | None) -> None:
    """An exception is a 502 in every format, and the traceback is in the log; the next event is handled."""
    event = json.dumps(EVENTS[kind]).encode()
    with serve(MAIN, f"app.{handler}", "openwhisk") as runtime:
        for _ in range(2):
            got = Got.of(*delivered(kind, json.loads(runtime.invoke(event).body)))
            assert status == got.status
        if body is None:
            assert "There was an error processing your request." == json.loads(got.body)["error"]
            assert "GET / failed" in runtime.child.log
            assert "conventions" not in runtime.child.log
        else:
            assert body == got.body


def test_streamed_answer(serve: Serve) -> None:
    """With HANDLER_INVOKE_MODE the body is sent part by part."""
    event = json.dumps(EVENTS[http.FUNCTION_URL]).encode()
    with serve(MAIN, "app.streams", "openwhisk", env={"HANDLER_INVOKE_MODE": "RESPONSE_STREAM"}) as runtime:
        answer = runtime.invoke(event)
    prelude, _, body = answer.body.partition(bytes(8))
    assert (200, b"ab") == (json.loads(prelude)["statusCode"], body)
    assert "streaming" == answer.request.header("Lambda-Runtime-Function-Response-Mode")


@pytest.mark.parametrize(
    ("handler", "file"),
    [
        ("__main__.main", "__main__.py"),
        ("hello.main", "hello.py"),
        ("packages/sample/hello/__main__.main", "packages/sample/hello/__main__.py"),
        ("packages/sample/hello.other", "packages/sample/hello.py"),
    ],
)
@pytest.mark.parametrize("convention", ["openwhisk", "digitalocean"])
def test_handler_strings(ask: Ask, handler: str, file: str, convention: str) -> None:
    """The file as OpenWhisk and DigitalOcean name it, and another function than main."""
    source = "def main(args):\n    return {'name': args['name']}\n\nother = main\n"
    assert b'{"name":"x"}' == ask({file: source}, b'{"name": "x"}', handler, convention).body
