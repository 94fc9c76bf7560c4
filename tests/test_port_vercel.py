"""The convention vercel beside http.server and Vercel's own runtime, and what no request to those shows."""

from __future__ import annotations

import base64
import json
import re
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.files import write
from support.http_events import EVENTS, delivered
from support.local import ServerProcess
from support.ports import REQUESTS, SAMPLES, answers, differing, documented, ours, peer, python
from support.process import Child
from support.runtime import COMMAND, Fail, Runtime, Serve
from support.runtime import Ask as AskOnce
from support.web import Ask, Got

from dispatch import http

#: The server whose handler the class is.
SERVER = (
    "from http.server import ThreadingHTTPServer; from {module} import handler; "
    "ThreadingHTTPServer(('127.0.0.1', {{port}}), handler).serve_forever()"
)


@pytest.fixture(scope="module")
def http_server() -> Iterator[str]:
    """The standard library's server."""
    with peer(python("-c", SERVER.format(module="api.index")), cwd=SAMPLES / "vercel") as host:
        yield host


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The local platform with the function."""
    with ours(tmp_path_factory.mktemp("vercel"), "vercel", "api/index.handler") as one:
        yield one


@pytest.fixture(scope="module")
def reference(http_server: str) -> Mapping[str, Got | str]:
    """What the standard library's server answers."""
    return answers(http_server)


@pytest.mark.parametrize("function", ["buffered", "streamed"])
def test_requests(function: str, reference: Mapping[str, Got | str], http_server: str, server: ServerProcess) -> None:
    """Status, headers and body are those of http.server, but for the rows of the page."""
    assert documented("vercel") == set(differing(reference, server, http_server, function))


@pytest.fixture
def vercel_s_own(tmp_path: Path) -> Iterator[str]:
    """Vercel's own runtime, which tells over a Unix socket which port it has chosen."""
    pytest.importorskip("vercel_runtime")
    path = SAMPLES / "vercel" / "api" / "index.py"
    environment = {
        "VERCEL_IPC_PATH": str(tmp_path / "ipc"),
        "__VC_HANDLER_ENTRYPOINT": "api/index.py",
        "__VC_HANDLER_ENTRYPOINT_ABS": str(path),
        "__VC_HANDLER_MODULE_NAME": "index",
        "__VC_HANDLER_VARIABLE_NAME": "handler",
    }
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(environment["VERCEL_IPC_PATH"])
        listening.listen()
        listening.settimeout(60)
        child = Child(python("-c", "import vercel_runtime.vc_init"), environment, tmp_path, merged=True)
        try:
            connection, _ = listening.accept()
            with connection, connection.makefile("rb") as messages:
                yield f"127.0.0.1:{started(messages)['httpPort']}"
        finally:
            child.kill()


def started(messages: Any) -> Any:
    """The first message of Vercel's runtime; a NUL ends each."""
    text = b"".join(iter(lambda: messages.read(1), b"\0"))
    message = json.loads(text)
    assert "server-started" == message["type"]
    return message["payload"]


def test_vercel_s_own_runtime_answers_likewise(reference: Mapping[str, Got | str], vercel_s_own: str) -> None:
    """So what is equal to http.server is equal to Vercel."""
    answers(vercel_s_own, asks={"first": REQUESTS["method-GET"]})  # which has a header with times
    assert reference == answers(vercel_s_own)


# ----------------------------------------------------------------------------------------------------------------------
# A handler that writes whatever it likes
# ----------------------------------------------------------------------------------------------------------------------

