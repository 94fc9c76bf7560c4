"""Beside mangum and apig-wsgi: the same where they are right, and both behaviours of every row of docs/guides/http.md."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from wsgiref.validate import validator

import pytest
from support.http_events import changed, delivered

from dispatch import http
from runtime.local import samples

pytest.importorskip("mangum")
pytest.importorskip("apig_wsgi")

import apig_wsgi
import mangum

REST, HTTP, URL, ALB, MULTI = http.KINDS
PAGE = Path(__file__).parents[1] / "docs" / "guides" / "http.md"

PATH = "/users/a-b_c.7"
HEADERS = [("Host", "example.com"), ("Accept", "text/html, */*"), ("Content-Type", "text/plain"), ("X-Forwarded-Proto", "https")]  # fmt: skip
#: Requests that everybody reads alike.
PLAIN = {
    "plain": http.Request("GET", PATH, "", HEADERS, client="203.0.113.7"),
    "query": http.Request("GET", PATH, "a=1&b=x+y&c=%2B&d=&e=caf%C3%A9&f=%26%3D", HEADERS, client="203.0.113.7"),
    "text": http.Request("POST", PATH, "", HEADERS, "Zoë".encode(), client="203.0.113.7"),
    "binary": http.Request("PUT", PATH, "", [*HEADERS[:2], *HEADERS[3:]], b"\xff\x00", client="2001:db8::1"),
    "cookies": http.Request("GET", PATH, "", [*HEADERS, ("Cookie", "a=1; b=2")], client="203.0.113.7"),
}
PLAIN_EVENTS = {
    **{f"{name}-{kind}": http.event(request, kind) for name, request in PLAIN.items() for kind in http.KINDS},
    **{name: json.loads(samples.load(name)) for name in ("api-gateway", "http-api", "function-url", "alb")},
}


@pytest.fixture(autouse=True)
def event_loop() -> Iterator[None]:
    """The current one, which mangum expects."""
    with closing(asyncio.new_event_loop()) as loop:
        asyncio.set_event_loop(loop)
        yield
        asyncio.set_event_loop(None)


def mangum_scope(event: dict[str, Any], **options: Any) -> dict[str, Any]:
    """What an application sees under mangum, its body beside it."""
    seen: dict[str, Any] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.update(scope, body=(await receive())["body"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    mangum.Mangum(app, lifespan="off", **options)(event, None)  # type: ignore[arg-type]
    return seen


def mangum_answer(event: dict[str, Any], status: int, headers: list[tuple[str, str]], body: bytes) -> Any:
    """The answer that mangum makes of an application's."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        await send({"type": "http.response.start", "status": status, "headers": encoded})
        await send({"type": "http.response.body", "body": body})

    return mangum.Mangum(app, lifespan="off")(event, None)  # type: ignore[arg-type]


def apig_environ(event: dict[str, Any]) -> dict[str, Any]:
    """What an application sees under apig-wsgi, its body beside it."""
    seen: dict[str, Any] = {}

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        seen.update(environ, body=environ["wsgi.input"].read())
        start_response("200 OK", [])
        return []

    apig_wsgi.make_lambda_handler(app)(event, None)
    return seen


def apig_answer(
    event: dict[str, Any], status: int, headers: list[tuple[str, str]], body: bytes, binary: bool | None = True
) -> Any:
    """The answer that apig-wsgi makes of an application's."""

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response(f"{status} Status", headers)
        return [body]

    return apig_wsgi.make_lambda_handler(app, binary_support=binary)(event, None)


# ----------------------------------------------------------------------------------------------------------------------
# The same
# ----------------------------------------------------------------------------------------------------------------------


def parts(scope: dict[str, Any]) -> dict[str, Any]:
    """What must be alike in two scopes."""
    from urllib.parse import parse_qsl

    same = {
        key: scope[key] for key in ("type", "method", "path", "root_path", "scheme", "http_version", "client", "body")
    }
    headers = sorted((bytes(name), bytes(value)) for name, value in scope["headers"])
    return same | {
        "query": sorted(parse_qsl(scope["query_string"].decode(), keep_blank_values=True)),
        "headers": headers,
    }


