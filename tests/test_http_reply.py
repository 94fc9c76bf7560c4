"""Answers to HTTP events: in each documented format, nothing lost, and what HTTP cannot carry refused."""

from __future__ import annotations

import gzip
import inspect
import json
import textwrap
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest
from support.http_events import EVENTS, changed, delivered
from support.runtime import Ask

from dispatch import HTTPResponse, http

REST, HTTP, URL, ALB, MULTI = http.KINDS


def request(kind: str, method: str = "GET") -> http.Request:
    """A request that came by an event of this kind."""
    key = {HTTP: "http", URL: "http"}.get(kind)
    return http.Request.from_event(changed(kind, http={"method": method}) if key else changed(kind, httpMethod=method))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (
            REST,
            {
                "headers": {"Content-Type": "text/plain"},
                "multiValueHeaders": {"Vary": ["a", "b"], "set-cookie": ["c=1; Path=/", "d=2", "e=3"]},
            },
        ),
        (
            HTTP,
            {
                "headers": {"Content-Type": "text/plain", "Vary": "a, b"},
                "cookies": ["c=1; Path=/", "d=2", "e=3"],
            },
        ),
        (
            URL,
            {
                "headers": {"Content-Type": "text/plain", "Vary": "a, b"},
                "cookies": ["c=1; Path=/", "d=2", "e=3"],
            },
        ),
        (
            ALB,
            {
                "headers": {
                    "Content-Type": "text/plain",
                    "Vary": "a, b",
                    "set-cookie": "c=1; Path=/",
                    "Set-cookie": "d=2",
                    "sEt-cookie": "e=3",
                },
                "statusDescription": "201 Created",
            },
        ),
        (
            MULTI,
            {
                "multiValueHeaders": {
                    "Content-Type": ["text/plain"],
                    "Vary": ["a", "b"],
                    "set-cookie": ["c=1; Path=/", "d=2", "e=3"],
                },
                "statusDescription": "201 Created",
            },
        ),
    ],
    ids=http.KINDS,
)
def test_formats(kind: str, expected: dict[str, Any]) -> None:
    """Repeated headers and cookies are where each format has them."""
    headers = [("Content-Type", "text/plain"), ("Vary", "a"), ("vary", "b"), ("Set-Cookie", "e=3")]
    answer = http.reply(request(kind), 201, headers, b"made", ["c=1; Path=/", "d=2"])

    assert {"statusCode": 201, "body": "made", "isBase64Encoded": False, **expected} == answer
    json.dumps(answer)


@pytest.mark.parametrize("kind", http.KINDS)
def test_defaults(kind: str) -> None:
    """A request is all that an answer needs."""
    assert (200, [], b"") == delivered(kind, http.reply(request(kind)))


@pytest.mark.parametrize("kind", http.KINDS)
def test_no_cookie_is_lost(kind: str) -> None:
    """As many as a load balancer's spellings allow arrive in every format, in their order."""
    cookies = [f"c{number:03}=1" for number in range(512)]
    _, headers, _ = delivered(kind, http.reply(request(kind), cookies=cookies))

    assert [("set-cookie", cookie) for cookie in cookies] == headers


def test_more_cookies_than_a_load_balancer_takes() -> None:
    """It is an error that says how to send them nevertheless."""
    with pytest.raises(ValueError, match=r"too many cookies: 513; .* multi-value headers"):
        http.reply(request(ALB), cookies=["a=b"] * 513)


ZIPPED = gzip.compress(b"text")


