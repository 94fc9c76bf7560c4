"""The convention `nuclio`: functions of Nuclio, beside the same ones behind Nuclio's own SDK."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("httpx")
pytest.importorskip("nuclio_sdk")

from support.http_events import changed, delivered
from support.local import ServerProcess
from support.ports import ROOT, SAMPLES, answers, differing, documented, ours, peer, python, received, request
from support.runtime import Ask, Fail, Serve

from dispatch import http

NUCLIO = "nuclio"
STREAM = {"HANDLER_INVOKE_MODE": "RESPONSE_STREAM"}


def handler(*lines: str, before: str = "") -> str:
    """The source of a function."""
    return f"{before}\ndef handler(context, event):\n" + "".join(f"    {line}\n" for line in lines)


# ----------------------------------------------------------------------------------------------------------------------
# The proof
# ----------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def platform() -> Iterator[str]:
    """Where the stand-in for Nuclio serves the sample."""
    command = python(str(ROOT / "tests" / "support" / "nuclio.py"), "main:handler", "{port}")
    with peer(command, cwd=SAMPLES / NUCLIO) as host:
        yield host


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The local platform with the sample."""
    with ours(tmp_path_factory.mktemp(NUCLIO), NUCLIO, "main:handler") as process:
        yield process


def test_proof(platform: str, server: ServerProcess) -> None:
    """Thirty requests are answered as under Nuclio, but for the rows of the page."""
    theirs = answers(platform)
    for function in ("buffered", "streamed"):
        assert documented(NUCLIO) == set(differing(theirs, server, platform, function))


# ----------------------------------------------------------------------------------------------------------------------
# Answers
# ----------------------------------------------------------------------------------------------------------------------

OUTPUTS: dict[str, tuple[str, tuple[int, str, bytes]]] = {
    "text": ("'ü'", (200, "text/plain", "ü".encode())),
    "bytes": ("bytes([0, 255])", (200, "text/plain", b"\0\xff")),
    "dict": ("{'a': 1}", (200, "application/json", b'{"a": 1}')),
    "list": ("[1, {'a': 2}]", (200, "application/json", b'[1, {"a": 2}]')),
    "not a number": ("{'a': float('nan')}", (200, "application/json", b'{"a": "NaN"}')),
    "status and text": ("(201, 'made')", (201, "text/plain", b"made")),
    "status and object": ("(404, {'a': 1})", (404, "application/json", b'{"a": 1}')),
    "a number": ("5", (200, "text/plain", b"5")),
    "nothing": ("None", (200, "text/plain", b"None")),
    "three items": ("(1, 2, 3)", (200, "text/plain", b"(1, 2, 3)")),
    "response": ("context.Response(body='x', content_type='text/html')", (200, "text/html", b"x")),
    "response with a dict": (
        "context.Response(body={'a': 1}, status_code=202)",
        (202, "application/json", b'{"a": 1}'),
    ),
    "response with a list": ("context.Response(body=[1])", (200, "text/plain", b"[1]")),
    "type in the headers": ("context.Response({'Content-Type': 'text/html'}, 'x')", (200, "text/plain", b"x")),
    "status of 0": ("context.Response(body='x', status_code=0)", (200, "text/plain", b"x")),
    "half a character": ("'\\ud800'", (200, "text/plain", b"?")),
    "generator": ("(str(n) for n in range(3))", (200, "text/plain", b"012")),
    "generator of objects": ("iter([{'a': 1}, {'b': 2}])", (200, "application/json", b"""{"a": 1}{'b': 2}""")),
    "generator of a status": ("iter([(201, 'a'), 'b'])", (201, "text/plain", b"ab")),
    "generator of responses": (
        "iter([context.Response(body=n, status_code=206, content_type='text/css') for n in 'ab'])",
        (206, "text/css", b"ab"),
    ),
    "responses in a response": ("context.Response(body=iter([context.Response(body='a')]))", (200, "text/plain", b"a")),
    "no item": ("iter([])", (200, "text/plain", b"")),
    "async parts": ("context.Response(body=parts(), content_type='text/css')", (200, "text/css", b"ab")),
    "response in parts": (
        "context.Response({}, iter([b'a', 'b', 3]), 'text/css', 201)",
        (201, "text/css", b"ab3"),
    ),
}


