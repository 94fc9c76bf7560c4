"""HTTP events of every kind as one request: by the documented formats, and as web frameworks see it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any
from wsgiref.validate import validator

import pytest
from support.http_events import EVENTS, changed

from dispatch import http
from dispatch.errors import UnmarshalError
from runtime.local import samples

REST, HTTP, URL, ALB, MULTI = http.KINDS
SAMPLES = {"api-gateway": REST, "http-api": HTTP, "function-url": URL, "alb": ALB}


def read(kind: str, base_path: str = "", **fields: Any) -> http.Request:
    """The request of an event of this kind, with these fields."""
    return http.Request.from_event(changed(kind, **fields), base_path)


# ----------------------------------------------------------------------------------------------------------------------
# Which events
# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", samples.names())
def test_samples_have_their_kind(name: str) -> None:
    """Of all sample events, those of HTTP are known as such and no other is."""
    assert SAMPLES.get(name) == http.kind(json.loads(samples.load(name)))


@pytest.mark.parametrize(
    "event",
    [
        None,
        "text",
        [1],
        {},
        {"requestContext": "text"},
        {"requestContext": {"routeKey": "$connect", "eventType": "CONNECT", "connectionId": "1"}, "headers": {}},
        {"type": "REQUEST", "methodArn": "arn:…", "httpMethod": "GET", "path": "/", "requestContext": {}},
        {"version": "2.0", "type": "REQUEST", "routeArn": "arn:…", "requestContext": {"http": {"method": "GET"}}},
        {"version": "2.0", "path": "/", "method": "GET", "requestContext": {"serviceArn": "arn:…"}},
        {"messageVersion": "1.0", "apiPath": "/", "httpMethod": "GET", "agent": {}},
        {"Records": [{"cf": {}}]},
    ],
    ids=["null", "text", "list", "empty", "no context", "websocket", "authorizer 1.0", "authorizer 2.0", "lattice",
         "bedrock", "edge"],
)  # fmt: skip
def test_other_events(event: Any) -> None:
    """They have no kind, and asking for their request is an error that says what the event has."""
    assert http.kind(event) is None
    with pytest.raises(UnmarshalError, match=r"not an HTTP event: .*; expected one of API Gateway"):
        http.Request.from_event(event)


def test_event_without_context() -> None:
    """What people write by hand for a REST API is enough."""
    request = http.Request.from_event({"httpMethod": "GET", "path": "/a"})

    assert (REST, "/a", None, {}, b"") == (
        request.kind,
        request.path,
        request.client,
        dict(request.headers),
        request.body,
    )


@pytest.mark.parametrize(
    ("kind", "fields", "field"),
    [
        (REST, {"path": None}, "path is missing"),
        (REST, {"httpMethod": 5}, "httpMethod is of type int; it has to be text"),
        (REST, {"headers": []}, "headers is of type list; it has to be an object"),
        (REST, {"multiValueHeaders": {"a": "b"}}, "multiValueHeaders.a is of type str; it has to be a list"),
        (REST, {"multiValueHeaders": {"a": [1]}}, "multiValueHeaders.a is of type int; it has to be text"),
        (REST, {"queryStringParameters": {"a": None}}, "queryStringParameters.a is missing; it has to be text"),
        (REST, {"isBase64Encoded": "yes"}, "isBase64Encoded is of type str; it has to be true or false"),
        (REST, {"isBase64Encoded": True, "body": "!"}, "body is not base64"),
        (REST, {"isBase64Encoded": True, "body": "ä"}, "body is not base64"),
        (HTTP, {"http": {"method": None}}, "requestContext.http.method is missing"),
        (HTTP, {"cookies": "a=b"}, "cookies is of type str; it has to be a list"),
        (URL, {"rawPath": None}, "rawPath is missing"),
        (URL, {"body": {"a": 1}}, "body is of type dict; it has to be text"),
        (ALB, {"headers": {"a": 1}}, "headers.a is of type int"),
        (MULTI, {"path": 1}, "path is of type int"),
    ],
)
def test_malformed_events(kind: str, fields: dict[str, Any], field: str) -> None:
    """The error names the field, what it is and what it has to be."""
    with pytest.raises(UnmarshalError) as raised:
        read(kind, **fields)

    assert "malformed HTTP event" in str(raised.value)
    assert field in str(raised.value)


@pytest.mark.parametrize("kind", http.KINDS)
def test_null_is_as_good_as_missing(kind: str) -> None:
    """Objects of headers and of query values, the body and the cookies may all be null."""
    fields = ("headers", "multiValueHeaders", "queryStringParameters", "multiValueQueryStringParameters", "body")
    nothing: dict[str, Any] = dict.fromkeys((*fields, "cookies", "isBase64Encoded", "rawQueryString"))
    if kind == MULTI:
        nothing["multiValueHeaders"] = {}
    request = read(kind, **nothing)

    assert (kind, (), "", [], b"", {}) == (
        request.kind,
        request.header_pairs,
        request.raw_query,
        request.query,
        request.body,
        request.cookies,
    )


def test_importing_it_is_cheap() -> None:
    """It brings nothing but itself and what decodes base64, and `dispatch` does not bring it."""
    source = "import sys, dispatch; before = set(sys.modules); import dispatch.http; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-P", "-c", source], capture_output=True, text=True, check=True)
    modules = set(done.stdout.split())

    assert "dispatch.http" in modules
    assert {name for name in modules if not name.startswith("dispatch.http")} <= {"binascii"}


# ----------------------------------------------------------------------------------------------------------------------
# Paths
# ----------------------------------------------------------------------------------------------------------------------


def path_of(kind: str, path: str) -> http.Request:
    """The request of an event that has this path where its kind has it."""
    if kind in {REST, ALB, MULTI}:
        return read(kind, path=path)
    return read(kind, rawPath=path, http={"path": path})


@pytest.mark.parametrize("kind", [REST, URL, ALB, MULTI])
@pytest.mark.parametrize(
    ("sent", "path", "raw_path"),
    [
        ("/a%20b", "/a b", "/a%20b"),
        ("/caf%C3%A9", "/café", "/caf%C3%A9"),
        ("/a%2Fb", "/a/b", "/a%2Fb"),
        ("/a%252Fb", "/a%2Fb", "/a%252Fb"),
        ("/a+b", "/a+b", "/a+b"),
        ("//a//b/", "//a//b/", "//a//b/"),
        ("/100%", "/100%", "/100%"),
        ("/%zz", "/%zz", "/%zz"),
        ("/%FF", "/�", "/%FF"),
        ("/a b", "/a b", "/a%20b"),
        ("/ä", "/ä", "/%C3%A4"),
        ("/a?b#c", "/a?b#c", "/a%3Fb%23c"),
        ("/[a]|{b}", "/[a]|{b}", "/[a]|{b}"),
        ("", "/", "/"),
        ("a", "/a", "/a"),
    ],
)
def test_paths_that_come_as_they_were_sent(kind: str, sent: str, path: str, raw_path: str) -> None:
    """REST APIs, function URLs and load balancers keep the escapes; what no URL has is escaped in the raw path."""
    request = path_of(kind, sent)

    assert (path, raw_path) == (request.path, request.raw_path)


@pytest.mark.parametrize(
    ("path", "raw_path"),
    [
        ("/a b", "/a%20b"),
        ("/café", "/caf%C3%A9"),
        ("/a%2Fb", "/a%252Fb"),
        ("/100%", "/100%25"),
        ("/a+b;c=d", "/a+b;c=d"),
        ("/a#b", "/a%23b"),
    ],
)
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_paths_of_an_http_api_are_decoded(version: str, path: str, raw_path: str) -> None:
    """In both payload formats: a path must not be decoded again, or `%252F`, the way to send a slash, would be one."""
    request = path_of(HTTP, path) if version == "2.0" else read(REST, version=version, path=path)

    assert (path, raw_path) == (request.path, request.raw_path)


def test_function_url_behind_another_domain() -> None:
    """It is known by its decoded `http.path` beside the raw one."""
    event = changed(HTTP, rawPath="/a%20b", http={"path": "/a b"})

    assert URL == http.kind(event)
    assert "/a b" == http.Request.from_event(event).path


@pytest.mark.parametrize("base_path", ["/prod", "prod", "/prod/", "prod/"])
@pytest.mark.parametrize(
    ("path", "expected", "taken_off"),
    [
        ("/prod/a", "/a", "/prod"),
        ("/prod", "/", "/prod"),
        ("/prod/", "/", "/prod"),
        ("/prod/prod/a", "/prod/a", "/prod"),
        ("/prod//a", "//a", "/prod"),
        ("/production", "/production", ""),
        ("/a/prod", "/a/prod", ""),
        ("/", "/", ""),
    ],
)
def test_base_path(base_path: str, path: str, expected: str, taken_off: str) -> None:
    """It is taken off once, at the border of a segment, however it is written; other paths stay."""
    for kind in (HTTP, ALB, URL):
        fields = {"path": path} if kind == ALB else {"rawPath": path, "http": {"path": path}}
        request = read(kind, base_path, **fields)
        assert (expected, taken_off) == (request.path, request.base_path)


@pytest.mark.parametrize("base_path", ["", "/"])
def test_no_base_path(base_path: str) -> None:
    """Nothing and a slash are none."""
    assert ("/a", "") == (read(ALB, base_path, path="/a").path, read(ALB, base_path, path="/a").base_path)


@pytest.mark.parametrize(
    ("path", "whole_path", "base_path", "expected"),
    [
        ("/users", "/prod/users", "", ("/users", "/prod")),
        ("/", "/prod/", "", ("/", "/prod")),
        ("/", "/prod", "", ("/", "/prod")),
        ("/users", "/users", "", ("/users", "")),
        ("/shop/users", "/shop/users", "", ("/shop/users", "")),
        ("/shop/users", "/shop/users", "shop", ("/users", "/shop")),
        ("/shop/users", "/prod/shop/users", "shop", ("/users", "/prod/shop")),
        ("/users", "/prod/users", "prod", ("/users", "/prod")),
    ],
    ids=["own domain", "root", "root without slash", "custom domain", "mapping", "mapping taken off", "both", "again"],
)
def test_stage_of_a_rest_api(path: str, whole_path: str, base_path: str, expected: tuple[str, str]) -> None:
    """Where the URL has the stage and the path has not, the stage is known to be before the path."""
    request = read(REST, base_path, path=path, context={"path": whole_path})

    assert expected == (request.path, request.base_path)


# ----------------------------------------------------------------------------------------------------------------------
# Query strings
# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "pairs"),
    [
        ("a=1&b=2&a=3", [("a", "1"), ("b", "2"), ("a", "3")]),
        ("a=b+c&d=e%20f", [("a", "b c"), ("d", "e f")]),
        ("a=%2B", [("a", "+")]),
        ("a=%252B", [("a", "%2B")]),
        ("a=&b&=c", [("a", ""), ("b", ""), ("", "c")]),
        ("a%3D=b%26c=d", [("a=", "b&c=d")]),
        ("q=caf%C3%A9", [("q", "café")]),
        ("q=%FF", [("q", "�")]),
        ("&&a=1&", [("a", "1")]),
        ("a=1;b=2", [("a", "1;b=2")]),
        ("a=100%", [("a", "100%")]),
        ("", []),
    ],
)
@pytest.mark.parametrize("kind", [HTTP, URL])
def test_query_strings_of_payload_2(kind: str, raw: str, pairs: list[tuple[str, str]]) -> None:
    """The raw string is as it was sent; the object beside it, in which commas are ambiguous, is not looked at."""
    request = read(kind, rawQueryString=raw, queryStringParameters={"not": "this"})

    assert (raw, pairs) == (request.raw_query, request.query)


def test_query_values_of_a_rest_api_are_decoded() -> None:
    """They are encoded once more in the query string, and mean the same."""
    values = {"a": ["1", "2"], "b": ["x y", "+", "%20"], "ä&=": [""]}
    request = read(REST, multiValueQueryStringParameters=values, queryStringParameters={"a": "2", "c": "only here"})

    assert "a=1&a=2&b=x%20y&b=%2B&b=%2520&%C3%A4%26%3D=&c=only%20here" == request.raw_query
    expected = [(name, value) for name, each in values.items() for value in each]
    assert [*expected, ("c", "only here")] == request.query


@pytest.mark.parametrize("multi", [False, True])
def test_query_values_of_a_load_balancer_are_as_sent(multi: bool) -> None:
    """They are not encoded again; what cannot have been sent is."""
    values = {"a": "b+c", "d": "e%20f", "g": "%252B", "h%3D": "", "i": "j=k", "l": "m&n o#ä"}
    request = (
        read(MULTI, multiValueQueryStringParameters={name: [value] for name, value in values.items()})
        if multi
        else read(ALB, queryStringParameters=values)
    )

    assert "a=b+c&d=e%20f&g=%252B&h%3D=&i=j=k&l=m%26n%20o%23%C3%A4" == request.raw_query
    assert [("a", "b c"), ("d", "e f"), ("g", "%2B"), ("h=", ""), ("i", "j=k"), ("l", "m&n o#ä")] == request.query


# ----------------------------------------------------------------------------------------------------------------------
# Headers, cookies, bodies
# ----------------------------------------------------------------------------------------------------------------------


def test_repeated_headers() -> None:
    """Each is kept; looked up in any case they are joined. The object with lists goes before the one without."""
    headers = {"X-A": ["1", "2"], "Accept": ["*/*"]}
    for kind, single in ((REST, {"x-a": "2", "X-B": "3"}), (MULTI, None)):
        request = read(kind, multiValueHeaders=headers, headers=single)
        rest = [("X-B", "3")] if single else []
        assert [("X-A", "1"), ("X-A", "2"), ("Accept", "*/*"), *rest] == list(request.header_pairs)
        assert ("1, 2", "*/*") == (request.headers["x-A"], request.headers["ACCEPT"])


@pytest.mark.parametrize("kind", http.KINDS)
def test_cookies(kind: str) -> None:
    """Wherever the event has them, they are one header and a mapping, in the order in which they were sent."""
    text = "b=2; a=1; b=3; c=x=y; d="
    kinds: dict[str, dict[str, Any]] = {
        REST: {"multiValueHeaders": {"Cookie": [text]}},
        HTTP: {"cookies": text.split("; ")},
        URL: {"cookies": text.split("; "), "headers": {"cookie": text}},
        ALB: {"headers": {"cookie": text}},
        MULTI: {"multiValueHeaders": {"cookie": ["b=2; a=1", "b=3", "c=x=y; d="]}},
    }
    request = read(kind, **kinds[kind])

    assert [text] == [value for name, value in request.header_pairs if name.lower() == "cookie"]
    assert {"b": "2", "a": "1", "c": "x=y", "d": ""} == request.cookies
    assert text == request.environ()["HTTP_COOKIE"]


@pytest.mark.parametrize("kind", http.KINDS)
def test_bodies(kind: str) -> None:
    """Text is UTF-8, base64 is bytes; half a surrogate pair does no harm."""
    assert "Zoë".encode() == read(kind, body="Zoë").body
    assert b"\xff\x00" == read(kind, body="/wA=", isBase64Encoded=True).body
    assert b"" == read(kind, body="", isBase64Encoded=True).body
    assert 3 == len(read(kind, body="\ud800").body)


# ----------------------------------------------------------------------------------------------------------------------
# Addresses
# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["203.0.113.7", "2001:db8::1"])
def test_client_of_api_gateway(address: str) -> None:
    """It is in the request's context."""
    for kind, context in ((REST, {"identity": {"sourceIp": address}}), (HTTP, {}), (URL, {})):
        more: dict[str, Any] = {} if context else {"http": {"sourceIp": address}}
        request = read(kind, context=context, **more)
        assert address == request.client == request.environ()["REMOTE_ADDR"]
        assert (address, 0) == request.scope()["client"]


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("198.51.100.1, 203.0.113.7", "203.0.113.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("203.0.113.7:52000", "203.0.113.7"),
        ("[2001:db8::1]:52000", "2001:db8::1"),
        ("", None),
    ],
)
def test_client_of_a_load_balancer(forwarded: str, client: str | None) -> None:
    """It is what the load balancer added, not what the client said; a port may follow."""
    assert client == read(ALB, headers={"x-forwarded-for": forwarded}).client
    assert client == read(MULTI, multiValueHeaders={"X-Forwarded-For": ["9.9.9.9", forwarded]}).client


