"""Function URLs: requests as events of payload format 2.0, and answers as HTTP responses."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any

import pytest
from support.local import Client, ServerProcess, client, write_program
from support.wire import PATIENCE

from dispatch import http as http_events
from runtime.local.web.prelude import BadPrelude, PreludeSplitter
from runtime.local.web.url_event import BadAnswer, make_event, read_answer, relocate

FUNCTIONS = '''
import os, time
import dispatch
from dispatch import HTTPResponse

def echo(event, context):
    """The event itself."""
    return event

def answer(event, context):
    """What the body says."""
    import json
    value = json.loads(event["body"])
    if value == "raise":
        raise ValueError("no")
    return value

def lingers(event, context):
    """A response that the environment takes a while to get over."""
    dispatch.after_response(time.sleep, 0.2)
    return str(os.getpid())

def page(event, context):
    """A streamed response; its second half waits for a file."""
    def chunks():
        yield b"first\\n"
        while not os.path.exists("go"):
            time.sleep(0.01)
        if os.path.exists("fail"):
            raise ValueError("half way")
        yield b"second\\n"
    return HTTPResponse(201, {"Content-Type": "text/plain", "Content-Length": "13"}, ["a=b", "c=d"], chunks())
'''
BARE = """
import http.client, json, os
api, path = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"]), "/2018-06-01/runtime/invocation/"
kind = "application/vnd.awslambda.http-integration-response"
while True:
    api.request("GET", f"{path}next")
    event = api.getresponse()
    prelude = json.loads(event.read())["body"].encode() + bytes(8)
    headers = {"Content-Type": kind, "Lambda-Runtime-Function-Response-Mode": "streaming"}
    api.request("POST", f"{path}{event.headers['Lambda-Runtime-Aws-Request-Id']}/response", iter([prelude, b"<p>"]), headers)
    api.getresponse().read()
