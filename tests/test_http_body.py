"""`HANDLER_HTTP_BODY=1`: functions and scripts that know nothing of HTTP, behind HTTP events of every kind."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.http_events import changed, delivered
from support.local import ServerProcess, client
from support.runtime import Answer, Ask, Fail, Serve

from dispatch import Invocation, http
from dispatch.load import load

ON = {"HANDLER_HTTP_BODY": "1"}
STREAMING = {**ON, "HANDLER_INVOKE_MODE": "RESPONSE_STREAM"}
TEXT = ("content-type", "text/plain; charset=utf-8")
OCTETS = ("content-type", "application/octet-stream")

HANDLERS = """
import dispatch

def handler(event, headers):
    return event.upper()

def as_bytes(event, headers):
    return event.encode()[::-1]

def typed(event, headers):
    return headers["Content-Type"] + str(len(event))

def page(event, headers):
    return dispatch.HTTPResponse(201, {"Content-Type": "text/html"}, ["a=1", "b=2"], f"<p>{event}</p>")

def untyped(event, headers):
    return dispatch.HTTPResponse(404, body=event)

def words(event, headers):
    yield from event.split()

def fails_late(event, headers):
    yield "begun"
    raise LookupError(event)

def number(event, headers):
    return 1

def refused(event, headers):
    return dispatch.HTTPResponse(200, {"x-name": "\\u4e16"})

def known(event, headers):
    invocation = dispatch.current()
    same = invocation.headers is headers and invocation.body == event.encode() and invocation.remaining_time < 600
    dispatch.after_response(lambda: print("deferred", dispatch.current().headers.get("x-own")))
    return f"{same} {invocation.request_id} {headers.get('x-own')} {headers.get('lambda-runtime-made-up')}"

def known_streaming(event, headers):
    for _ in range(2):
        yield f"{dispatch.current().headers is headers} "

def copies(input, output, headers):
    while chunk := input.read(2):
        output.write(chunk + b".")
        output.flush()
"""


def posted(kind: str, body: bytes, content_type: str = "text/csv", method: str = "POST", **headers: str) -> bytes:
    """The event of a request with this body."""
    sent = http.Request(method, "/", "", [("content-type", content_type), *headers.items()], body, host="example.com")
    return json.dumps(http.event(sent, kind)).encode()


def got(answer: Answer, kind: str = http.FUNCTION_URL) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, headers and body that the caller gets of an answer."""
    assert answer.kind == "response", answer.body
    return delivered(kind, json.loads(answer.body))


def streamed(answer: Answer) -> tuple[dict[str, Any], bytes]:
    """The prelude and the body of a streamed answer."""
    assert answer.request.header("Content-Type") == "application/vnd.awslambda.http-integration-response"
    prelude, _, body = answer.body.partition(b"\0" * 8)
    return json.loads(prelude), body


@pytest.mark.parametrize("kind", http.KINDS)
def test_every_kind(kind: str, serve: Serve) -> None:
    """The body is the event, the answer is the body in the format of the event, text or base64."""
    runtime = serve(HANDLERS, env=ON)
    assert (200, [TEXT], "ÄÖ,1\r\n".encode()) == got(runtime.invoke(posted(kind, "äö,1\r\n".encode())), kind)
    assert (200, [TEXT], b"") == got(runtime.invoke(posted(kind, b"", method="GET")), kind)


def test_bytes(ask: Ask) -> None:
    """Bytes have the type of bytes, whatever is in them."""
    assert (200, [OCTETS], b"cba") == got(ask(HANDLERS, posted(http.ALB, b"abc"), "app.as_bytes", env=ON), http.ALB)