#: The method of each path writes bytes in its own way; http.server's client shows what they are.
ODD = """
    import sys
    from http.server import BaseHTTPRequestHandler

    class handler(BaseHTTPRequestHandler):
        def do_GET(self):
            getattr(self, self.path.strip("/").split("?")[0].replace("-", "_"))()

        do_HEAD = do_GET

        def do_POST(self):
            self.protocol_version = "HTTP/1.1"
            self.close_connection = False
            self.fine()

        def fine(self, length=4, body=b"fine"):
            self.send_response(200, "Fine")
            self.send_header("Content-Type", "x/y")  # a function URL adds one where there is none
            self.send_header("Content-Length", length)
            self.end_headers()
            self.wfile.write(body)

        def nothing(self): pass
        def raw(self): self.wfile.write(b"hello")
        def raw_line(self): self.wfile.write(b"hello\\n")
        def no_end(self): self.send_response(200)
        def body_first(self): self.wfile.write(b"hello"); self.fine()
        def header_first(self): self.send_header("X-A", "b"); self.fine()
        def two_statuses(self): self.send_response(200); self.fine()
        def status_only(self): self.send_response_only(202); self.end_headers()
        def bare(self): self.wfile.write(b"HTTP/1.0 200 Fine\\nContent-Type: x/y\\n\\nhello")
        def unknown_status(self): self.send_response(299); self.end_headers()
        def raw_length(self, length): self.wfile.write(b"HTTP/1.0 200 OK\\r\\nContent-Length: " + length + b"\\r\\n\\r\\nabc")
        def length_negative(self): self.raw_length(b"-3")
        def length_word(self): self.raw_length(b"three")
        def length_twice(self): self.raw_length(b"2\\r\\nContent-Length: 3")
        def length_alike(self): self.raw_length(b"0\\r\\nContent-Length: 0")
        def chunks_negative(self): self.chunks(b"-1\\r\\n")
        def short(self): self.fine(10)
        def long(self): self.fine(2)
        def pieces(self): self.fine(8, b"fi"); self.wfile.write(b"ne "); self.wfile.write(b"day")
        def no_content(self): self.send_response(204); self.end_headers(); self.wfile.write(b"but")
        def not_modified(self): self.send_response(304); self.send_header("ETag", '"a"'); self.end_headers()
        def injected(self): self.send_response(200); self.send_header("X-A", "b\\r\\nX-C: d"); self.end_headers()
        def folded(self): self.send_response(200); self.send_header("X-A", "b\\r\\n c"); self.end_headers()
        def empty_header(self): self.send_response(200); self.send_header("X-A", ""); self.end_headers()
        def bad_name(self): self.send_response(200); self.send_header("X A", "b"); self.end_headers()
        def no_name(self): self.send_response(200); self.send_header("", "b"); self.end_headers()
        def repeated(self):
            self.send_response(200)
            for value in "ab": self.send_header("Link", value)
            self.end_headers()
        def latin(self): self.send_response(200); self.send_header("X-A", "Gr\\xfc\\xdfe"); self.end_headers()
        def not_latin(self): self.send_response(200); self.send_header("X-A", "\\u20ac"); self.end_headers()
        def text(self): self.fine(4, "fine")
        def number(self): self.fine(4, 4)
        def array(self): self.fine(4, bytearray(b"fine"))
        def informational(self):
            self.protocol_version = "HTTP/1.1"
            self.send_response_only(103); self.end_headers()
            self.fine()
        def chunks(self, end=b"0\\r\\n\\r\\n"):
            self.protocol_version = "HTTP/1.1"
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.send_header("Content-Type", "x/y")
            self.end_headers()
            self.wfile.write(b"2\\r\\nfi\\r\\n3;a=b\\r\\nne \\r\\n1\\r\\n")
            self.wfile.write(b"!\\r\\n" + end)
        def chunks_trailers(self): self.chunks(b"0\\r\\nX-A: b\\r\\n\\r\\n")
        def chunks_cut(self): self.chunks(b""); self.close_connection = True
        def chunks_bad(self): self.chunks(b"zz\\r\\n")
        def fail_after(self): self.fine(); raise LookupError("after")
        def exit_after(self): self.fine(); sys.exit(1)
        def fail_before(self): raise LookupError("before")
        def fail_in_headers(self): self.send_response(200); raise LookupError("within")
        def exit_before(self): sys.exit(1)
        def late(self): raise TimeoutError
        def error(self): self.send_error(418, "Teapot <&>", "short & stout")
        def error_unknown(self): self.send_error(499)
        def wbuffered(self): self.fine(); self.wfile.flush()
        def close(self): self.fine(); self.wfile.close()
        def seen(self):
            seen = (self.requestline, self.command, self.path, self.request_version, self.headers["X-Own"])
            self.fine(len(repr(seen)), repr(seen).encode())
"""