@pytest.mark.parametrize(
    ("headers", "body", "sent", "is_base64"),
    [
        ({"Content-Type": "text/html"}, "Zoë", "Zoë", False),
        ({"Content-Type": "text/html"}, "Zoë".encode(), "Zoë", False),
        ({"Content-Type": "Application/JSON; charset=utf-8"}, b"{}", "{}", False),
        ({"content-type": "application/problem+json"}, b"{}", "{}", False),
        ({"content-type": "image/svg+xml;q=1"}, b"<svg/>", "<svg/>", False),
        ({}, b"plain", "plain", False),
        ({}, b"\xff", "/w==", True),
        ({"Content-Type": "text/plain; charset=latin-1"}, b"\xe9", "6Q==", True),
        ({"Content-Type": "image/png"}, b"abc", "YWJj", True),
        ({"Content-Type": "image/png"}, b"", "", False),
        ({"Content-Type": "text/plain", "Content-Encoding": "br"}, b"abc", "YWJj", True),
        ({"Content-Type": "text/plain", "Content-Encoding": "identity"}, b"abc", "abc", False),
        ({"Content-Type": "text/plain"}, bytearray(b"abc"), "abc", False),
        ({"Content-Type": "text/plain"}, memoryview(b"a\0b"), "a\0b", False),
    ],
)
@pytest.mark.parametrize("kind", http.KINDS)
def test_bodies(kind: str, headers: dict[str, str], body: Any, sent: str, is_base64: bool) -> None:
    """Text where the content type is text, the bytes are UTF-8 and nothing is compressed; else base64."""
    answer = http.reply(request(kind), 200, headers, body)

    assert (sent, is_base64) == (answer["body"], answer["isBase64Encoded"])


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304), ("GET", 101)])
@pytest.mark.parametrize("kind", http.KINDS)
def test_answers_without_a_body(kind: str, method: str, status: int) -> None:
    """Headers stay, the length of what is not sent among them."""
    headers = {"Content-Type": "image/png", "Content-Length": "3"}
    answer = http.reply(request(kind, method), status, headers, b"abc")

    assert (status, [("content-length", "3"), ("content-type", "image/png")], b"") == delivered(kind, answer)
    assert not answer["isBase64Encoded"]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"status": 99}, ValueError, "from 100 to 599, not 99"),
        ({"status": "200"}, ValueError, "from 100 to 599, not '200'"),
        ({"status": True}, ValueError, "from 100 to 599, not True"),
        ({"headers": {"a": "b\r\nc: d"}}, ValueError, "must not contain line ends or NUL"),
        ({"headers": {"a": "b\0"}}, ValueError, "must not contain line ends or NUL"),
        ({"headers": {"a": "世"}}, ValueError, "Latin-1 text: '世'; percent-encode it"),
        ({"headers": {"a b": "c"}}, ValueError, "header's name"),
        ({"headers": {"": "c"}}, ValueError, "header's name"),
        ({"headers": {"ä": "c"}}, ValueError, "header's name"),
        ({"headers": {"a": 5}}, TypeError, "strings, not 5"),
        ({"headers": [(b"a", b"b")]}, TypeError, "strings, not b'a'"),
        ({"cookies": ["a=b\n"]}, ValueError, "line ends"),
        ({"cookies": ["a=世"]}, ValueError, "Latin-1"),
        ({"cookies": "a=b"}, TypeError, "a list of strings, not the string 'a=b'"),
    ],
)
def test_what_http_cannot_carry(arguments: dict[str, Any], error: type[Exception], words: str) -> None:
    """It is refused in every form of an answer, in the same words; an HTTPResponse takes any text that JSON does."""
    for kind in http.KINDS:
        for make in (http.reply, http.streamed_reply):
            with pytest.raises(error, match=words):
                make(request(kind), **arguments)
    if not isinstance(arguments.get("headers"), list) and "Latin-1" not in words:
        with pytest.raises(error, match=words):
            HTTPResponse(**arguments)


def test_latin_1_in_headers() -> None:
    """It is what HTTP can carry."""
    assert {"a": "Zoë"} == http.reply(request(URL), headers={"a": "Zoë"})["headers"]


def test_request_that_came_by_no_event() -> None:
    """There is no format to answer it in."""
    with pytest.raises(ValueError, match="<Request GET /> was not made from an event"):
        http.reply(http.Request())


@pytest.mark.parametrize("kind", [ALB, MULTI])
@pytest.mark.parametrize(("status", "description"), [(200, "200 OK"), (404, "404 Not Found"), (299, "299")])
def test_status_descriptions(kind: str, status: int, description: str) -> None:
    """Load balancers want them; a status that nobody has named has no words."""
    assert description == http.reply(request(kind), status)["statusDescription"]


def test_statuses_have_their_words() -> None:
    """Those of RFC 9110, which the standard library has had since Python 3.13; older ones worded some otherwise."""
    renamed = {413, 414, 416, 422}
    descriptions = {status: http.reply(request(ALB), status)["statusDescription"] for status in HTTPStatus}
    known = {status: words for status, words in descriptions.items() if words != str(status.value)}
    assert {200, 201, 302, 404, 405, 429, 500, 503} < set(known)
    assert [] == [words for status, words in known.items() if status not in renamed and words[4:] != status.phrase]