def test_base64_in_and_out(ask: Ask) -> None:
    """A binary request's body reaches a script as its bytes, and what is not text comes back as it was written."""
    source = {"cat.py": "import sys\nsys.stdout.buffer.write(sys.stdin.buffer.read() + b'\\xff')\n"}
    event = posted(http.REST_API, b"\x89PNG\0\xff", "image/png")
    assert json.loads(event)["isBase64Encoded"]
    answer = ask(source, event, "cat.py", env=ON)
    assert json.loads(answer.body)["isBase64Encoded"]
    assert (200, [OCTETS], b"\x89PNG\0\xff\xff") == got(answer, http.REST_API)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (b"caf\xc3\xa9", TEXT),
        (b"", TEXT),
        (b"caf\xe9", OCTETS),
        (b"PK\3\4\0", OCTETS),
    ],
)
def test_type_of_output(output: bytes, expected: tuple[str, str], ask: Ask) -> None:
    """What a script or a stream writes is text if it can be decoded and has no NUL, else octets."""
    source = f"import sys\nsys.stdout.buffer.write({output!r})\n"
    assert (200, [expected], output) == got(ask({"it.py": source}, posted(http.HTTP_API, b""), "it.py", env=ON))
    function = f"def handler(input, output, headers):\n    output.write({output!r})\n"
    assert (200, [expected], output) == got(ask(function, posted(http.HTTP_API, b""), "app.handler", "stream", env=ON))


SHOUT = 'shout() { printf \'%s, %s %s\' "${1^^}" "$HTTP_X_OWN" "${LAMBDA_RUNTIME_MADE_UP-}"; cat >&2; }\n'


def test_programs(serve: Serve) -> None:
    """A program gets the body on standard input and the request's headers as CGI has them; it is told no lies."""
    runtime = serve({"none": ""}, "tr a-z A-Z", "process", env=ON)
    assert (200, [TEXT], b"A,B\r\n") == got(runtime.invoke(posted(http.FUNCTION_URL, b"a,b\r\n")))
    assert (200, [OCTETS], b"\xff\0A") == got(runtime.invoke(posted(http.ALB, b"\xff\0a", "image/png")), http.ALB)
    assert b"NOT HTTP" == runtime.invoke(b"not http").body


def test_shell_functions(serve: Serve) -> None:
    """A shell function gets the body as its argument and on standard input."""
    event = posted(http.HTTP_API, b"hi", **{"x-own": "mine", "lambda-runtime-made-up": "1"})
    runtime = serve({"function.sh": SHOUT}, "function.shout", "shell", env=ON)
    assert (200, [TEXT], b"HI, mine ") == got(runtime.invoke(event))
    assert b"{},  " == runtime.invoke(b"{}").body
    assert "hi" in runtime.end()


def test_program_that_fails_midway(serve: Serve) -> None:
    """Streamed, the failure is in the trailers; buffered, it is an ordinary error."""
    event = posted(http.FUNCTION_URL, b"")
    command = "sh -c 'echo begun; exec 1>&-; exit 3'"
    answer = serve({"none": ""}, command, "process", env=STREAMING).invoke(event)
    assert (b"begun\n", "Runtime.ExitError") == (
        streamed(answer)[1],
        answer.request.trailers["lambda-runtime-function-error-type"],
    )
    assert "Runtime.ExitError" == serve({"none": ""}, command, "process", env=ON).invoke(event).report["errorType"]


def test_encoding(ask: Ask) -> None:
    """Text is in the encoding that is set, and the content type names it."""
    event = posted(http.FUNCTION_URL, b"\xe9", "application/x-latin")
    answer = ask(HANDLERS, event, env={**ON, "HANDLER_ENCODING": "latin-1"})
    assert (200, [("content-type", "text/plain; charset=latin-1")], b"\xc9") == got(answer)


def test_headers_of_the_caller(ask: Ask) -> None:
    """The headers are the request's, in any case; the Runtime API's own come with them and cannot be faked."""
    event = posted(
        http.FUNCTION_URL, b"ab", "text/csv", **{"x-own": "mine", "Lambda-Runtime-Aws-Request-Id": "0", "lambda-runtime-made-up": "1"}
    )  # fmt: skip
    assert b"text/csv2" == got(ask(HANDLERS, event, "app.typed", env=ON))[2]
    answer = ask(HANDLERS, event, "app.known", env=ON)
    assert f"True {answer.request.route.split('/')[-2]} mine None".encode() == got(answer)[2]


def test_deferred_calls(serve: Serve) -> None:
    """What is deferred until after the answer runs, and has the same invocation as current."""
    runtime = serve(HANDLERS, "app.known", env=ON)
    runtime.invoke(posted(http.FUNCTION_URL, b"", **{"x-own": "mine"}))
    for _ in range(2):  # with the second event, the first one's deferred calls have run
        runtime.invoke(b"not HTTP")
    deferred = [line for line in runtime.end().splitlines() if "deferred" in line]
    assert ["deferred mine", "deferred None"] == deferred[:2]


