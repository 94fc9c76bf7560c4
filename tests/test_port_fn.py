"""The convention `fn`: functions of the Fn Project, beside the same ones under fdk's own server."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib.util import find_spec

import pytest

# Not imported: where uvloop is installed, fdk makes it the whole process's.
if find_spec("fdk") is None:
    pytest.skip("fdk is not installed", allow_module_level=True)
pytest.importorskip("httpx")

from support.http_events import EVENTS, changed, delivered
from support.local import ServerProcess
from support.ports import ROOT, SAMPLES, answers, documented, ours, peer, python, received, request
from support.runtime import Answer, Ask, Fail, Serve
from support.web import Got

from dispatch import http

FN = "fn"
STREAM = {"HANDLER_INVOKE_MODE": "RESPONSE_STREAM"}
FAILED = b'{"message":"function failed"}\n'
LATE = b'{"message":"Timed out"}\n'


def got(answer: Answer) -> tuple[int, dict[str, str], bytes]:
    """What the client gets of an answer, without the call's identifier."""
    status, headers, body = received(answer)
    return status, {name: value for name, value in headers.items() if name != "fn-call-id"}, body


def handler(*lines: str, before: str = "from fdk import response") -> str:
    """The source of a function."""
    return f"{before}\ndef handler(ctx, data=None):\n" + "".join(f"    {line}\n" for line in lines)