"""
CONFIG = """
timeout = 20
[functions.Echo]
handler = "functions.echo"
convention = "lambda"
[functions.answer]
handler = "functions.answer"
convention = "lambda"
[functions.answer.url.cors]
AllowOrigins = ["http://localhost:3000"]
AllowMethods = ["POST"]
AllowHeaders = ["x-a"]
ExposeHeaders = ["x-b"]
AllowCredentials = true
MaxAge = 60
[functions.lingers]
handler = "functions.lingers"
convention = "lambda"
concurrency = 1
[functions.bare]
bootstrap = "bare"
[functions.page]
handler = "functions.page"
convention = "lambda"
[functions.buffered]
handler = "functions.page"
convention = "lambda"
url = { streaming = false }
[functions.none]
handler = "functions.echo"
url = false
[functions.text]
handler = "lambda event, headers: 'not JSON'"
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server for all tests."""
    root = tmp_path_factory.mktemp("urls")
    (root / "functions.py").write_text(FUNCTIONS)
    (root / "dispatch.toml").write_text(CONFIG)
    write_program(root / "bare", BARE)
    with ServerProcess(root, "--no-reload") as one:
        yield one


@pytest.fixture
def http_client(server: ServerProcess) -> Iterator[Client]:
    """A connection to it."""
    with client(server.host) as one:
        yield one


def test_a_request_becomes_an_event(http_client: Client) -> None:
    """Path, query, headers, cookies and body are where payload format 2.0 has them."""
    headers = {"Cookie": "a=b; c=d", "Content-Type": "application/json", "X-Twice": "1"}
    event = http_client.call("PUT", "/lambda-url/Echo/users/a%20b?x=1&x=2&y=%C3%A4&z=", '{"n": 1}', headers).json

    assert ("2.0", "$default", "/users/a%20b", "x=1&x=2&y=%C3%A4&z=") == (
        event["version"],
        event["routeKey"],
        event["rawPath"],
        event["rawQueryString"],
    )
    assert {"x": "1,2", "y": "ä", "z": ""} == event["queryStringParameters"]
    assert ["a=b", "c=d"] == event["cookies"]
    assert "cookie" not in event["headers"]
    assert "1" == event["headers"]["x-twice"]
    assert ('{"n": 1}', False) == (event["body"], event["isBase64Encoded"])
    context = event["requestContext"]
    assert ("PUT", "/users/a%20b", "127.0.0.1") == tuple(context["http"][key] for key in ("method", "path", "sourceIp"))
    assert ("Echo", "$default") == (context["apiId"], context["stage"])


def test_the_event_is_the_request(server: ServerProcess, http_client: Client) -> None:
    """Read as any HTTP event it has the path, the address and the scheme that the client used."""
    event = http_client.call("GET", "/lambda-url/Echo/a%20b%2Fc?x=%26").json
    request = http_events.Request.from_event(event)
    host, _, port = server.host.rpartition(":")

    assert (http_events.FUNCTION_URL, "/a b/c", "/a%20b%2Fc") == (request.kind, request.path, request.raw_path)
    assert ("http", host, int(port)) == (request.scheme, request.host, request.port)
    assert ([("x", "&")], "127.0.0.1") == (request.query, request.client)


def test_a_body_that_is_no_text_is_base64(http_client: Client) -> None:
    """Bytes of another content type, and bytes that are not what they say, arrive whole."""
    for content_type, body in (("application/octet-stream", b"abc"), ("text/plain", b"\xff")):
        event = http_client.call("POST", "/lambda-url/Echo/", body, {"Content-Type": content_type}).json
        assert event["isBase64Encoded"], content_type
    assert "body" not in http_client.call("GET", "/lambda-url/Echo/").json


def test_one_after_the_other_is_never_too_many(http_client: Client) -> None:
    """At its limit a function that has answered is waited for until it asks for its next event."""
    answers = [http_client.call("GET", "/lambda-url/lingers/") for _ in range(3)]
    assert [200] * 3 == [answer.status for answer in answers]
    assert 1 == len({answer.body for answer in answers})


def test_a_function_has_a_host_name_too(server: ServerProcess, http_client: Client) -> None:
    """`NAME.lambda-url.localhost` is the same function, and its path starts at the root."""
    port = server.host.rpartition(":")[2]
    event = http_client.call("GET", "/users?x=1", None, {"Host": f"echo.lambda-url.localhost:{port}"}).json

    assert ("/users", "x=1", "echo.lambda-url.localhost") == (
        event["rawPath"],
        event["rawQueryString"],
        event["requestContext"]["domainName"],
    )


@pytest.mark.parametrize(
    ("value", "status", "content_type", "body"),
    [
        ({"statusCode": 201, "body": "made"}, 201, "application/json", b"made"),
        ({"statusCode": 200, "headers": {"Content-Type": "text/html"}, "body": "<p>"}, 200, "text/html", b"<p>"),
        ({"statusCode": 200, "body": "/wA=", "isBase64Encoded": True}, 200, "application/json", b"\xff\x00"),
        ({"statusCode": 204}, 204, "application/json", b""),
        ({"any": "object"}, 200, "application/json", b'{"any": "object"}'),
        ([1, 2], 200, "application/json", b"[1, 2]"),
        ("text", 200, "application/json", b'"text"'),
        ("raise", 502, None, b"Internal Server Error"),
        ({"statusCode": "no number"}, 502, None, b"Internal Server Error"),
        ({"statusCode": 200, "body": {"not": "text"}}, 502, None, b"Internal Server Error"),
    ],
)
def test_an_answer_becomes_a_response(
    http_client: Client, value: Any, status: int, content_type: str | None, body: bytes
) -> None:
    """An object with a statusCode is a response; other JSON is its own body; a failure is status 502."""
    got = http_client.call("POST", "/lambda-url/answer/", json.dumps(value), {"Content-Type": "application/json"})

    assert (status, content_type, body) == (got.status, got.headers.get("content-type"), got.body)


def test_cookies_and_headers_of_an_answer(server: ServerProcess) -> None:
    """Each cookie is a header of its own, and a length of the function's own is kept under another name."""
    value = {
        "statusCode": 200,
        "cookies": ["a=b", "c=d"],
        "headers": {"X-A": True, "Content-Length": "99"},
        "body": "x",
    }
    connection = http.client.HTTPConnection(server.host, timeout=PATIENCE)
    connection.request("POST", "/lambda-url/answer/", json.dumps(value), {"Content-Type": "application/json"})
    got = connection.getresponse()
    got.read()
    connection.close()

    assert ["a=b", "c=d"] == got.headers.get_all("set-cookie")
    assert ("true", "1", "99") == tuple(
        got.headers[name] for name in ("x-a", "content-length", "x-amzn-remapped-content-length")
    )