def test_health_check_of_a_load_balancer() -> None:
    """It has neither client nor host, and both interfaces can express that."""
    request = read(ALB, headers={"user-agent": "ELB-HealthChecker/2.0"})

    assert (None, None, "http", 80) == (request.client, request.host, request.scheme, request.port)
    assert (None, None) == (request.scope()["client"], request.scope()["server"])
    assert ("", "localhost", "80") == tuple(
        request.environ()[key] for key in ("REMOTE_ADDR", "SERVER_NAME", "SERVER_PORT")
    )


@pytest.mark.parametrize(
    ("kind", "headers", "expected"),
    [
        (URL, {"host": "a.example"}, ("https", "a.example", 443)),
        (URL, {"host": "a.example", "x-forwarded-proto": "http"}, ("http", "a.example", 80)),
        (URL, {"host": "a.example", "x-forwarded-port": "8443"}, ("https", "a.example", 8443)),
        (URL, {"host": "a.example:9000", "x-forwarded-proto": "HTTP"}, ("http", "a.example", 9000)),
        (URL, {"host": "[2001:db8::1]:9000"}, ("https", "2001:db8::1", 9000)),
        (URL, {"host": "[2001:db8::1]"}, ("https", "2001:db8::1", 443)),
        (URL, {"x-forwarded-proto": "nonsense", "x-forwarded-port": "x"}, ("https", "abc.lambda-url.us-east-1.on.aws", 443)),
        (URL, {"host": "a.example", "x-forwarded-port": "9" * 5000}, ("https", "a.example", 443)),
        (URL, {"host": "a.example:" + "9" * 5000}, ("https", "a.example", 443)),
        (ALB, {"host": "a.example"}, ("http", "a.example", 80)),
        (ALB, {"host": "a.example", "x-forwarded-proto": "https", "x-forwarded-port": "443"}, ("https", "a.example", 443)),
    ],
)  # fmt: skip
def test_scheme_host_and_port(kind: str, headers: dict[str, str], expected: tuple[Any, ...]) -> None:
    """They come from the headers; else the domain is the event's, and the scheme what the kind is served by."""
    request = read(kind, headers=headers)

    assert expected == (request.scheme, request.host, request.port)
    assert expected == (request.scope()["scheme"], *request.scope()["server"])