def test_outputs(serve: Serve) -> None:
    """What a function may return, and what the client gets."""
    parts = "async def parts():\n    yield 'a'\n    yield b'b'\n"
    made = "".join(f"{name!r}: lambda: {output}, " for name, (output, _) in OUTPUTS.items())
    runtime = serve(handler(f"return {{{made}}}[event.path[1:]]()", before=parts), convention=NUCLIO)
    found = {}
    for name in OUTPUTS:
        status, headers, body = received(runtime.invoke(request("/" + name.replace(" ", "%20"))))
        found[name] = (status, headers["content-type"], body)
    assert {name: expected for name, (_, expected) in OUTPUTS.items()} == found


def test_headers_of_a_response(ask: Ask) -> None:
    """Text only; line ends become blanks, and what the server sets itself is left to it."""
    source = handler(
        "return context.Response({'X-A': 'a\\r\\nb', 'X-B': 5, 'x-c': 'ü', 'Content-Length': '9'}, 'body')"
    )
    _, headers, _ = received(ask(source, request(), convention=NUCLIO))
    assert {"x-a": "a  b", "x-c": "ü".encode().decode("latin-1"), "content-type": "text/plain"} == headers


def test_a_generator_streams(ask: Ask) -> None:
    """It is the body of the response, and so are its parts for any other event."""
    source = handler("yield 'a'", "yield b'b'")
    answer = ask(source, request(), convention=NUCLIO, env=STREAM)
    prelude, _, body = answer.body.partition(b"\0" * 8)
    assert ({"content-type": "text/plain"}, b"ab") == (json.loads(prelude)["headers"], body)


@pytest.mark.parametrize(("deleted", "left"), [("", True), (", 'X-nuclio-filestream-delete-after-send': '1'", False)])
def test_a_file(serve: Serve, tmp_path: Any, deleted: str, left: bool) -> None:
    """A header names the file that is the body; one that is missing is a 404."""
    file = tmp_path / "file.bin"
    file.write_bytes(b"x" * 100_000)
    source = handler(f"return context.Response({{'X-nuclio-filestream-path': event.path{deleted}}})")
    runtime = serve(source, convention=NUCLIO)
    status, headers, body = received(runtime.invoke(request(str(file))))
    assert (200, {"content-type": "text/plain"}, b"x" * 100_000) == (status, headers, body)
    assert left == file.exists()
    assert (404, b"") == (
        received(runtime.invoke(request("/nowhere")))[0],
        received(runtime.invoke(request("/nowhere")))[2],
    )


# ----------------------------------------------------------------------------------------------------------------------
# Events
# ----------------------------------------------------------------------------------------------------------------------


def test_paths(serve: Serve) -> None:
    """They are decoded and normalized, as by Nuclio's HTTP server."""
    runtime = serve(handler("return event.path"), convention=NUCLIO)
    paths = {"/a//b///c": "/a/b/c", "//a/./b/": "/a/b/", "/a/b/../../../c": "/c", "/a/..": "/", "/a%2E%2E/b/%2e%2e": "/a..", "/..": "/", "/": "/"}  # fmt: skip
    assert paths == {path: received(runtime.invoke(request(path)))[2].decode() for path in paths}


def test_the_last_of_repeated_headers(ask: Ask) -> None:
    """Where the event has each of them."""
    event = changed(http.REST_API, multiValueHeaders={"x-own": ["1", "2"]})
    answer = ask(handler("return event.headers['X-Own']"), json.dumps(event).encode(), convention=NUCLIO)
    assert b"2" == delivered(http.REST_API, json.loads(answer.body))[2]


def test_names_as_bytes(ask: Ask) -> None:
    """A setting of Nuclio's for functions that expect bytes, also where they are not UTF-8."""
    source = handler("return repr([event.path, event.fields, event.headers[b'Host'], event.trigger.kind])")
    env = {"NUCLIO_PYTHON_DECODE_EVENT_STRINGS": "disabled"}
    _, _, body = received(ask(source, request("/%E4", rawQueryString="a=%E4"), convention=NUCLIO, env=env))
    assert "[b'/\\xe4', {b'a': b'\\xe4'}, b'abc.lambda-url.us-east-1.on.aws', b'http']" == body.decode()