def test_streamed_reply() -> None:
    """Status, headers, cookies and body of an HTTPResponse; repeated headers are joined."""
    body = iter([b"a", b"b"])
    headers = [("Vary", "a"), ("vary", "b"), ("Set-Cookie", "d=2")]
    answer = http.streamed_reply(request(URL), 201, headers, body, ["c=1"])

    assert (201, {"Vary": "a, b"}, ["c=1", "d=2"], body) == (answer.status, answer.headers, answer.cookies, answer.body)


def test_streamed_reply_without_a_body() -> None:
    """What would have made it is closed."""
    closed = []

    def chunks() -> Iterator[bytes]:
        try:
            yield b"a"
            yield b"b"
        finally:
            closed.append(True)

    body = chunks()
    next(body)
    assert b"" == http.streamed_reply(request(URL, "HEAD"), 200, {}, body).body
    assert [True] == closed


@pytest.mark.parametrize("kind", http.KINDS)
def test_convention_of_the_documentation(ask: Ask, kind: str) -> None:
    """The one in the module's docstring serves every kind of event."""
    text = inspect.getdoc(http) or ""
    plugin = textwrap.dedent(text[text.index("    import json") : text.index("Frameworks get")])
    assert len(plugin.strip().splitlines()) < 20
    app = """
        def handler(request):
            said = f"{request.method} {request.path} {request.query} {request.body.decode()}"
            return 201, [("Content-Type", "text/plain"), ("X-A", "1"), ("X-A", "2"), ("Set-Cookie", "a=b")], said
    """
    asked = http.Request("PUT", "/a%20b", "x=1", [("Host", "a.lambda-url.b")], b"\xc3\xa9", client="203.0.113.7")
    event = json.dumps(http.event(asked, kind)).encode()
    answer = ask(
        {"app.py": app, "pages_plugin.py": plugin}, event, convention="pages", env={"HANDLER_PLUGINS": "pages_plugin"}
    )
    status, headers, body = delivered(kind, json.loads(answer.body))

    assert (201, "PUT /a b [('x', '1')] é") == (status, body.decode())
    assert {("set-cookie", "a=b"), ("content-type", "text/plain")} < set(headers)
    assert "12" == "".join(value.replace(", ", "") for name, value in headers if name == "x-a")


def test_event_that_is_not_http(ask: Ask) -> None:
    """The convention's function error names what was expected."""
    plugin = "import json\nfrom dispatch import http\ndef pages(function):\n    return lambda invocation: http.Request.from_event(json.loads(invocation.body))\ndef dispatch_conventions(): return {'pages': pages}\n"
    answer = ask(
        {"app.py": "def handler(): pass\n", "own.py": plugin}, b'{"Records": []}', convention="pages",
        env={"HANDLER_PLUGINS": "own"},
    )  # fmt: skip

    assert "Runtime.UnmarshalError" == answer.report["errorType"]
    assert "not an HTTP event: its keys are 'Records'" in answer.report["errorMessage"]


@pytest.mark.parametrize("kind", http.KINDS)
def test_nothing_is_imported_late(ask: Ask, kind: str) -> None:
    """A task root that has modules of the standard library's names does not get between a request and its answer."""
    files = {f"{name}.py": "raise ImportError('the own one')" for name in ("http", "urllib", "base64", "email")}
    files["own.py"] = """
        import json
        from dispatch import Response, http
        def pages(function):
            def handle(invocation):
                request = http.Request.from_event(json.loads(invocation.body))
                request.environ(), request.scope(), request.query, request.cookies, http.event(request)
                return Response(json.dumps(http.reply(request, 200, {"Content-Type": "a/b"}, b"x")).encode())
            return handle
        def dispatch_conventions():
            return {"pages": pages}
    """
    files["app.py"] = "def handler(): pass\n"
    answer = ask(files, json.dumps(EVENTS[kind]).encode(), convention="pages", env={"HANDLER_PLUGINS": "own"})

    assert (200, b"x") == delivered(kind, json.loads(answer.body))[::2]
