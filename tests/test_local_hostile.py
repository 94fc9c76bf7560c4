"""What callers and functions may send that HTTP or JSON cannot express, and clients that leave or never go on."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.local import Client, ServerProcess, client
from support.process import await_true
from support.wire import PATIENCE

from runtime.local.function import FunctionConfig
from runtime.local.web import connection
from runtime.testing.lambda_service import lambda_service

FUNCTIONS = '''
import base64, json, os
import dispatch

def raw(event, headers):
    """The body of the request as the answer."""
    return base64.b64decode(json.loads(event)["body"])

def told(event, context):
    """What came with the event."""
    return {"pid": os.getpid(), "trace": os.environ["_X_AMZN_TRACE_ID"],
            "custom": context.client_context and context.client_context.custom}

def stream(event, context):
    """A streamed response of 50 MB, with the status that the body names."""
    def chunks():
        for _ in range(50):
            yield b"x" * 1024 * 1024
        print("streamed all")
    answer = {} if event.get("isBase64Encoded", True) or "body" not in event else json.loads(event["body"])
    return dispatch.HTTPResponse(answer.get("status", 200), answer.get("headers", {}), [], chunks())
'''
CONFIG = """
timeout = 30
concurrency = 1
[functions.raw]
handler = "functions.raw"
convention = "standard"
[functions.told]
handler = "functions.told"
convention = "lambda"
[functions.stream]
handler = "functions.stream"
convention = "lambda"
memory = 512
concurrency = 8
[functions.one]
handler = "functions.stream"
convention = "lambda"
memory = 512
"""
DEEP = "[" * 200_000 + "]" * 200_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for all; in the end, no traceback of ours was written."""
    root = tmp_path_factory.mktemp("hostile") / os.fsdecode(b"\xff")
    root.mkdir()
    (root / "functions.py").write_text(FUNCTIONS)
    (root / "dispatch.toml").write_text(CONFIG)
    with ServerProcess(root, "--no-reload", "--env", os.fsdecode(b"BYTES=\xff")) as one:
        yield one
    assert [] == [line for line in one.lines if "ASGI" in line or "never retrieved" in line or "site-packages" in line]


@pytest.fixture
def caller(server: ServerProcess) -> Iterator[Client]:
    """A connection to it."""
    with client(server.host) as one:
        yield one


# -- answers of function URLs

HEADERS = '{"statusCode": 200, "headers": {%s}}'
BAD_ANSWERS = {
    "status-infinite": '{"statusCode": 1e999}',
    "status-nan": '{"statusCode": NaN}',
    "status-surrogate": '{"statusCode": "\\ud800"}',
    "status-list": '{"statusCode": [200]}',
    "status-null": '{"statusCode": null}',
    "status-true": '{"statusCode": true}',
    "status-long": '{"statusCode": %s}' % ("9" * 5000),
    "status-100": '{"statusCode": 100}',
    "body-surrogate": '{"statusCode": 200, "body": "\\ud800"}',
    "body-base64": '{"statusCode": 200, "body": "é", "isBase64Encoded": true}',
    "header-beyond-latin-1": HEADERS % '"a": "€"',
    "header-name-beyond-ascii": HEADERS % '"ä": "b"',
    "header-name-empty": HEADERS % '"": "b"',
    "header-name-blank": HEADERS % '"a b": "b"',
    "header-line-end": HEADERS % r'"a": "b\r\nc: d"',
    "header-nul": HEADERS % r'"a": "\u0000"',
    "content-type-line-end": HEADERS % r'"Content-Type": "a\nb"',
    "location-surrogate": HEADERS % r'"Location": "/\udfff"',
    "cookie-line-end": r'{"statusCode": 200, "cookies": ["a=b\nc"]}',
    "cookie-surrogate": r'{"statusCode": 200, "cookies": ["\ud800"]}',
    "headers-number": '{"statusCode": 200, "headers": 5}',
    "cookies-number": '{"statusCode": 200, "cookies": 5}',
    "deep": DEEP,
    "deep-header": HEADERS % f'"a": {DEEP}',
    "no-utf-8": b'{"statusCode": 200, "body": "\xff"}',
}