@pytest.mark.parametrize("event", [b'{"a": 1}', b"[1, 2]", b"a,b\r\n", b"", b"\xc3\xa4"])
@pytest.mark.parametrize("env", [ON, STREAMING], ids=["buffered", "streamed"])
def test_other_events(event: bytes, env: Mapping[str, str], ask: Ask) -> None:
    """An event that is not HTTP is handled as if the variable were not set."""
    assert event.decode().upper().encode() == ask(HANDLERS, event, env=env).body


def test_off(ask: Ask) -> None:
    """Without the variable the event is the event."""
    event = posted(http.FUNCTION_URL, b"ab")
    assert event.decode().upper().encode() == ask(HANDLERS, event).body
    assert event.decode().upper().encode() == ask(HANDLERS, event, env={"HANDLER_HTTP_BODY": "0"}).body


def test_wrong_value(fail: Fail) -> None:
    """A value that is neither 0 nor 1 is an init error."""
    failed = fail(HANDLERS, env={"HANDLER_HTTP_BODY": "yes"})
    assert ("Runtime.InvalidSetting", "HANDLER_HTTP_BODY is 'yes'; allowed: 0, 1") == (
        failed.type,
        failed.report["errorMessage"],
    )


@pytest.mark.parametrize("kind", http.KINDS)
def test_http_response(kind: str, serve: Serve) -> None:
    """An HTTPResponse sets status, headers and cookies, in every format."""
    cookies = [("set-cookie", "a=1"), ("set-cookie", "b=2")]
    answer = serve(HANDLERS, "app.page", env=ON).invoke(posted(kind, b"hi"))
    assert (201, [("content-type", "text/html"), *cookies], b"<p>hi</p>") == got(answer, kind)


def test_http_response_without_a_type(ask: Ask) -> None:
    """One without a content type gets that of its body: function URLs would say that it is JSON."""
    assert (404, [TEXT], b"hi") == got(ask(HANDLERS, posted(http.HTTP_API, b"hi"), "app.untyped", env=ON))


def test_script_with_an_http_response(ask: Ask) -> None:
    """A script's `main()` may set the status, too; what it has printed comes first."""
    source = "import dispatch\ndef main():\n    print('said')\n    return dispatch.HTTPResponse(202, body='more')\n"
    assert (202, [TEXT], b"said\nmore") == got(ask({"it.py": source}, posted(http.ALB, b""), "it.py", env=ON), http.ALB)


def test_head(ask: Ask) -> None:
    """The answer to HEAD has no body."""
    assert (200, [TEXT], b"") == got(ask(HANDLERS, posted(http.HTTP_API, b"abc", method="HEAD"), "app.handler", env=ON))


def test_generators(serve: Serve) -> None:
    """A generator's items are joined, and streamed if the function's invoke mode says so."""
    event = posted(http.FUNCTION_URL, b"one two")
    assert (200, [TEXT], b"onetwo") == got(serve(HANDLERS, "app.words", env=ON).invoke(event))
    head, body = streamed(serve(HANDLERS, "app.words", env=STREAMING).invoke(event))
    assert (200, {"content-type": "text/plain; charset=utf-8"}, b"onetwo") == (
        head["statusCode"],
        head["headers"],
        body,
    )


@pytest.mark.parametrize(
    ("handler", "convention", "expected"),
    [
        ("app.handler", "standard", ({"content-type": "text/plain; charset=utf-8"}, b"ABC")),
        ("app.as_bytes", "standard", ({"content-type": "application/octet-stream"}, b"cba")),
        ("app.copies", "stream", ({"content-type": "text/plain; charset=utf-8"}, b"ab.c.")),
        ("event + event", "expression", ({"content-type": "text/plain; charset=utf-8"}, b"abcabc")),
        ("app.known_streaming", "standard", ({"content-type": "text/plain; charset=utf-8"}, b"True True ")),
        ("app.page", "standard", ({"Content-Type": "text/html"}, b"<p>abc</p>")),
    ],
)
def test_streaming_mode(handler: str, convention: str, expected: tuple[dict[str, str], bytes], ask: Ask) -> None:
    """In the streaming mode every answer goes behind a prelude, also one that is complete at once."""
    head, body = streamed(ask(HANDLERS, posted(http.FUNCTION_URL, b"abc"), handler, convention, env=STREAMING))
    assert expected == (head["headers"], body)