def test_a_path_that_is_not_text(serve: Serve) -> None:
    """Without the setting it is a failure, as in Nuclio; the next request is answered."""
    runtime = serve(handler("return event.path"), convention=NUCLIO)
    assert 500 == received(runtime.invoke(request("/%E4")))[0]
    assert b"/" == received(runtime.invoke(request()))[2]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (b'{"Records": [{"body": "1"}]}', ["dict", {"Records": [{"body": "1"}]}, "application/json"]),
        (b"[1]", ["list", [1], "application/json"]),
        (b"\xff\n", ["bytes", None, ""]),
        (b"", ["bytes", None, ""]),
    ],
)
def test_other_events(ask: Ask, event: bytes, expected: list[Any]) -> None:
    """JSON is parsed, and anything else is bytes."""
    source = handler(
        "body = None if isinstance(event.body, bytes) else event.body",
        "kind = [event.method, event.path, event.size, event.trigger.kind, bool(event.id)]",
        "return {'seen': [type(event.body).__name__, body, event.content_type], 'kind': kind}",
    )
    answer = json.loads(ask(source, event, convention=NUCLIO).body)
    assert {"seen": expected, "kind": ["", "/", len(event), "lambda", True]} == answer


# ----------------------------------------------------------------------------------------------------------------------
# Failures
# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("raise LookupError('wröng')", "wröng"),
        ("raise SystemExit(3)", "3"),
        ("return '200', 'x'", "not a status: '200'; it must be a whole number, like 200"),
        ("return context.Response(headers=[1])", "not the headers of a response: [1]; they must be a dictionary"),
        ("return {(1,): 2}", "keys must be"),
    ],
)
@pytest.mark.parametrize("mode", ["BUFFERED", "RESPONSE_STREAM"])
def test_a_failure_is_a_500(serve: Serve, line: str, expected: str, mode: str) -> None:
    """With the traceback as its body, as in Nuclio, and in the log; the next request is answered."""
    source = handler(f"if event.path == '/fail': {line}", "return 'fine'")
    runtime = serve(source, convention=NUCLIO, env={"HANDLER_INVOKE_MODE": mode})
    answer = runtime.invoke(request("/fail"))
    prelude, _, streamed = answer.body.partition(b"\0" * 8)
    status, body = (json.loads(prelude)["statusCode"], streamed) if streamed else received(answer)[::2]
    assert (500, True) == (status, body.decode().startswith('Exception caught in handler - "'))
    assert expected in body.decode()
    assert "conventions" not in body.decode()
    assert "GET /fail failed" in runtime.child.log
    assert b"fine" in runtime.invoke(request()).body


@pytest.mark.parametrize(("first", "mode"), [(1, "BUFFERED"), (0, "BUFFERED"), (0, "RESPONSE_STREAM")])
def test_a_failure_within_a_body(serve: Serve, first: int, mode: str) -> None:
    """As long as nothing has been sent, it is a 500 that reports the function's own exception, as the log does."""
    source = handler(f"if {first}: yield 'a'", "raise ValueError('late')")
    runtime = serve(source, convention=NUCLIO, env={"HANDLER_INVOKE_MODE": mode})
    body = runtime.invoke(request()).body.decode().replace('\\"', '"').replace('": 500', '":500')
    assert '"statusCode":500' in body
    assert 'Exception caught in handler - "late"' in body
    log = runtime.end()
    assert "ValueError: late" in log
    assert "conventions" not in log


def test_a_late_failure_is_in_the_trailers(ask: Ask) -> None:
    """After the first part of a streamed body."""
    answer = ask(handler("yield 'a'", "raise LookupError('late')"), request(), convention=NUCLIO, env=STREAM)
    assert "LookupError" == dict(answer.request.trailers)["lambda-runtime-function-error-type"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("raise LookupError('wrong')", ("LookupError", "wrong")),
        ("return 503, 'busy'", ("ApplicationError", "the function answered with status 503: busy")),
    ],
)
def test_a_failure_with_another_event(ask: Ask, line: str, expected: tuple[str, str]) -> None:
    """It is a function error, and so is an error status."""
    report = ask(handler(line), b'{"Records": []}', convention=NUCLIO).report
    assert expected == (report["errorType"], report["errorMessage"])