def test_a_streamed_response_arrives_as_it_is_made(server: ServerProcess) -> None:
    """Status, headers and cookies come from the prelude, and the first chunk before the second is made."""
    (server.root / "go").unlink(missing_ok=True)
    connection = http.client.HTTPConnection(server.host, timeout=PATIENCE)
    connection.request("GET", "/lambda-url/page/")
    got = connection.getresponse()

    assert (201, "text/plain", ["a=b", "c=d"]) == (
        got.status,
        got.headers["content-type"],
        got.headers.get_all("set-cookie"),
    )
    assert b"first\n" == got.readline()
    (server.root / "go").touch()
    assert b"second\n" == got.read()
    connection.close()


@pytest.mark.parametrize(
    ("prelude", "status", "content_type"),
    [
        ("{}", 200, None),
        ('{"statusCode": 404, "headers": {"x-a": "b"}}', 404, None),
        ('{"headers": {"Content-type": "text/html"}}', 200, "text/html"),
        ('{"statusCode": 204}', 204, None),
    ],
)
def test_the_content_type_of_a_prelude_is_not_that_of_the_response(
    http_client: Client, prelude: str, status: int, content_type: str | None
) -> None:
    """A response has the headers that its prelude has."""
    got = http_client.call("POST", "/lambda-url/bare/", prelude, {"Content-Type": "text/plain"})

    assert (status, content_type) == (got.status, got.headers.get("content-type"))


def test_a_response_that_fails_half_way_breaks_off(server: ServerProcess) -> None:
    """The client sees that the body is not whole; where the answer is not streamed it is status 502."""
    (server.root / "go").touch()
    (server.root / "fail").touch()
    try:
        with client(server.host) as one, pytest.raises(http.client.IncompleteRead):
            one.call("GET", "/lambda-url/page/")
        with client(server.host) as one:
            assert 502 == one.call("GET", "/lambda-url/buffered/").status
    finally:
        (server.root / "fail").unlink()
    assert [] == [line for line in server.lines if "Traceback" in line and "ASGI" in line]


def test_a_buffered_url_has_the_prelude_taken_off(server: ServerProcess, http_client: Client) -> None:
    """InvokeMode BUFFERED gives the same response, all at once."""
    (server.root / "go").touch()
    got = http_client.call("GET", "/lambda-url/buffered/")

    assert (201, b"first\nsecond\n", "13") == (got.status, got.body, got.headers["content-length"])


def test_urls_that_are_not_there(server: ServerProcess, http_client: Client) -> None:
    """Unknown functions and functions without a URL are status 404; an answer in no JSON is 502, and says why."""
    assert 404 == http_client.call("GET", "/lambda-url/nothing/").status
    assert 404 == http_client.call("GET", "/lambda-url/none/").status
    assert 502 == http_client.call("GET", "/lambda-url/text/").status
    assert "text: the answer of a function URL" in server.line("must be JSON")
    assert server.line("must be JSON").endswith(
        "; to answer with text, set HANDLER_HTTP_BODY=1, or return an HTTPResponse"
    )