@pytest.mark.parametrize(
    ("protocol", "version"), [("HTTP/1.1", "1.1"), ("HTTP/1.0", "1.0"), ("HTTP/2.0", "2"), ("HTTP/2", "2"), ("", None)]
)
def test_http_version(protocol: str, version: str | None) -> None:
    """As ASGI writes it; where it is not known, interfaces that need one get 1.1."""
    for request in (read(REST, context={"protocol": protocol}), read(URL, http={"protocol": protocol})):
        assert version == request.http_version
        assert (version or "1.1") == request.scope()["http_version"]
        assert f"HTTP/{version or '1.1'}" == request.environ()["SERVER_PROTOCOL"]


# ----------------------------------------------------------------------------------------------------------------------
# As web frameworks see it
# ----------------------------------------------------------------------------------------------------------------------


def full(kind: str, base_path: str = "") -> http.Request:
    """A request with something of everything, as it comes by an event of this kind."""
    request = http.Request(
        "POST",
        "/a%20b/%C3%A9",
        "x=1&x=2&y=%2B+z&empty=",
        [
            ("Host", "abc.lambda-url.us-east-1.on.aws"),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Length", "4"),
            ("Cookie", "a=1; b=2"),
            ("X-Name", "Zoë"),
            ("X_Name", "spoofed"),
        ],
        "Zoë".encode(),
        client="203.0.113.7",
        base_path=base_path,
    )
    return http.Request.from_event(http.event(request, kind), base_path)


