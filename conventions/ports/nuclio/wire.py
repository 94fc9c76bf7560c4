"""Events and responses as they travel between Nuclio's processor and Python.

The fields of an event: nuclio/nuclio, pkg/processor/runtime/rpc/encoder/encode.go, and trigger/http/event.go for those
of a request; nuclio-sdk 0.6.3, event.py, parses the body. Responses: nuclio-sdk's response.py makes the fields;
runtime/rpc/result/result.go and trigger/http/trigger.go send them. Nuclio's HTTP server is valyala/fasthttp, which
normalizes paths (uri.go), reads query strings (args.go), capitalizes the names of headers and keeps those of the
connection to itself (header.go).
"""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime

from dispatch import current, settle
from dispatch.http.percent import decode
from dispatch.protocol import JSON
from dispatch.response import is_iterator, stop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, BinaryIO

    from conventions.web import Answer
    from dispatch.http import Request

#: Values of `NUCLIO_PYTHON_DECODE_EVENT_STRINGS` with which an event has bytes for text (runtime/python/runtime.go).
_OFF = frozenset({"no", "false", "disable", "disabled"})

#: Headers of a response that the HTTP server sets itself; the content type is a field of its own.
_OF_SERVER = frozenset({"content-type", "content-length", "transfer-encoding", "date", "connection"})

#: Headers that name a file to send, and say that it is deleted afterwards; how much of it is read at once.
_FILE, _DELETED = "x-nuclio-filestream-path", "x-nuclio-filestream-delete-after-send"
_PART = 65536


def reader(sdk: Any) -> Callable[..., Any]:
    """A function that makes the SDK's event of a body and of bytes for all text that comes from outside."""
    is_raw = os.environ.get("NUCLIO_PYTHON_DECODE_EVENT_STRINGS", "").lower() in _OFF

    def text(value: Any) -> Any:
        if is_raw:
            return value
        return {text(name): text(each) for name, each in value.items()} if isinstance(value, dict) else value.decode()

    def read(body: bytes, kind: bytes, content_type: bytes, **more: Any) -> Any:
        parse = sdk.event._EventDeserializer._try_deserialize_json  # noqa: SLF001 - as for the SDK's own messages
        given = dict.fromkeys(("method", "path", "url", "_type", "type_version", "version", "topic"), b"") | more
        return sdk.Event(
            parse(body) if content_type == JSON.encode() else body,
            text(content_type),
            sdk.TriggerInfo(text(kind), text(b"default-" + kind)),
            _id=text(current().request_id.encode()),
            size=len(body),
            timestamp=datetime.now(UTC).replace(microsecond=0, tzinfo=None),
            shard_id=-1,
            num_shards=0,
            offset=0,
            **{name: text(value) for name, value in given.items()},
        )

    return read


def of_request(request: Request) -> dict[str, Any]:
    """The fields of a request; of a repeated header or query parameter the last value."""
    pairs = [("-".join(map(str.capitalize, name.split("-"))), value) for name, value in request.header_pairs]
    headers = {name.encode(): value.encode() for name, value in pairs}
    pieces = [piece.partition("=") for piece in request.raw_query.replace("+", " ").split("&")]
    query = {decode(name): decode(value) for name, _, value in pieces if name or value}
    decoded = decode(request.raw_path)
    path = os.path.normpath(b"/" + decoded.lstrip(b"/"))
    if decoded.endswith(b"/") and path != b"/":
        path += b"/"
    return {
        "body": request.body, "kind": b"http", "content_type": headers.get(b"Content-Type", b""), "headers": headers,
        "fields": query, "method": request.method.encode(), "path": path,
    }  # fmt: skip


def answer(sdk: Any, output: Any) -> Answer:
    """What the caller gets of a function's output.

    An iterator is a body in parts. Unless it is that of a Response, its first item is an output of its own, which also
    decides on the status and the headers.

    Raises:
        TypeError, ValueError: Nuclio's SDK or its processor would not accept the output.
    """
    items: Any = settle(output.body if isinstance(output, sdk.Response) else output)
    if not is_iterator(items):
        return _whole(sdk, output)
    first = next(items, "")
    if isinstance(output, sdk.Response):
        first = sdk.Response(output.headers, _body(first), output.content_type, output.status_code)
    status, headers, start = _whole(sdk, first)
    return status, headers, _parts(start, items)


def _body(item: Any) -> Any:
    return getattr(item, "body", item)


def _parts(start: Any, items: Iterator[Any]) -> Iterator[bytes]:
    try:
        yield start
        for item in map(_body, items):
            yield bytes(item) if isinstance(item, bytes | bytearray) else str(item).encode(errors="replace")
    finally:
        stop(items)


def _whole(sdk: Any, output: Any) -> Answer:
    found = sdk.Response.from_entrypoint_output(sdk.json_encoder.Encoder().encode, output)
    status, text = found["status_code"], found["body"]
    if type(status) is not int:
        raise TypeError(f"not a status: {status!r}; it must be a whole number, like 200")
    if not isinstance(found["headers"], dict):
        raise TypeError(f"not the headers of a response: {found['headers']!r}; they must be a dictionary")
    named = {str(name).lower(): value for name, value in found["headers"].items()}
    headers = [
        (name, _in_header(value))
        for name, value in {**named, **dict.fromkeys(_OF_SERVER), _FILE: None, _DELETED: None}.items()
        if isinstance(value, str)
    ]
    if isinstance(named.get(_FILE), str):
        try:
            file = open(named[_FILE], "rb")  # noqa: SIM115 - it is read while it is sent
        except FileNotFoundError:
            return 404, headers, b""
        content: bytes | Iterator[bytes] = _read(file, deleted=_DELETED in named)
    else:
        encoded = found["body_encoding"] == "base64"
        content = base64.b64decode(text) if encoded else text.encode(errors="replace")
    return status or 200, [("content-type", found["content_type"]), *headers], content


def _in_header(value: str) -> str:
    return value.replace("\r", " ").replace("\n", " ").encode(errors="replace").decode("latin-1")


def _read(file: BinaryIO, *, deleted: bool) -> Iterator[bytes]:
    try:
        with file:
            while part := file.read(_PART):
                yield part
    finally:
        if deleted:
            os.unlink(file.name)