@pytest.mark.parametrize("answer", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_an_answer_that_http_cannot_express_is_a_bad_gateway(caller: Client, answer: str | bytes) -> None:
    """Each is status 502, and the connection goes on."""
    data = answer.encode("utf-8", "surrogatepass") if isinstance(answer, str) else answer
    got = caller.call("POST", "/lambda-url/raw/", base64.b64encode(data), {"Content-Type": "text/plain"})

    assert (502, b"Internal Server Error") == (got.status, got.body)


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        ({"statusCode": 204, "body": "x"}, 204, b""),
        ({"statusCode": 304, "body": "x"}, 304, b""),
        (
            {"statusCode": 200, "headers": {"Transfer-Encoding": "chunked", "Content-Length": "x"}, "body": "y"},
            200,
            b"y",
        ),
        ({"statusCode": 200, "headers": {"X-A": "\u00e4"}, "body": "\u20ac"}, 200, "\u20ac".encode()),
    ],
)
def test_an_answer_that_http_can_express_is_sent(caller: Client, answer: object, status: int, body: bytes) -> None:
    """A status without a body has none, and how the body is framed is the server's."""
    data = base64.b64encode(json.dumps(answer).encode())
    got = caller.call("POST", "/lambda-url/raw/", data, {"Content-Type": "text/plain"})

    assert (status, body) == (got.status, got.body)
    assert 200 == caller.call("GET", "/health").status


@pytest.mark.parametrize(
    "answer", [b"1" * 5000, b'{"a": -%b}' % (b"1" * 5000), b'{"statusCode": 200, "a": %b}' % (b"1" * 5000)]
)
def test_an_answer_may_have_integers_of_any_length(caller: Client, answer: bytes) -> None:
    """Python reads 4,300 digits; what is its own body is sent as it is."""
    got = caller.call("POST", "/lambda-url/raw/", base64.b64encode(answer), {"Content-Type": "text/plain"})

    assert (200, b"" if b"statusCode" in answer else answer) == (got.status, got.body)


def test_a_length_that_is_none_is_not_sent_to_a_head_request(caller: Client) -> None:
    """One of more digits than any file needs stays under the name that Lambda gives it."""
    answer = {"statusCode": 200, "headers": {"Content-Length": "9" * 5000}}
    got = caller.call(
        "HEAD", "/lambda-url/raw/", base64.b64encode(json.dumps(answer).encode()), {"Content-Type": "text/plain"}
    )

    assert (200, "9" * 5000) == (got.status, got.headers["x-amzn-remapped-content-length"])


@pytest.mark.parametrize("head", [{"status": 204}, {"status": 200, "method": "HEAD"}])
def test_a_stream_without_a_body_is_read_first(caller: Client, head: dict[str, object]) -> None:
    """Its caller has the whole response with the head, and the next event finds the function free."""
    for _ in range(3):
        method = str(head.get("method", "POST"))
        got = caller.call(method, "/lambda-url/one/", json.dumps(head), {"Content-Type": "application/json"})
        assert (head["status"], b"") == (got.status, got.body)


# -- values that callers give


def encoded(text: str) -> str:
    """Text as a client context is sent."""
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("X-Amzn-Trace-Id", "\x85abc", 200),
        ("X-Amzn-Trace-Id", "a\tb\xa0", 200),
        ("X-Amz-Client-Context", encoded(r'{"custom": {"a": "\ud800\u2028\u0085"}}'), 200),
        ("X-Amz-Client-Context", encoded(r'"\ud800"'), 400),
        ("X-Amz-Client-Context", encoded("[]"), 400),
        ("X-Amz-Client-Context", encoded("[" * 1200 + "]" * 1200), 400),
        ("X-Amz-Client-Context", "\xe9", 400),
        ("X-Amz-Cognito-Identity", "\x85", 400),
        ("X-Amz-Tenant-Id", "\x85", 400),
        ("x-amzn-RequestId", "\x85", 400),
        ("X-Amz-Invocation-Type", "\x85", 400),
        ("X-Amz-Log-Type", "\x85", 200),
    ],
)
def test_no_header_of_a_caller_ends_the_environment(caller: Client, header: str, value: str, status: int) -> None:
    """It is passed on, cleaned, or refused; the next event is handled in the same process."""
    path = "/2015-03-31/functions/told/invocations"
    before = caller.call("POST", path, "{}").json
    got = caller.call("POST", path, "{}", {header: value})

    assert status == got.status
    assert "x-amz-function-error" not in got.headers
    assert before["pid"] == caller.call("POST", path, "{}").json["pid"]


@pytest.mark.parametrize(
    "path",
    [
        "/2015-03-31/functions/told/invocations",
        "/2021-11-15/functions/told/response-streaming-invocations",
        "/_dispatch/invoke/told",
        "/2015-03-31/event-source-mappings/",
    ],
)
def test_json_that_is_too_deep_is_a_bad_request(caller: Client, path: str) -> None:
    """200,000 nested lists are no event that anybody could read."""
    assert 400 == caller.call("POST", path, DEEP).status