@pytest.mark.parametrize("kind", http.KINDS)
def test_environ_is_valid(kind: str) -> None:
    """The standard library's validator has nothing to say."""

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["wsgi.input"].read(9)]

    for request in (full(kind), http.Request.from_event(EVENTS[kind])):
        answer = validator(app)(request.environ(), lambda *_: lambda data: None)
        assert request.body == b"".join(answer)
        answer.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", http.KINDS)
def test_flask_sees_the_request(kind: str) -> None:
    """Every part of it, in text as Flask decodes it."""
    flask = pytest.importorskip("flask")
    app = flask.Flask("app")
    with app.request_context(full(kind).environ()):
        seen = flask.request
        assert ("POST", "/a b/é", "203.0.113.7") == (seen.method, seen.path, seen.remote_addr)
        last = ["2"] if kind == ALB else ["1", "2"]
        assert (last, ["+ z"], [""]) == tuple(seen.args.getlist(name) for name in ("x", "y", "empty"))
        assert {"a": "1", "b": "2"} == dict(seen.cookies)
        assert "Zoë" == seen.get_data(as_text=True)
        assert ("text/plain", 4) == (seen.mimetype, seen.content_length)
        # As from any server to which UTF-8 was sent.
        assert "Zoë".encode() == seen.headers["X-Name"].encode("latin-1")


