"""An event that is made of a request and read back is the same request, in every kind, but for what it cannot express."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl, unquote, unquote_to_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.http_events import delivered

from dispatch import http

REST, HTTP, URL, ALB, MULTI = http.KINDS

# What can be in a URL, in a header: RFC 3986 and RFC 9110.
PCHAR = st.sampled_from([*"abcXYZ019-._~!$&'()*+,;=:@/", "%20", "%25", "%2F", "%2f", "%C3%A9", "%FF", "%00", "%7e"])
PATHS = st.lists(PCHAR, max_size=12).map(lambda pieces: "/" + "".join(pieces))
QUERY_TEXT = st.lists(st.sampled_from([*"abc01-._~!$'()*,;:@/?+", "%20", "%26", "%3D", "%C3%A9", "%2B"]), max_size=6)
NAMES = st.sampled_from(["Accept", "X-A", "X-Request-Id", "If-None-Match", "user-agent"])
VALUES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E) | st.sampled_from("éß世"), max_size=10).map(
    str.strip
)
COOKIES = st.lists(st.sampled_from(["a=1", "b=2", "a=3", "c=x=y", "d="]), min_size=1, max_size=4).map("; ".join)
TYPES = st.sampled_from(["text/plain", "application/json", "application/octet-stream", "image/png", ""])
HOSTS = st.sampled_from(["example.com", "example.com:8443", "[2001:db8::1]", "[2001:db8::1]:9000"])
ADDRESSES = st.ip_addresses().map(str)


@st.composite
def requests(draw: st.DrawFn) -> http.Request:
    """A request as a client may send it."""
    headers = draw(st.lists(st.tuples(NAMES, VALUES), max_size=5))
    headers.append(("Host", draw(HOSTS)))
    if draw(st.booleans()):
        headers.append(("Content-Type", draw(TYPES)))
    if draw(st.booleans()):
        headers.append(("Cookie", draw(COOKIES)))
    pieces = draw(st.lists(st.tuples(QUERY_TEXT, QUERY_TEXT), max_size=5))
    return http.Request(
        draw(st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])),
        draw(PATHS),
        "&".join(f"{''.join(name)}={''.join(value)}" for name, value in pieces),
        headers,
        draw(st.binary(max_size=20) | st.text(max_size=20).map(lambda text: text.encode("utf-8", "replace"))),
        client=draw(ADDRESSES),
        scheme=draw(st.sampled_from(["http", "https"])),
        port=draw(st.none() | st.integers(1, 65535)),
        http_version="1.1",
        base_path=draw(st.sampled_from(["", "/base", "/a%20b/c"])),
    )


def grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Values by names: how they are mixed with each other is what an object cannot express."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def headers_of(request: http.Request, kind: str) -> Any:
    """Its headers as far as the kind can express them."""
    added = ("x-forwarded-proto", "x-forwarded-port", "x-forwarded-for")
    values = grouped((name.lower(), value) for name, value in request.header_pairs if name.lower() not in added)
    if kind in {HTTP, URL}:
        return {name: ",".join(each) for name, each in values.items()}
    if kind == ALB:
        return {name: each[-1] for name, each in values.items()}
    return values


def query_of(request: http.Request, kind: str) -> Any:
    """Its query string as far as the kind can express it."""
    if kind in {HTTP, URL}:
        return request.raw_query
    if kind == ALB:
        # Names are compared before they are decoded.
        pieces = [piece.partition("=") for piece in request.raw_query.split("&") if piece]
        return {name: value for name, _, value in pieces}
    return grouped(request.query)


@pytest.mark.parametrize("kind", http.KINDS)
@settings(deadline=None)
@given(request=requests())
def test_round_trip(kind: str, request: http.Request) -> None:
    """Every part comes back; the event is JSON, and of its kind."""
    event = json.loads(json.dumps(http.event(request, kind)))
    again = http.Request.from_event(event, request.base_path)
    parts = ("method", "base_path", "path", "query", "body", "client", "scheme", "host", "port", "http_version")
    expected = {part: getattr(request, part) for part in parts} | {
        "raw_path": request.raw_path,
        "cookies": request.cookies,
        "headers": headers_of(request, kind),
        "query": query_of(request, kind),
    }
    actual = {part: getattr(again, part) for part in parts} | {
        "raw_path": again.raw_path,
        "cookies": again.cookies,
        "headers": headers_of(again, kind),
        "query": query_of(again, kind),
    }
    if kind == HTTP:
        # The path is decoded: what encodes the same text is the same path.
        expected |= {"raw_path": unquote(request.raw_path), "base_path": unquote(request.base_path)}
        actual |= {"raw_path": unquote(again.raw_path), "base_path": unquote(again.base_path)}
    if kind in {ALB, MULTI}:
        expected["http_version"] = None

    assert kind == again.kind
    assert expected == actual


@pytest.mark.parametrize("kind", http.KINDS)
@settings(deadline=None)
@given(request=requests())
def test_second_round_trip_changes_nothing(kind: str, request: http.Request) -> None:
    """The event of what was read of an event is the same event."""
    first = http.event(request, kind)
    second = http.event(http.Request.from_event(first, request.base_path), kind)

    assert first == second


@settings(deadline=None)
@given(path=st.text(max_size=20).map(lambda text: text.encode("utf-8", "replace").decode()) | PATHS)
def test_percent_decoding_is_the_standard_library_s(path: str) -> None:
    """Of paths and of query strings, as text and as bytes."""
    request = http.Request(raw_path=path, raw_query=path)

    assert unquote(path) == request.path
    assert unquote_to_bytes(path) == request.environ()["PATH_INFO"].encode("latin-1")
    assert parse_qsl(path, keep_blank_values=True, max_num_fields=None) == request.query


@pytest.mark.parametrize("kind", http.KINDS)
@settings(deadline=None)
@given(
    headers=st.lists(st.tuples(st.sampled_from(["X-A", "x-a", "Vary"]), VALUES.filter(lambda text: "世" not in text)), max_size=4),
    cookies=st.lists(st.sampled_from(["a=1; Path=/", "b=2", "Expires=Mon, 1 Jan"]), max_size=4),
    content_type=TYPES,
    body=st.binary(max_size=20) | st.text(max_size=20).map(lambda text: text.encode("utf-8", "replace")),
)  # fmt: skip
def test_answers_arrive_whole(
    kind: str, headers: list[tuple[str, str]], cookies: list[str], content_type: str, body: bytes
) -> None:
    """What the client gets is what was answered, with repeated headers joined where the format has one value."""
    request = http.Request.from_event(http.event(http.Request(headers=[("host", "a.lambda-url.b")]), kind))
    answer = json.loads(json.dumps(http.reply(request, 200, [*headers, ("content-type", content_type)], body, cookies)))
    status, pairs, content = delivered(kind, answer)
    expected = [("content-type", content_type), *[("set-cookie", cookie) for cookie in cookies]]
    for name, values in grouped((name.lower(), value) for name, value in headers).items():
        expected += [(name, value) for value in ([", ".join(values)] if kind in {HTTP, URL, ALB} else values)]

    assert (200, sorted(expected), body) == (status, sorted(pairs), content)