@pytest.mark.parametrize(
    "fields",
    [
        '{"FunctionName": 5}',
        r'{"FunctionName": "\ud800"}',
        '{"FunctionName": "told", "EventSourceArn": 5}',
        '{"FunctionName": "told", "EventSourceArn": "arn:aws:sqs:us-east-1:012345678912:q", "BatchSize": "x"}',
        '{"FunctionName": "told", "EventSourceArn": "a", "FunctionResponseTypes": 5}',
        '{"BatchSize": %s}' % ("9" * 5000),
        r'{"\ud800": 1}',
    ],
)
def test_an_event_source_of_wrong_types_is_a_bad_request(caller: Client, fields: str) -> None:
    """Each field is checked before it is used."""
    got = caller.call("POST", "/2015-03-31/event-source-mappings/", fields)

    assert (400, "InvalidParameterValueException") == (got.status, got.headers["x-amzn-errortype"]) or (
        400,
        "InvalidRequestContentException",
    ) == (got.status, got.headers["x-amzn-errortype"])


@pytest.mark.parametrize(
    "arn", [r"arn:aws:sqs:us-east-1:012345678912:\ud800", r"arn:aws:sqs:us-east-1:1:\u001b[31m", "arn:aws:sqs:a b:1:q"]
)
def test_an_event_source_has_an_arn_of_visible_characters(caller: Client, arn: str) -> None:
    """What is written into the log, and into answers, can be."""
    fields = f'{{"FunctionName": "told", "Enabled": false, "EventSourceArn": "{arn}"}}'
    got = caller.call("POST", "/2015-03-31/event-source-mappings/", fields)

    assert (400, "InvalidParameterValueException") == (got.status, got.headers["x-amzn-errortype"])
    assert "not the name, URL or ARN of a queue" in got.json["message"]


@pytest.mark.parametrize("qualifier", ["%D9%A3", "%ff", "%0d%0aX:%20y", "a%20b", "x" * 129])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/2015-03-31/functions/told/invocations"),
        ("POST", "/2021-11-15/functions/told/response-streaming-invocations"),
        ("GET", "/2015-03-31/functions/told"),
    ],
)
def test_a_malformed_qualifier_is_a_bad_request(caller: Client, method: str, path: str, qualifier: str) -> None:
    """A digit of another script is no version."""
    got = caller.call(method, f"{path}?Qualifier={qualifier}", "{}" if method == "POST" else None)

    assert (400, "InvalidParameterValueException") == (got.status, got.headers["x-amzn-errortype"])


@pytest.mark.parametrize("path", ["/2015-03-31/functions/", "/2015-03-31/functions/told", "/_dispatch/state"])
def test_text_of_the_system_that_is_not_utf_8_can_be_shown(caller: Client, path: str) -> None:
    """The folder of the functions and a variable have such bytes."""
    got = caller.call("GET", path)

    assert 200 == got.status
    assert got.json


@pytest.mark.parametrize(
    "host", ["localhost:" + "9" * 5000, "raw.lambda-url.localhost:" + "9" * 5000, "localhost:\xb2"]
)
def test_a_port_that_is_none_is_passed_over(caller: Client, host: str) -> None:
    """The event of a function URL has the header as it came."""
    got = caller.call("POST", "/lambda-url/raw/", base64.b64encode(b"1"), {"Host": host, "Content-Type": "text/plain"})

    assert (200, b"1") == (got.status, got.body)


@pytest.mark.parametrize(
    ("header", "value"),
    [("Host", "["), ("Host", "[x]"), ("Host", ""), ("Origin", "http://["), ("Origin", "//[::1"), ("Origin", "null")],
)
def test_a_malformed_host_or_origin_is_forbidden(caller: Client, header: str, value: str) -> None:
    """What cannot be read is neither this machine nor our own page."""
    assert 403 == caller.call("GET", "/health", None, {header: value}).status


# -- connections