def test_streamed_cookies(ask: Ask) -> None:
    """Status and cookies are in the prelude."""
    head, _ = streamed(ask(HANDLERS, posted(http.FUNCTION_URL, b""), "app.page", env=STREAMING))
    assert (201, ["a=1", "b=2"]) == (head["statusCode"], head["cookies"])


def test_failures(serve: Serve) -> None:
    """A failure is an ordinary error; buffered, also one after the first item, and streamed it is in the trailers."""
    event = posted(http.FUNCTION_URL, b"why")
    assert "LookupError" == serve(HANDLERS, "app.fails_late", env=ON).invoke(event).report["errorType"]
    answer = serve(HANDLERS, "app.fails_late", env=STREAMING).invoke(event)
    assert (b"begun", "LookupError") == (
        streamed(answer)[1],
        answer.request.trailers["lambda-runtime-function-error-type"],
    )
    for env in (ON, STREAMING):
        assert "Runtime.MarshalError" == serve(HANDLERS, "app.number", env=env).invoke(event).report["errorType"]
        report = serve(HANDLERS, "app.refused", env=env).invoke(event).report
        assert ("Runtime.MarshalError", True) == (report["errorType"], "over HTTP" in report["errorMessage"])


def test_malformed_event(ask: Ask) -> None:
    """An HTTP event with a broken field is named as one."""
    event = json.dumps(changed(http.FUNCTION_URL, body="#", isBase64Encoded=True)).encode()
    report = ask(HANDLERS, event, env=ON).report
    assert ("Runtime.UnmarshalError", True) == (report["errorType"], "not base64" in report["errorMessage"])


def test_large_answer(ask: Ask) -> None:
    """What base64 makes too large is named with its size, like any large answer."""
    source = "def handler(event, headers):\n    return b'\\xff' * 5_000_000\n"
    report = ask(source, posted(http.FUNCTION_URL, b""), env=ON).report
    assert "Function.ResponseSizeTooLarge" == report["errorType"]


def test_in_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function that a program calls itself has the same invocation as current while it streams."""
    monkeypatch.setenv("HANDLER_HTTP_BODY", "1")
    monkeypatch.setenv("HANDLER_INVOKE_MODE", "RESPONSE_STREAM")
    (tmp_path / "http_body_app.py").write_text(HANDLERS)
    function = load("http_body_app.known_streaming", str(tmp_path))
    body = function(Invocation(posted(http.FUNCTION_URL, b""))).read()
    assert b"True True " == body.partition(b"\0" * 8)[2]


def test_nothing_is_wrapped_without_it(tmp_path: Path) -> None:
    """Without the variable the handler is the convention's own, at no cost."""
    (tmp_path / "http_body_off.py").write_text("def handler(event, headers):\n    return event\n")
    handler: Callable[..., Any] = load("http_body_off.handler", str(tmp_path)).handler
    assert "conventions.standard" == handler.__module__


def test_own_packages(ask: Ask) -> None:
    """It works beside modules of the user's own that have our packages' names."""
    own = {"conventions/__init__.py": "", "dispatch.py": "", "runtime.py": ""}
    answer = ask({**own, "app.py": HANDLERS.replace("import dispatch", "")}, posted(http.HTTP_API, b"ab"), env=ON)
    assert (200, [TEXT], b"AB") == got(answer)


def test_function_url(tmp_path: Path) -> None:
    """A CSV file and an image reach a script through a function URL of the local platform."""
    (tmp_path / "size.py").write_text("import sys\nprint(len(sys.stdin.buffer.read()))\n")
    with (
        ServerProcess(tmp_path, "size.py", "--env", "HANDLER_HTTP_BODY=1") as server,
        client(server.host) as caller,
    ):
        for body in (b"a,b\r\n1,2\r\n", bytes(range(256))):
            answer = caller.call("POST", "/lambda-url/function/", body, {"Content-Type": "application/x-any"})
            assert (200, f"{len(body)}\n".encode()) == (answer.status, answer.body)
            assert "text/plain; charset=utf-8" == answer.headers["content-type"]