@pytest.mark.parametrize("event", PLAIN_EVENTS.values(), ids=PLAIN_EVENTS)
def test_scope_is_mangum_s(event: dict[str, Any]) -> None:
    """Nothing in such a request is read in another way."""
    request = http.Request.from_event(event)

    assert parts(mangum_scope(event)) == parts({**request.scope(), "body": request.body})


@pytest.mark.parametrize("event", PLAIN_EVENTS.values(), ids=PLAIN_EVENTS)
def test_environ_is_apig_wsgi_s(event: dict[str, Any]) -> None:
    """All of its variables that are CGI's or WSGI's, but for those in which it goes against the specification."""
    request = http.Request.from_event(event)
    theirs, ours = apig_environ(event), {**request.environ(), "body": request.body}
    keys = {"REQUEST_METHOD", "PATH_INFO", "CONTENT_LENGTH", "SERVER_PROTOCOL", "body"}
    keys |= {"REMOTE_ADDR"} if request.kind != REST else set()
    keys |= {key for key in theirs if key.startswith("HTTP_") and theirs[key] and key != "HTTP_CONTENT_TYPE"}
    if "HTTP_COOKIE" in keys:
        theirs["HTTP_COOKIE"] = "; ".join(theirs["HTTP_COOKIE"].replace(" ", "").split(";"))

    assert {key: theirs[key] for key in keys} == {key: ours[key] for key in keys}


ANSWERS = {
    "text": (200, [("content-type", "text/plain")], "Zoë".encode()),
    "binary": (201, [("content-type", "image/png")], b"\xff\x00"),
    "json": (404, [("content-type", "application/json"), ("x-a", "1")], b"{}"),
    "cookie": (302, [("location", "/a"), ("set-cookie", "a=b; Path=/"), ("content-type", "text/plain")], b""),
}