ODD_REQUESTS = {
    **{
        name: Ask("GET", f"/{name}")
        for name in re.findall(r"def ([a-z]\w*)\(self[,)](?!.*do_)", ODD)
        if name[:3] != "do_"
    },
    **{f"{name}-head": Ask("HEAD", f"/{name}") for name in ("fine", "short", "error")},
    "no-method": Ask("PATCH", "/fine"),
    "lower-case": Ask("get", "/fine"),
    "slashes": Ask("GET", "//seen"),
    "escaped": Ask("GET", "/seen?a=%C3%BC&b=%20", (("x-own", "a"),)),
    "expected": Ask("POST", "/fine", (("expect", "100-continue"),)),
}
#: A connection for each: after a broken response it could not be used again.
ODD_REQUESTS = {
    name: ask._replace(headers=(*ask.headers, ("connection", "close"))) for name, ask in ODD_REQUESTS.items()
}


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ServerProcess]]:
    """The odd handler under http.server and under the local platform."""
    root = write(tmp_path_factory.mktemp("odd"), {"odd.py": ODD})
    tables = [
        f'[functions.{name}]\nhandler = "odd.handler"\nconvention = "vercel"\nconcurrency = 1\n'
        f"url = {{ streaming = {streams} }}\n"
        for name, streams in (("buffered", "false"), ("streamed", "true"))
    ]
    (root / "dispatch.toml").write_text("".join(tables))
    with (
        peer(python("-c", SERVER.format(module="odd")), cwd=root) as host,
        ServerProcess(root, "--no-reload") as server,
    ):
        yield host, server


@pytest.mark.parametrize("function", ["buffered", "streamed"])
def test_odd_responses(function: str, odd: tuple[str, ServerProcess]) -> None:
    """What a client of http.server can read is the answer, and 500 is one that it cannot read."""
    host, server = odd
    theirs = answers(host, asks=ODD_REQUESTS)
    found = answers(host, f"/lambda-url/{function}", server.host, ODD_REQUESTS)
    broken = {name for name, answer in theirs.items() if isinstance(answer, str)}
    assert {"nothing", "raw", "no_end", "short", "chunks_cut", "fail_before", "exit_before", "text"} <= broken
    if function == "streamed":
        broken -= {"short", "chunks_cut", "chunks_bad", "chunks_negative"}  # here, too, the client gets the beginning
    expected = {**theirs, **dict.fromkeys(broken, BROKEN)}
    assert {} == {name: (expected[name], found[name]) for name in expected if expected[name] != found[name]}


#: The answer where http.server closes the connection.
BROKEN = Got(500, {"content-type": "text/plain"}, b"Internal Server Error")


# ----------------------------------------------------------------------------------------------------------------------
# What is not in the requests
# ----------------------------------------------------------------------------------------------------------------------

#: A handler that answers with what it was called for, and fails where it is asked to.
SEEN = """
    import json, os
    from http.server import BaseHTTPRequestHandler

    class handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            if "fail" in body:
                raise ValueError("no luck")
            if "exit" in body:
                os.sys.exit(3)
            if "refuse" in body:
                return self.send_error(422)
            seen = {"path": self.path, "body": body, "server": [self.server.server_name, self.server.server_port],
                    "client": self.client_address[0]}
            self.send_response(200)
            self.send_header("Content-Type", "x/y")
            self.end_headers()
            self.wfile.write(json.dumps(seen).encode())

        async def do_PUT(self):
            import asyncio
            await asyncio.sleep(0)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"awaited")
"""

EVENT_BRIDGE = {"id": "1", "source": "shop", "detail-type": "placed", "detail": {"n": 1}}
SQS = {"Records": [{"eventSource": "aws:sqs", "messageId": "1", "body": "x"}]}
S3 = {"Records": [{"eventSource": "aws:s3", "s3": {"object": {"key": "k"}}}]}


def dumps(value: Any) -> bytes:
    """JSON in UTF-8."""
    return json.dumps(value).encode()


def request(kind: str, path: str = "/", body: bytes = b"", method: str = "POST") -> bytes:
    """An HTTP event of a kind."""
    headers = [("host", "example.com:8080")]
    return dumps(http.event(http.Request(method, path, headers=headers, body=body, client="203.0.113.7"), kind))


@pytest.fixture(scope="module")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """A runtime whose handler answers with what it sees."""
    root = write(tmp_path_factory.mktemp("seen"), {"api/index.py": SEEN})
    settings = {"HANDLER": "api/index.handler", "HANDLER_CONVENTION": "vercel", "HANDLER_EVENTS_PATH": "/jobs"}
    with Runtime(COMMAND, root, settings) as runtime:
        yield runtime