def test_other_origins_need_the_cors_setting(http_client: Client) -> None:
    """An origin that the function lets in gets its headers and may ask beforehand; any other is refused."""
    path, origin = "/lambda-url/answer/", {"Origin": "http://localhost:3000"}
    got = http_client.call("POST", path, '"x"', {**origin, "Content-Type": "application/json"})
    asked = http_client.call("OPTIONS", path, None, {**origin, "Access-Control-Request-Method": "POST"})

    assert 200 == got.status
    assert ("http://localhost:3000", "true", "x-b") == tuple(
        got.headers[f"access-control-{name}"] for name in ("allow-origin", "allow-credentials", "expose-headers")
    )
    assert (204, "POST", "x-a", "60") == (
        asked.status,
        *(asked.headers[f"access-control-{name}"] for name in ("allow-methods", "allow-headers", "max-age")),
    )
    assert 403 == http_client.call("POST", path, '"x"', {"Origin": "http://localhost:4000"}).status
    assert 403 == http_client.call("POST", "/lambda-url/Echo/", '"x"', origin).status


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_the_prelude_is_found_wherever_the_chunks_are_cut(size: int) -> None:
    """Fed in pieces of any size, head and body are the same, also when the body has NUL bytes."""
    data = b'{"statusCode": 200}' + bytes(8) + b"body" + bytes(9) + b"end"
    splitter = PreludeSplitter("application/vnd.awslambda.http-integration-response; charset=utf-8")
    body = b"".join(splitter.feed(data[at : at + size]) for at in range(0, len(data), size))

    assert ({"statusCode": 200}, b"body" + bytes(9) + b"end") == (splitter.head, body)


def test_a_prelude_that_is_none() -> None:
    """No JSON, no object, no end: each is an error; without the content type nothing is looked for."""
    kind = "application/vnd.awslambda.http-integration-response"
    for data, words in ((b"{" + bytes(8), "not JSON"), (b"[]" + bytes(8), "a JSON object, not list")):
        with pytest.raises(BadPrelude, match=words):
            PreludeSplitter(kind).feed(data)
    unfinished = PreludeSplitter(kind)
    assert b"" == unfinished.feed(b'{"statusCode"')
    with pytest.raises(BadPrelude, match="before its prelude was complete"):
        unfinished.finish()
    assert b"{" == PreludeSplitter("text/plain").feed(b"{")


def test_headers_that_come_twice_are_joined() -> None:
    """Duplicates are joined by commas, names are lower case."""
    request = http_events.Request("GET", "/", "", [("X-A", "1"), ("x-a", "2")], b"", client="127.0.0.1")

    assert {"x-a": "1,2"} == make_event(request, "f", "1")["headers"]


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/a", "/lambda-url/f/a"),
        ("/", "/lambda-url/f/"),
        ("a", "a"),
        ("", ""),
        ("?a=/b", "?a=/b"),
        ("//other/a", "//other/a"),
        ("/lambda-url/f/a", "/lambda-url/f/a"),
        ("/lambda-url/f", "/lambda-url/f"),
        ("/lambda-url/fg", "/lambda-url/f/lambda-url/fg"),
        ("http://localhost:9000/a", "http://localhost:9000/lambda-url/f/a"),
        ("HTTPS://LOCALHOST:9000", "HTTPS://LOCALHOST:9000/lambda-url/f/"),
        ("http://localhost:9000/lambda-url/f/a", "http://localhost:9000/lambda-url/f/a"),
        ("http://localhost/a", "http://localhost/a"),
        ("ftp://localhost:9000/a", "ftp://localhost:9000/a"),
    ],
)
def test_redirects_lead_to_the_function(location: str, expected: str) -> None:
    """What leads to this server gets the function's address, once; what leads elsewhere stays."""
    assert expected == relocate(location, "localhost:9000", "/lambda-url/f")


def test_a_body_that_claims_to_be_base64() -> None:
    """What is not base64 is a bad answer."""
    with pytest.raises(BadAnswer, match="base64"):
        read_answer(b'{"statusCode": 200, "body": "!", "isBase64Encoded": true}')