# ----------------------------------------------------------------------------------------------------------------------
# The proof
# ----------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def platform() -> Iterator[str]:
    """Where fdk serves the sample, behind Fn's gateway."""
    command = python(str(ROOT / "tests" / "support" / "fn.py"), "func.py", "{port}")
    with peer(command, cwd=SAMPLES / FN) as host:
        yield host


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The local platform with the sample."""
    with ours(tmp_path_factory.mktemp(FN), FN, "func.handler") as process:
        yield process


def without_ids(found: Mapping[str, Got | str]) -> dict[str, Got | str]:
    """The answers without the identifiers of the calls, which each of them has."""
    return {name: got if isinstance(got, str) else _without_id(got) for name, got in found.items()}


def _without_id(answer: Got) -> Got:
    assert answer.headers["fn-call-id"]
    return answer._replace(headers={**answer.headers, "fn-call-id": ""})


def test_proof(platform: str, server: ServerProcess) -> None:
    """Thirty requests are answered as under Fn, but for the rows of the page."""
    theirs = without_ids(answers(platform))
    for function in ("buffered", "streamed"):
        found = without_ids(answers(platform, f"/lambda-url/{function}", server.host))
        assert documented(FN) == {name for name, answer in theirs.items() if answer != found[name]}


# ----------------------------------------------------------------------------------------------------------------------
# Answers
# ----------------------------------------------------------------------------------------------------------------------

OUTPUTS: dict[str, tuple[str, tuple[int, dict[str, str], bytes]]] = {
    "text": ("'ü'", (200, {}, "ü".encode())),
    "bytes": ("bytes([0, 255])", (200, {}, b"\0\xff")),
    "bytearray": ("bytearray(b'x')", (200, {}, b"x")),
    "nothing": ("None", (200, {}, b"")),
    "zero": ("0", (200, {}, b"")),
    "object": ("{'a': 1}", (200, {}, b"{'a': 1}")),
    "response": ("response.Response(ctx, 'x', {'X-Own': 'a'}, 404)", (404, {"x-own": "a"}, b"x")),
    "a status as text": ("response.Response(ctx, 'x', status_code='404')", (404, {}, b"x")),
    "not a status": ("response.Response(ctx, 'x', status_code='many')", (200, {}, b"x")),
    "encoding": ("response.Response(ctx, 'ü', response_encoding='latin-1')", (200, {}, b"\xfc")),
    "a list in the headers": (
        "response.Response(ctx, 'x', {'X-Own': ['a', 'b']})",
        (200, {"x-own": "['a', 'b']"}, b"x"),
    ),
    "not Latin-1": ("response.Response(ctx, 'x', {'X-Own': 'ż'})", (200, {"x-own": "Å¼"}, b"x")),
    "generator": ("(str(n) for n in range(3))", (200, {}, b"012")),
    "response in parts": ("response.Response(ctx, iter(['a', b'b', 3]), status_code=201)", (201, {}, b"ab3")),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_outputs(ask: Ask, name: str) -> None:
    """What a function may return, and what the client gets."""
    output, (status, headers, body) = OUTPUTS[name]
    answer = got(ask(handler(f"return {output}"), request(), convention=FN))
    assert (status, {"content-type": "text/plain", **headers}, body) == answer


def test_headers_that_the_context_sets(ask: Ask) -> None:
    """For a plain answer they are there, and so is what fdk makes of them; its status is 200."""
    source = handler("ctx.SetResponseHeaders({'X-Own': 'a', 'Content-Type': 'text/css'}, 201)", "return 'x'")
    expected = {"x-own": "a", "fn-http-h-x-own": "a", "fn-http-status": "201", "content-type": "text/css"}
    assert (200, expected, b"x") == got(ask(source, request(), convention=FN))


def test_a_generator_streams(ask: Ask) -> None:
    """It is the body of the response; async ones, too."""
    source = "async def handler(ctx, data=None):\n    yield 'a'\n    yield b'b'\n"
    answer = ask(source, request(), convention=FN, env=STREAM)
    prelude, _, body = answer.body.partition(b"\0" * 8)
    assert ("text/plain", b"ab") == (json.loads(prelude)["headers"]["content-type"], body)


# ----------------------------------------------------------------------------------------------------------------------
# Events
# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", EVENTS)
def test_every_kind_of_event(ask: Ask, kind: str) -> None:
    """API Gateway, function URLs and load balancers."""
    answer = ask(handler("return ctx.Method()"), json.dumps(EVENTS[kind]).encode(), convention=FN)
    assert b"GET" == delivered(kind, json.loads(answer.body))[2]


def test_context(ask: Ask) -> None:
    """Its methods; the application's names are variables, as in Fn's containers."""
    source = handler(
        "seen = [ctx.AppName(), ctx.FnName(), ctx.AppID(), ctx.FnID(), ctx.Config()['OWN'], ctx.Format()]",
        "seen += [ctx.CallID() == current().request_id, ctx.Deadline(), ctx.TracingContext().is_tracing_enabled()]",
        "seen += [ctx.RequestURL(), ctx.HTTPHeaders()['x-own'], ctx.Headers()['x-own']]",
        "return json.dumps(seen)",
        before="import json\nfrom dispatch import current",
    )
    env = {"FN_APP_NAME": "app", "FN_FN_NAME": "fun", "FN_APP_ID": "1", "FN_FN_ID": "2", "OWN": "x"}
    event = request("/a%20b", rawQueryString="c=d", headers={"host": "example.com", "x-own": "y"})
    headers = {"Lambda-Runtime-Deadline-Ms": "1700000000500"}
    seen = json.loads(got(ask(source, event, convention=FN, env=env, headers=headers))[2])
    assert ["app", "fun", "1", "2", "x", "http-stream"] == seen[:6]
    assert [True, "2023-11-14T22:13:20Z", False, "https://example.com/a%20b?c=d", "y", "y"] == seen[6:]


def test_the_last_of_repeated_headers(ask: Ask) -> None:
    """Where the event has each of them."""
    event = changed(http.REST_API, multiValueHeaders={"x-own": ["1", "2"], "connection": ["close"]})
    source = handler("return str(ctx.HTTPHeaders())")
    answer = ask(source, json.dumps(event).encode(), convention=FN)
    assert b"{'x-own': '2'}" == delivered(http.REST_API, json.loads(answer.body))[2]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (b'{"Records": [{"body": "1"}]}', "application/json"),
        (b"\xff\n", "application/octet-stream"),
        (b"", "application/octet-stream"),
    ],
)
def test_other_events(ask: Ask, event: bytes, expected: str) -> None:
    """The bytes are the data, as in an invocation of Fn's that is not a request."""
    lines = (
        "intent = ctx.Headers().get('fn-intent')",
        ("ctx.SetResponseHeaders({'X-Seen': str([ctx.Headers()['content-type'], intent, ctx.Method()])}, 200)"),
    )
    source = handler(*lines, "return data.read() + repr(ctx.GetResponseHeaders()['x-seen']).encode()")
    seen = f"\"['{expected}', None, None]\"".encode()
    assert event + seen == ask(source, event, convention=FN).body


def test_the_content_type_of_another_answer(ask: Ask) -> None:
    """It is the response's own; a status of the function's is not one for Fn."""
    source = handler("return response.Response(ctx, '{}', {'Content-Type': 'application/json'}, 404)")
    answer = ask(source, b"{}", convention=FN)
    assert ("response", b"{}", "application/json") == (answer.kind, answer.body, answer.request.header("Content-Type"))