@pytest.mark.parametrize("kind", EVENTS)
def test_http(kind: str, seeing: Runtime) -> None:
    """A request of any kind reaches the method, with its body, its client and the server's name."""
    status, headers, body = delivered(kind, json.loads(seeing.invoke(request(kind, "/a%20b", "ü".encode())).body))
    assert (200, [("content-type", "x/y")]) == (status, headers)
    expected = {"path": "/a%20b", "body": "ü", "server": ["example.com", 8080], "client": "203.0.113.7"}
    assert expected == json.loads(body)


@pytest.mark.parametrize("event", [EVENT_BRIDGE, SQS, S3, {"n": 1}, [1], None, "fine"], ids=repr)
def test_other_events_are_posted(event: Any, seeing: Runtime) -> None:
    """An event that is not HTTP comes as JSON, and the body of the response is the answer."""
    answer = seeing.invoke(dumps(event))
    assert ("/jobs", event) == (json.loads(answer.body)["path"], json.loads(json.loads(answer.body)["body"]))
    assert "x/y" == answer.request.header("Content-Type")


@pytest.mark.parametrize(
    ("event", "kind", "message"),
    [
        (["fail"], "ValueError", "no luck"),
        (["exit"], "Runtime.ExitError", "sys.exit(3)"),
        (["refuse"], "ApplicationError", "POST /jobs with status 422"),
    ],
)
def test_function_errors(event: Any, kind: str, message: str, seeing: Runtime) -> None:
    """A failure at an event that is not HTTP is the function's; the next event is handled."""
    report = seeing.invoke(dumps(event)).report
    assert kind == report["errorType"]
    assert message in report["errorMessage"]
    assert "response" == seeing.invoke(dumps([1])).kind


def test_nothing_written_for_other_events(ask: AskOnce) -> None:
    """A handler that closes the connection without a response has failed."""
    source = ODD.replace("def do_POST(self):", "def do_POST(self):\n            return")
    report = ask(source, b"1", "app.handler", "vercel").report
    assert "Runtime.MarshalError" == report["errorType"]
    assert "the response does not begin with a status line and headers: " in report["errorMessage"]


@pytest.mark.parametrize("mode", ["BUFFERED", "RESPONSE_STREAM"])
def test_exceptions_over_http(mode: str, serve: Serve) -> None:
    """The log has the traceback, the next request is answered, and a complete response stands."""
    runtime = serve(ODD, "app.handler", "vercel", env={"HANDLER_INVOKE_MODE": mode})
    for path, status in (
        ("/fail_before", 500),
        ("/fail_after", 200),
        ("/exit_after", 200),
        ("/fine", 200),
        ("/raw", 500),
        ("/text", 500),
        ("/bad_name", 500),
        ("/short", 500 if mode == "BUFFERED" else 200),
    ):
        answer = runtime.invoke(request(http.FUNCTION_URL, path, method="GET"))
        assert (path, status) == (path, json.loads(answer.body.partition(b"\0")[0])["statusCode"])
    log = runtime.end()
    assert "GET /fail_before failed" in log
    assert "LookupError: before" in log
    assert {"app.py"} == set(re.findall(r'Traceback .*\n  File ".*/(.*?)"', log))
    assert "GET /fail_after failed after its response was complete" in log
    assert "LookupError: after" in log
    assert "the response does not begin with a status line and headers: 'hello'; call send_response()" in log
    assert "the response's headers have no end, or a line or a length that cannot be read: [('Server'" in log
    assert "the handler ended before the end of the body: 6 bytes are missing; write all" in log


MIDWAY = """
    from http.server import BaseHTTPRequestHandler

    class handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"begun")
            raise LookupError("midway")
"""


def test_exceptions_within_a_response(ask: AskOnce) -> None:
    """A response without a length is not complete if the handler fails, so it is a 500."""
    answer = json.loads(ask(MIDWAY, request(http.FUNCTION_URL, method="GET"), "app.handler", "vercel").body)
    assert (500, "Internal Server Error") == (answer["statusCode"], answer["body"])