HEAD = b"POST /2015-03-31/functions/%b/invocations HTTP/1.1\r\nHost: localhost\r\n"
LARGE = {
    "value": [HEAD % b"told" + b"X: " + b"a" * 100_000 + b"\r\n\r\n"],
    "value without an end": [HEAD % b"told" + b"X: ", *[b"a" * 10_000] * 20],
    "many": [HEAD % b"told" + b"".join(b"X%d: a\r\n" % number for number in range(20_000)) + b"\r\n"],
    "target": [b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n"],
    "trailer": [
        HEAD % b"told" + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: " + b"a" * 100_000 + b"\r\n\r\n"
    ],
}


def connect(host: str, buffer: int = 0) -> socket.socket:
    """A bare connection, with a small buffer where one is asked for."""
    name, port = host.split(":")
    sock = socket.socket()
    sock.settimeout(PATIENCE)
    if buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    sock.connect((name, int(port)))
    return sock


def rest(sock: socket.socket, end: bytes = b"nothing") -> bytes:
    """What comes until the other side closes, or until an end."""
    parts = b""
    while not parts.endswith(end) and (part := sock.recv(65536)):
        parts += part
    return parts


@pytest.mark.parametrize("pieces", LARGE.values(), ids=LARGE)
def test_a_head_has_a_limit(server: ServerProcess, pieces: list[bytes]) -> None:
    """Whatever part of it is too large, the answer is status 431, and the connection is closed."""
    with connect(server.host) as sock:
        for piece in pieces:
            sock.sendall(piece)
        assert b"HTTP/1.1 431 " == sock.recv(13)


def test_a_client_that_has_sent_all_gets_its_answer(server: ServerProcess) -> None:
    """It may close its side before; what it sent in part is given up without a word."""
    whole, part = (HEAD % b"told" + b"Content-Length: 2\r\n\r\n" + body for body in (b"{}", b"{"))
    for sent, answers in ((whole, 1), (whole + whole, 2), (part, 0), (whole + part, 1)):
        with connect(server.host) as sock:
            sock.sendall(sent)
            sock.shutdown(socket.SHUT_WR)
            assert answers == rest(sock).count(b"HTTP/1.1 200 OK"), sent
    with connect(server.host) as sock:
        sock.sendall(part)


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
def test_a_request_for_another_protocol_is_served_as_http(server: ServerProcess, protocol: bytes) -> None:
    """Some HTTP clients offer HTTP/2 so; no body and no request is lost, and the log has no word of it."""
    plain = b"POST /lambda-url/raw/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n"
    offer = plain + b"Connection: Upgrade\r\nUpgrade: %b\r\n" % protocol
    with connect(server.host) as sock:
        sock.sendall(offer + b"Content-Length: 1\r\n\r\n1" + offer + b"Transfer-Encoding: chunked\r\n\r\n1\r\n2\r\n")
        assert b"1" == rest(sock, b"\r\n\r\n1")[-1:]
        sock.sendall(b"0\r\n\r\n" + plain + b"Connection: close\r\nContent-Length: 1\r\n\r\n3")
        answers = rest(sock).split(b"HTTP/1.1 200 OK")
        assert [b"2", b"3"] == [answer[-1:] for answer in answers[1:]]
    with connect(server.host) as sock:
        sock.sendall(offer + b"Connection: close\r\nContent-Length: 1\r\n\r\n4")
        assert b"4" == rest(sock)[-1:]
    assert [] == [line for line in server.lines if "upgrade" in line.lower()]


def test_a_tunnel_is_refused(server: ServerProcess) -> None:
    """CONNECT is such an offer too, whatever it names."""
    for target, status in ((b"localhost:80", b"400"), (b"/lambda-url/raw/", b"405")):
        with connect(server.host) as sock:
            sock.sendall(b"CONNECT %b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" % target)
            assert rest(sock).startswith(b"HTTP/1.1 " + status)


def test_a_client_that_never_goes_on_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a request, in its head or in its body; one whose request came whole is answered, however long it takes."""
    monkeypatch.setattr(connection, "PATIENCE", 0.2)
    (tmp_path / "app.py").write_text("import time\ndef handler(event, context):\n    time.sleep(0.5)\n")
    with lambda_service() as service:
        service.add(FunctionConfig("slow", "app.handler", tmp_path, "lambda"))
        host = service.url.removeprefix("http://")
        body = HEAD % b"slow" + b"Content-Length: 2\r\n\r\n"
        for sent in (b"", b"\r\n", b"POST /", HEAD % b"slow", body + b"{"):
            with connect(host) as sock:
                sock.sendall(sent)
                assert b"" == rest(sock), sent
        with connect(host) as sock:
            sock.sendall(body + b"{}" + HEAD % b"slow")
            assert rest(sock).startswith(b"HTTP/1.1 200 OK")


def test_a_client_that_never_reads_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a whole answer and of a streamed one, which then runs to its end."""
    monkeypatch.setattr(connection, "PATIENCE", 0.2)
    (tmp_path / "app.py").write_text(
        "def whole(event, context):\n    return 'x' * 6_000_000\n"
        "def stream(event, context):\n    for _ in range(50):\n        yield b'x' * 1_000_000\n    open('done', 'w')\n"
    )
    with lambda_service() as service:
        for name in ("whole", "stream"):
            service.add(FunctionConfig(name, f"app.{name}", tmp_path, "lambda"))
        host = service.url.removeprefix("http://")
        with connect(host, 4096) as whole:
            whole.sendall(HEAD % b"whole" + b"Content-Length: 2\r\n\r\n{}")
            assert whole.recv(1)
            with connect(host, 4096) as stream:
                path = b"POST /2021-11-15/functions/stream/response-streaming-invocations HTTP/1.1\r\n"
                stream.sendall(path + b"Host: localhost\r\nContent-Length: 2\r\n\r\n{}")
                await_true((tmp_path / "done").exists)
            assert 6_000_000 > len(rest(whole))


def healthy(host: str) -> bool:
    """Whether the server answers a new connection."""
    try:
        with client(host) as caller:
            return caller.call("GET", "/health").status == 200
    except OSError:
        return False


@pytest.mark.parametrize("with_uvloop", [False, True])
def test_more_connections_than_the_system_allows(tmp_path: Path, with_uvloop: bool) -> None:
    """They wait, or uvloop closes them, and one line says so; asyncio would write thousands of tracebacks."""
    if not Path("/proc/self/fd").exists():
        pytest.skip("the system does not tell how many files a process has open: no /proc")
    (tmp_path / "app.py").write_text("def handler(event, context):\n    return 1\n")
    if with_uvloop:
        pytest.importorskip("uvloop")
    else:
        (tmp_path / "uvloop.py").write_text("raise ImportError\n")
    environment = {"PYTHONPATH": str(tmp_path)}
    with (
        ServerProcess(tmp_path, "app.handler", "--no-reload", environment=environment) as one,
        contextlib.ExitStack() as held,
    ):
        limit = len(os.listdir(f"/proc/{one.process.pid}/fd")) + 5
        resource.prlimit(one.process.pid, resource.RLIMIT_NOFILE, (limit, limit))
        for _ in range(20):
            held.enter_context(connect(one.host))
        one.line("cannot open more files")
        held.close()
        assert healthy(one.host) or with_uvloop
        await_true(lambda: healthy(one.host), "that files can be opened again")
    assert 1 == sum("open" in line for line in one.lines)
    assert [] == [line for line in one.lines if "Traceback" in line], one.lines[4:30]


# -- memory


@pytest.mark.parametrize(
    "path",
    [
        "/lambda-url/stream/",
        "/2021-11-15/functions/stream/response-streaming-invocations",
        "/_dispatch/invoke/stream",
    ],
)
def test_clients_that_leave_a_stream_leave_no_memory_behind(server: ServerProcess, path: str) -> None:
    """The rest of the answer is read and dropped: with four of them it would be 200 MB."""
    status = Path(f"/proc/{server.process.pid}/status")
    if not status.exists():
        pytest.skip("the system does not tell how much memory a process has: no /proc")
    done = sum("streamed all" in line for line in server.lines)
    for _ in range(4):
        with connect(server.host) as sock:
            sock.sendall(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{{}}".encode())
            assert sock.recv(1)
    await_true(lambda: sum("streamed all" in line for line in server.lines) == done + 4)

    assert 140 * 1024 > peak(status)


def test_the_page_keeps_no_more_of_an_event_than_it_shows(server: ServerProcess, caller: Client) -> None:
    """Twenty events of 6 MB would be 120 MB."""
    status = Path(f"/proc/{server.process.pid}/status")
    if not status.exists():
        pytest.skip("the system does not tell how much memory a process has: no /proc")
    event = json.dumps("x" * 6_000_000)
    for _ in range(20):
        assert 200 == caller.call("POST", "/2015-03-31/functions/told/invocations", event).status
    shown = caller.call("GET", "/_dispatch/state").json["invocations"][-1]

    assert 64 * 1024 == len(caller.call("GET", f"/_dispatch/invocations/{shown['id']}").json["event"])
    assert 140 * 1024 > peak(status)


def peak(status: Path) -> int:
    """The most resident memory that a process has had, in KB."""
    return int(status.read_text().partition("VmHWM:")[2].split()[0])