# ----------------------------------------------------------------------------------------------------------------------
# The environment
# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_init_context(serve: Serve, kind: str) -> None:
    """Called once, before the first event; what it keeps in the context is there in each."""
    before = f"{kind} init_context(context):\n    context.user_data.calls = ['init']\n"
    source = handler("context.user_data.calls.append(event.path)", "return context.user_data.calls", before=before)
    runtime = serve(source, convention=NUCLIO)
    runtime.invoke(request("/1"))
    assert ["init", "/1", "/2"] == json.loads(received(runtime.invoke(request("/2")))[2])


def test_init_context_fails(fail: Fail) -> None:
    """It is an init error of the exception's own type."""
    failed = fail(handler("pass", before="def init_context(context): raise LookupError('no')\n"), convention=NUCLIO)
    assert ("LookupError", "no") == (failed.type, failed.report["errorMessage"])


def test_context(ask: Ask) -> None:
    """What else is in it."""
    source = handler("return [context.worker_id, context.trigger_name, context.trigger.kind, context.platform.kind]")
    assert ["0", "default-http", "http", "local"] == json.loads(received(ask(source, request(), convention=NUCLIO))[2])


def test_async(serve: Serve) -> None:
    """The event loop lives as long as the environment."""
    source = (
        "import asyncio\nloops = set()\n"
        "async def handler(context, event):\n"
        "    loops.add(asyncio.get_running_loop())\n    return str(len(loops))\n"
    )
    runtime = serve(source, convention=NUCLIO)
    assert [b"1", b"1"] == [received(runtime.invoke(request()))[2] for _ in range(2)]


@pytest.mark.parametrize("handler_string", ["package.main:handle", "package.main.handle"])
def test_handler_strings(ask: Ask, handler_string: str) -> None:
    """With a colon, as Nuclio writes it, or with a dot."""
    files = {"package/__init__.py": "", "package/main.py": "def handle(context, event): return 'here'\n"}
    assert b"here" == received(ask(files, request(), handler_string, NUCLIO))[2]


def test_no_such_function(fail: Fail) -> None:
    """The init error says what there is."""
    failed = fail({"main.py": "def handler(context, event): ...\n"}, "main:handle", NUCLIO)
    assert "Runtime.HandlerNotFound" == failed.type
    assert "handler" in failed.report["errorMessage"]


def test_the_sdk_is_missing(fail: Fail) -> None:
    """The init error says what to install."""
    failed = fail({"app.py": handler("pass"), "nuclio_sdk.py": "raise ImportError('not here')\n"}, convention=NUCLIO)
    assert "Runtime.ImportModuleError" == failed.type
    assert "install nuclio-sdk" in failed.report["errorMessage"]


def test_log(serve: Serve) -> None:
    """Records reach the log once, with their fields."""
    lines = ("context.logger.info_with('seen %d', 7, path=event.path)", "context.logger.info_with('%s', 1, 2, a=1)")
    runtime = serve(handler(*lines, "return 'fine'"), convention=NUCLIO)
    assert b"fine" == received(runtime.invoke(request("/x")))[2]  # logging reports the wrong arguments by itself
    found = [line for line in runtime.end().splitlines() if "seen 7" in line]
    assert (1, "[INFO]", True) == (len(found), found[0].split("\t")[0], "{'path': '/x'}" in found[0])


def test_log_as_json(serve: Serve) -> None:
    """The fields are fields; a record below the level is left out."""
    env = {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "WARN"}
    source = handler("context.logger.info('not this')", "context.logger.warn_with('this', a=1)")
    runtime = serve(source, convention=NUCLIO, env=env)
    runtime.invoke(request())
    log = runtime.end()
    record = next(json.loads(line) for line in log.splitlines() if '"this"' in line)
    assert ("this", {"a": 1}, False) == (record["message"], record["with"], "not this" in log)


def test_termination_callback(serve: Serve) -> None:
    """It is called when the environment ends."""
    before = (
        "def init_context(context):\n"
        "    context.platform.set_termination_callback(lambda: print('the end', flush=True))\n"
    )
    runtime = serve(handler("return 'x'", before=before), convention=NUCLIO)
    runtime.invoke(request())
    assert "the end" in runtime.end()