def test_exceptions_within_a_stream(ask: AskOnce) -> None:
    """What has been sent stays; the failure is in the trailers."""
    env = {"HANDLER_INVOKE_MODE": "RESPONSE_STREAM"}
    answer = ask(MIDWAY, request(http.FUNCTION_URL, method="GET"), "app.handler", "vercel", env=env)
    assert answer.body.endswith(b"begun")
    assert "LookupError" == answer.request.trailers["lambda-runtime-function-error-type"]


STEPS = """
    from http.server import BaseHTTPRequestHandler

    class handler(BaseHTTPRequestHandler):
        wbufsize = -1

        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            for step in range(3):
                self.wfile.write(b"step %d\\n" % step)
                self.wfile.flush()
"""


@pytest.mark.parametrize("size", [0, -1])
def test_streaming(size: int, serve: Serve) -> None:
    """Each write is a part of its own, with a buffer each flush."""
    env = {"HANDLER_INVOKE_MODE": "RESPONSE_STREAM"}
    runtime = serve(STEPS.replace("wbufsize = -1", f"wbufsize = {size}"), "app.handler", "vercel", env=env)
    answer = runtime.invoke(request(http.FUNCTION_URL, method="GET"))
    prelude, _, first = answer.request.chunks[0].partition(b"\0" * 8)
    assert 200 == json.loads(prelude)["statusCode"]
    assert [b"step 0\n", b"step 1\n", b"step 2\n"] == [first, *answer.request.chunks[1:]]


@pytest.mark.parametrize("mode", ["BUFFERED", "RESPONSE_STREAM"])
def test_async_methods(mode: str, ask: AskOnce) -> None:
    """A method may be `async def`, which http.server would never run."""
    event = request(http.FUNCTION_URL, method="PUT")
    answer = ask(SEEN, event, "app.handler", "vercel", env={"HANDLER_INVOKE_MODE": mode})
    assert b"awaited" in answer.body


def test_the_rest_of_a_body_is_not_a_request(serve: Serve) -> None:
    """A handler of HTTP/1.1 that does not read the body answers only the request that came."""
    runtime = serve(ODD, "app.handler", "vercel")
    smuggled = b"GET /exit_before HTTP/1.1\r\n\r\n"
    answer = json.loads(runtime.invoke(request(http.FUNCTION_URL, "/", smuggled)).body)
    assert (200, b"fine") == (answer["statusCode"], base64.b64decode(answer["body"]))
    assert "exit_before" not in runtime.end()


@pytest.mark.parametrize("field", ["method", "header", "path"])
def test_line_ends_in_an_event(field: str, serve: Serve) -> None:
    """An event that only a program could have made cannot add headers or requests."""
    event = json.loads(request(http.FUNCTION_URL, "/seen", method="GET"))
    if field == "method":
        event["requestContext"]["http"]["method"] = "GET /fine HTTP/1.1\r\nX: "
    elif field == "header":
        event["headers"]["x"] = "1\r\nX-Own: injected"
    else:
        event["rawPath"] = "/seen HTTP/1.1\r\nX-Own: injected\r\n"
    runtime = serve(ODD, "app.handler", "vercel")
    answer = json.loads(runtime.invoke(dumps(event)).body)
    assert (500, "Internal Server Error") == (answer["statusCode"], answer["body"])
    assert (field != "path") == ("the event has a line end in the request's line or in a header" in runtime.end())


WSGI = "def app(environ, start_response): pass"
ASGI = "async def app(scope, receive, send): pass"


@pytest.mark.parametrize(
    ("source", "handler", "message"),
    [
        (WSGI, "app.app", "function <function app at 0x"),
        (WSGI, "app.app", "; set HANDLER_CONVENTION to wsgi"),
        (ASGI, "app.app", "; set HANDLER_CONVENTION to asgi"),
        (
            "class handler: pass",
            "app.handler",
            "not a class derived from http.server.BaseHTTPRequestHandler: type <class",
        ),
        ("handler = 7", "app.handler", "BaseHTTPRequestHandler: int 7; write the handler like api/index.handler"),
        (
            "from http.server import BaseHTTPRequestHandler as B\nclass Handler(B): pass",
            "app.handler",
            "it has: B, Handler",
        ),
    ],
)
def test_wrong_objects(source: str, handler: str, message: str, fail: Fail) -> None:
    """Any other object is an init error that says what there is."""
    failed = fail(source, handler, "vercel")
    assert "Runtime.HandlerNotFound" == failed.type
    assert message in failed.report["errorMessage"]
