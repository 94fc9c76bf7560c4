"""`handle(req)` as under OpenFaaS's template python3: the body is standard input, standard output is the answer.

The call is that of `index.py` of python3 in openfaas/templates, the answer that of openfaas/classic-watchdog
(`handler.go`, `readconfig.go`), which starts it anew for each request.
"""

from __future__ import annotations

import io
import os

from conventions.buffer import Buffer
from conventions.web import serving
from dispatch.event_variables import set_variables
from dispatch.protocol import OCTETS, TEXT
from dispatch.response import chunks, is_iterator
from dispatch.script_streams import Streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from conventions.web import Answer
    from dispatch.http import Request
    from dispatch.types import Handler, UserFunction

#: The methods that reach a function.
_METHODS = frozenset({"DELETE", "GET", "PATCH", "POST", "PUT"})

#: How a page begins, for Go's `http.DetectContentType`; and the bytes that text does not have.
_PAGES = {"text/html": (b"<!doctype html", b"<html", b"<head", b"<body", b"<!--"), "text/xml": (b"<?xml",)}
_CONTROLS = bytes({*range(32)} - {*b"\t\n\f\r\x1b"})

#: The variable that sets the content type of all answers.
_CONTENT_TYPE = "content_type"

#: How much of an answer it looks at.
_LOOKED_AT = 512


def handler(function: UserFunction) -> Handler:
    """The handler that `handle(req)` is."""

    def respond_to(request: Request) -> Answer:
        if request.method not in _METHODS:
            return 405, [], b""
        body = _output(function, request)
        content_type = os.environ.get(_CONTENT_TYPE) or request.headers.get("content-type") or _detected(body)
        return 200, [("Content-Type", content_type)] if content_type else [], body

    handle: Any = serving(respond_to, failed=_failed, events_path="/", posts_bytes=True)
    #: All invocations would share standard output and the variables.
    handle.one_at_a_time = True
    return handle  # type: ignore[no-any-return]


def _output(function: UserFunction, request: Request) -> bytes | Iterator[bytes]:
    """What the function prints, and what it returns."""
    output = Buffer()
    # As Python's standard streams in the template's image, where the locale is C.UTF-8.
    stdout = io.TextIOWrapper(output, "utf-8", "surrogateescape", newline="\n", write_through=True)
    request_variables = _variables(request)
    before = {name: os.environ.get(name) for name in request_variables}
    answer: Any = None
    try:
        set_variables(request_variables)
        with Streams("stdout", "stderr", stdout=stdout):
            answer = function(request.body.decode("utf-8", "surrogateescape"))
            if answer is not None and not is_iterator(answer):
                print(answer)  # noqa: T201 - the template does, wherever standard output goes by then
    finally:
        set_variables(before)
    return _followed(output.take(), answer) if is_iterator(answer) else output.take()


def _followed(printed: bytes, parts: Iterator[Any]) -> Iterator[bytes]:
    yield printed
    yield from chunks(parts, str)


def _variables(request: Request) -> dict[str, str]:
    """The request as variables: `Http_Method`, `Http_Query`, `Http_X_Own`."""
    found = {f"Http_{name.title().replace('-', '_')}": value for name, value in request.headers.lowered.items()}
    length = str(len(request.body))
    found |= {"Http_Method": request.method, "Http_ContentLength": length, "Http_Content_Length": length}
    found |= {"Http_Query": request.raw_query, "Http_Path": request.path, "Http_Host": request.headers.get("host", "")}
    return {name: value for name, value in found.items() if value and "=" not in name and "\0" not in value}


def _detected(body: bytes | Iterator[bytes]) -> str:
    """The content type that Go detects, by the rules for text and pages; empty if there is no body."""
    if not isinstance(body, bytes):
        return f"{TEXT}; charset=utf-8"
    start = body[:_LOOKED_AT]
    leading = start.lstrip(b"\t\n\f\r ").lower()
    page = next((name for name, beginnings in _PAGES.items() if leading.startswith(beginnings)), TEXT)
    if start.translate(None, _CONTROLS) != start:
        return OCTETS
    return f"{page}; charset=utf-8" if start else ""


def _failed(error: Exception | SystemExit) -> Answer:
    status = getattr(error.__cause__, "code", 1)
    status = status & 0xFF if isinstance(status, int) else 1
    return 500, [("Content-Type", f"{TEXT}; charset=utf-8")], f"exit status {status}\n".encode()