def test_flask_makes_urls_with_stage_and_base_path() -> None:
    """SCRIPT_NAME is what was before the path."""
    flask = pytest.importorskip("flask")
    app = flask.Flask("app")
    app.add_url_rule("/users/<name>", "user", lambda name: name)
    request = read(
        REST, "shop", path="/shop/users/7", context={"path": "/prod/shop/users/7"}, headers={"Host": "example.com"}
    )
    with app.request_context(request.environ()):
        assert ("/users/7", "/prod/shop/users/7") == (flask.request.path, flask.url_for("user", name=7))
        assert "https://example.com/prod/shop/users/7" == flask.request.base_url


def test_path_that_is_not_utf_8() -> None:
    """WSGI gets its bytes as they were sent."""
    request = read(ALB, path="/caf%E9")

    assert ("/caf\xe9", "/caf�") == (request.environ()["PATH_INFO"], request.scope()["path"])


@pytest.mark.parametrize("kind", http.KINDS)
def test_scope_is_valid(kind: str) -> None:
    """Each key has the type that ASGI's specification gives it."""
    for request in (full(kind), http.Request.from_event(EVENTS[kind])):
        scope = request.scope()
        types = {
            "type": str, "asgi": dict, "http_version": str, "method": str, "scheme": str, "path": str,
            "raw_path": bytes, "query_string": bytes, "root_path": str, "headers": list, "client": tuple,
            "server": tuple,
        }  # fmt: skip
        assert types == {key: type(value) for key, value in scope.items()}
        assert ("http", "3.0", request.method.upper()) == (scope["type"], scope["asgi"]["version"], scope["method"])
        assert {(bytes, bytes)} == {(type(name), type(value)) for name, value in scope["headers"]}
        assert [name.lower() for name, _ in scope["headers"]] == [name for name, _ in scope["headers"]]
        assert [(str, int)] * 2 == [tuple(map(type, scope[key])) for key in ("client", "server")]


@pytest.mark.parametrize("kind", http.KINDS)
def test_starlette_sees_the_request(kind: str) -> None:
    """Every part of it, also in a mounted application and with a base path taken off."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Mount, Route

    async def show(request: Request) -> JSONResponse:
        seen = [request.method, request.url.path, request.query_params.multi_items(), request.cookies]
        return JSONResponse([*seen, request.headers["content-type"], (await request.body()).decode()])

    app = Starlette(routes=[Mount("/a b", routes=[Route("/{rest}", show, methods=["POST"])])])
    request = full(kind, "/base")
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": request.body}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(request.scope(), receive, send))
    query = [["x", "1"], ["x", "2"], ["y", "+ z"], ["empty", ""]]
    seen = ["POST", "/a b/é", query[1:] if kind == ALB else query, {"a": "1", "b": "2"}]
    assert [*seen, "text/plain; charset=utf-8", "Zoë"] == json.loads(sent[1]["body"])