@pytest.mark.parametrize(("status", "headers", "body"), ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("kind", http.KINDS)
def test_answers_are_theirs(kind: str, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
    """The client gets the same of all three."""
    event = changed(kind)
    ours = delivered(kind, http.reply(http.Request.from_event(event), status, headers, body))

    assert ours == delivered(kind, mangum_answer(event, status, headers, body))
    assert ours == delivered(kind, apig_answer(event, status, headers, body))


@pytest.mark.parametrize("kind", [REST, MULTI])
def test_cookies_are_mangum_s(kind: str) -> None:
    """In the formats that have room for several."""
    headers = [("set-cookie", "a=1"), ("set-cookie", "b=2"), ("content-type", "text/plain")]
    ours = delivered(kind, http.reply(http.Request.from_event(changed(kind)), 200, headers, b""))

    assert ours == delivered(kind, mangum_answer(changed(kind), 200, headers, b""))


# ----------------------------------------------------------------------------------------------------------------------
# The rows of docs/guides/http.md
# ----------------------------------------------------------------------------------------------------------------------


def raised(function: Callable[..., Any], *arguments: Any, **options: Any) -> str | None:
    """The name of the exception that a call ends with."""
    try:
        function(*arguments, **options)
    except Exception as error:
        return type(error).__name__
    return None


def test_every_row_has_a_test() -> None:
    """And every test its row."""
    rows = set(re.findall(r'^\| <a id="([\w-]+)"', PAGE.read_text(), re.MULTILINE))
    tests = {name.removeprefix("test_row_").replace("_", "-") for name in globals() if name.startswith("test_row_")}

    assert rows == tests


def test_row_decoded_once() -> None:
    """A path that the HTTP API has decoded."""
    event = changed(HTTP, rawPath="/a%2Fb", http={"path": "/a%2Fb"})
    request = http.Request.from_event(event)

    assert ["/a/b", "/a/b"] == [mangum_scope(event)["path"], apig_environ(event)["PATH_INFO"]]
    assert ["/a%2Fb", "/a%2Fb"] == [request.scope()["path"], request.environ()["PATH_INFO"]]


def test_row_path_bytes() -> None:
    """WSGI's bytes as Unicode, of a path that the HTTP API has decoded."""
    event = changed(HTTP, rawPath="/café", http={"path": "/café"})

    assert "/café" == apig_environ(event)["PATH_INFO"]
    assert "/café".encode().decode("latin-1") == http.Request.from_event(event).environ()["PATH_INFO"]


def test_row_base_path() -> None:
    """A path that begins with the letters of the base path."""
    event = changed(ALB, path="/production"), changed(REST, path="/production")

    assert "uction" == mangum_scope(event[1], api_gateway_base_path="/prod")["path"]
    assert ["/production"] * 2 == [http.Request.from_event(each, "/prod").path for each in event]


def test_row_stage() -> None:
    """A REST API's stage, where the path does not have it."""
    event = changed(REST, path="/a", context={"path": "/prod/a"})

    assert ["", "/prod"] == [
        apig_environ(event)["SCRIPT_NAME"],
        http.Request.from_event(event).environ()["SCRIPT_NAME"],
    ]


def test_row_raw_path() -> None:
    """The path before it was decoded."""
    event = changed(URL, rawPath="/a%2Fb", http={"path": "/a/b"})

    assert [None, b"/a%2Fb"] == [mangum_scope(event)["raw_path"], http.Request.from_event(event).scope()["raw_path"]]


def test_row_null_headers() -> None:
    """An event whose headers are null."""
    for kind, their_errors in ((HTTP, ["AttributeError"] * 2), (ALB, ["AttributeError", None])):
        event = changed(kind, headers=None)
        assert their_errors == [raised(mangum_scope, event), raised(apig_environ, event)]
        assert () == http.Request.from_event(event).header_pairs


def test_row_repeated_headers() -> None:
    """Headers that a REST API's client repeated."""
    event = changed(REST, multiValueHeaders={"X-A": ["1", "2"]}, headers=None)

    assert [[b"x-a", b"1, 2"]] == mangum_scope(event)["headers"]
    assert [(b"x-a", b"1"), (b"x-a", b"2")] == http.Request.from_event(event).scope()["headers"]


def test_row_forwarded() -> None:
    """A load balancer's client, behind what it pretends to be."""
    event = changed(ALB, headers={"x-forwarded-for": "198.51.100.1, 203.0.113.7"})

    assert ("198.51.100.1, 203.0.113.7", 0) == mangum_scope(event)["client"]
    assert "198.51.100.1" == apig_environ(event)["REMOTE_ADDR"]
    assert "203.0.113.7" == http.Request.from_event(event).client


def test_row_rest_client() -> None:
    """A REST API's client."""
    event = changed(REST)

    assert ["127.0.0.1", "203.0.113.7"] == [
        apig_environ(event)["REMOTE_ADDR"],
        http.Request.from_event(event).environ()["REMOTE_ADDR"],
    ]


def test_row_ipv6_host() -> None:
    """An address of IPv6 as the host."""
    event = changed(REST, multiValueHeaders={"Host": ["[2001:db8::1]:8443"]})

    assert "ValueError" == raised(mangum_scope, event)
    assert ("2001:db8::1", 8443) == http.Request.from_event(event).scope()["server"]


def test_row_cookies_twice() -> None:
    """A function URL's cookies, which are in two places."""
    event = changed(URL, cookies=["a=1"], headers={"cookie": "a=1"})

    assert "a=1;a=1" == apig_environ(event)["HTTP_COOKIE"]
    assert "a=1" == http.Request.from_event(event).environ()["HTTP_COOKIE"]


def test_row_valid_environ() -> None:
    """The standard library's validator on the environ."""
    event = changed(ALB, headers={"content-type": "text/plain"})

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return []

    assert "AssertionError" == raised(apig_wsgi.make_lambda_handler(validator(app)), event, None)
    validator(app)(http.Request.from_event(event).environ(), lambda *_: lambda data: None).close()  # type: ignore[attr-defined]


def test_row_underscores() -> None:
    """A header whose name only looks like one that a proxy sets."""
    event = changed(ALB, headers={"x-real-ip": "1", "x_real_ip": "2"})

    assert ["2", "1"] == [
        apig_environ(event)["HTTP_X_REAL_IP"],
        http.Request.from_event(event).environ()["HTTP_X_REAL_IP"],
    ]


def test_row_single_value_cookies() -> None:
    """Several cookies for a load balancer without multi-value headers."""
    headers = [("set-cookie", "a=1"), ("set-cookie", "b=2")]
    event = changed(ALB)

    assert {"set-cookie": "b=2"} == apig_answer(event, 200, headers, b"")["headers"]
    assert ["a=1", "b=2"] == list(mangum_answer(event, 200, headers, b"")["headers"].values())
    assert ["a=1", "b=2"] == list(http.reply(http.Request.from_event(event), 200, headers)["headers"].values())


def test_row_repeated_answer_headers() -> None:
    """Repeated headers where there is one value for each name."""
    headers = [("vary", "a"), ("vary", "b")]
    event = changed(URL)

    assert "b" == apig_answer(event, 200, headers, b"")["headers"]["vary"]
    assert "a,b" == mangum_answer(event, 200, headers, b"")["headers"]["vary"]
    assert "a, b" == http.reply(http.Request.from_event(event), 200, headers)["headers"]["vary"]


def test_row_not_utf_8() -> None:
    """Text in another encoding."""
    headers = [("content-type", "text/plain; charset=latin-1")]
    event = changed(URL)

    assert "UnicodeDecodeError" == raised(apig_answer, event, 200, headers, b"\xe9")
    assert "6Q==" == mangum_answer(event, 200, headers, b"\xe9")["body"]
    assert "6Q==" == http.reply(http.Request.from_event(event), 200, headers, b"\xe9")["body"]


def test_row_rest_binary() -> None:
    """Binary answers to a REST API."""
    headers = [("content-type", "image/png")]
    event = changed(REST)

    assert "UnicodeDecodeError" == raised(apig_answer, event, 200, headers, b"\xff", binary=None)
    assert "/w==" == mangum_answer(event, 200, headers, b"\xff")["body"]
    assert "/w==" == http.reply(http.Request.from_event(event), 200, headers, b"\xff")["body"]


def test_row_no_content_type() -> None:
    """Text without a content type."""
    event = changed(REST)

    assert ["dGV4dA=="] * 2 == [answer(event, 200, [], b"text")["body"] for answer in (mangum_answer, apig_answer)]
    assert "text" == http.reply(http.Request.from_event(event), 200, [], b"text")["body"]


def test_row_compressed() -> None:
    """A compressed body that happens to be UTF-8."""
    headers = [("content-type", "text/plain"), ("content-encoding", "br")]
    event = changed(URL)

    assert not mangum_answer(event, 200, headers, b"abc")["isBase64Encoded"]
    assert apig_answer(event, 200, headers, b"abc")["isBase64Encoded"]
    assert http.reply(http.Request.from_event(event), 200, headers, b"abc")["isBase64Encoded"]


def test_row_status_description() -> None:
    """What a load balancer's answer has besides the number."""
    event = changed(ALB)

    assert "statusDescription" not in mangum_answer(event, 404, [], b"")
    assert "statusDescription" not in apig_answer(event, 404, [], b"")
    assert "404 Not Found" == http.reply(http.Request.from_event(event), 404)["statusDescription"]


def test_row_head() -> None:
    """The body of an answer to HEAD."""
    headers = [("content-type", "text/plain")]
    event = changed(URL, http={"method": "HEAD"})

    assert ["abc"] * 2 == [answer(event, 200, headers, b"abc")["body"] for answer in (mangum_answer, apig_answer)]
    assert "" == http.reply(http.Request.from_event(event), 200, headers, b"abc")["body"]