# ----------------------------------------------------------------------------------------------------------------------
# Failures
# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("raise LookupError('wrong')", (502, FAILED)),
        ("raise TimeoutError('late')", (504, LATE)),
        ("raise SystemExit(3)", (502, b'{"message":"error receiving function response"}\n')),
        ("return response.Response(ctx, 'x', status_code=502)", (502, FAILED)),
        ("return response.Response(ctx, 'x', status_code=504)", (504, LATE)),
        ("return response.Response(ctx, 'ż', response_encoding='latin-1')", (502, FAILED)),
    ],
)
def test_failures(serve: Serve, line: str, expected: tuple[int, bytes]) -> None:
    """The client gets what Fn's gateway answers; the next request is answered."""
    runtime = serve(handler(f"if ctx.RequestURL().endswith('/fail'): {line}", "return 'fine'"), convention=FN)
    status, headers, body = got(runtime.invoke(request("/fail")))
    assert (expected, "application/json; charset=utf-8") == ((status, body), headers["content-type"])
    assert ("raise" in line or "ż" in line) == ("GET /fail failed" in runtime.child.log)
    assert b"fine" == got(runtime.invoke(request()))[2]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("raise LookupError('wrong')", ("LookupError", "wrong")),
        (
            "return response.Response(ctx, 'broken', status_code=502)",
            ("ApplicationError", "the function answered with status 502: broken"),
        ),
    ],
)
def test_a_failure_with_another_event(ask: Ask, line: str, expected: tuple[str, str]) -> None:
    """It is a function error, and so is the status of a failure."""
    report = ask(handler(line), b'{"Records": []}', convention=FN).report
    assert expected == (report["errorType"], report["errorMessage"])


def test_a_function_without_data(ask: Ask) -> None:
    """Fn passes it by name, so that a function has to take it."""
    report = ask("def handler(ctx):\n    return 'x'\n", b"{}", convention=FN).report
    assert ("TypeError", True) == (report["errorType"], "'data'" in report["errorMessage"])


def test_a_late_failure_is_in_the_trailers(ask: Ask) -> None:
    """After the first part of a streamed body."""
    answer = ask(handler("yield 'a'", "raise LookupError('late')"), request(), convention=FN, env=STREAM)
    assert "LookupError" == dict(answer.request.trailers)["lambda-runtime-function-error-type"]


# ----------------------------------------------------------------------------------------------------------------------
# The environment
# ----------------------------------------------------------------------------------------------------------------------


def test_async(serve: Serve) -> None:
    """The event loop lives as long as the environment."""
    source = (
        "import asyncio\nloops = set()\n"
        "async def handler(ctx, data=None):\n"
        "    loops.add(asyncio.get_running_loop())\n    return str(len(loops))\n"
    )
    runtime = serve(source, convention=FN)
    assert [b"1", b"1"] == [got(runtime.invoke(request()))[2] for _ in range(2)]


def test_no_such_function(fail: Fail) -> None:
    """The init error says what there is."""
    failed = fail({"func.py": "def handler(ctx, data=None): ...\n"}, "func.handle", FN)
    assert ("Runtime.HandlerNotFound", True) == (failed.type, "handler" in failed.report["errorMessage"])


def test_the_fdk_is_missing(fail: Fail) -> None:
    """The init error says what to install."""
    failed = fail({"app.py": handler("pass", before=""), "fdk.py": "raise ImportError('not here')\n"}, convention=FN)
    assert "Runtime.ImportModuleError" == failed.type
    assert "install fdk" in failed.report["errorMessage"]


@pytest.mark.parametrize(("level", "expected"), [("", ["one", "two"]), ("WARN", ["two"])])
def test_log(serve: Serve, level: str, expected: list[str]) -> None:
    """Records reach the log once, all of them as in Fn, unless a level is set."""
    source = handler("logging.debug('one')", "logging.error('two')", before="import fdk, logging")
    runtime = serve(source, convention=FN, env={"AWS_LAMBDA_LOG_LEVEL": level})
    runtime.invoke(request())
    lines = [line.rpartition("\t")[2] for line in runtime.end().splitlines()]
    assert expected == [line for line in lines if line in {"one", "two"} or line.endswith((" one", " two"))]
