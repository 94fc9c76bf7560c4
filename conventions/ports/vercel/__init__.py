"""The `vercel` convention: `class handler(BaseHTTPRequestHandler)`, a Python function of Vercel's.

The class runs as under the standard library's http.server, which Vercel's own runtime serves it with (vercel-runtime
0.24.1, vc_init.py): it reads a request and writes a response as bytes, here from and to memory. So parsing, the 501 for
a method that the class does not have, and all else is what `http.server` does in this Python. An exception makes that
server close the connection, which is a 500 here.
"""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace

from conventions import applications
from conventions.ports.vercel import response
from conventions.web import serving
from conventions.writing import Output
from dispatch.asynchrony import plain
from dispatch.errors import HandlerNotFound, Terminated, UnmarshalError
from dispatch.modules import described

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from conventions.web import Answer
    from dispatch.http import Request
    from dispatch.types import Conventions, Handler

#: A flag of compiled code (inspect.CO_COROUTINE).
_COROUTINE = 0x80


def vercel(handler: Any) -> Handler:
    """A class derived from BaseHTTPRequestHandler, with methods do_GET, do_POST and so on."""
    cls = _derived(_checked(handler))

    def respond_to(request: Request) -> Answer:
        sent = _as_sent(request)
        address, host = (request.client or "", 0), (request.host or "localhost", request.port)
        server = SimpleNamespace(server_name=host[0], server_port=host[1], server_address=host)

        def write(write: Callable[[Any], object]) -> None:
            cls(_Connection(sent, write), address, server)

        return response.read(_streamed(write) if request.streams else _buffered(write), request)

    return serving(respond_to, failed=_failed)


vercel.accepts_object = True  # type: ignore[attr-defined]


def _checked(handler: Any) -> Any:
    base = getattr(sys.modules.get("http.server"), "BaseHTTPRequestHandler", None)
    if isinstance(handler, type) and base is not None and issubclass(handler, base):
        return handler
    protocol = applications.fitting(handler) if callable(handler) and not isinstance(handler, type) else None
    hint = f"set HANDLER_CONVENTION to {protocol}" if protocol else "write the handler like api/index.handler"
    raise HandlerNotFound(f"not a class derived from http.server.BaseHTTPRequestHandler: {described(handler)}; {hint}")


def _derived(cls: Any) -> Any:
    """The class, whose methods may be async, and which answers one request: what is left of a body is not another."""
    found = {name: getattr(cls, name) for name in dir(cls) if name.startswith("do_")}
    methods = {
        name: plain(method)
        for name, method in found.items()
        if getattr(getattr(method, "__code__", None), "co_flags", 0) & _COROUTINE
    }
    if getattr(cls.handle, "__module__", "") == "http.server":
        methods["handle"] = lambda self: self.handle_one_request()
    return type(cls)(cls.__name__, (cls,), {"__module__": cls.__module__, **methods})


def _as_sent(request: Request) -> bytes:
    """The bytes of a request, as its client has sent them to the platform."""
    target = request.raw_path + (f"?{request.raw_query}" if request.raw_query else "")
    pairs = [pair for pair in request.header_pairs if pair[0].lower() not in {"content-length", "transfer-encoding"}]
    if request.body or "content-length" in request.headers:
        pairs.append(("content-length", str(len(request.body))))
    lines = [f"{request.method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in pairs)]
    for line in lines:
        if not {"\r", "\n"}.isdisjoint(line):
            raise UnmarshalError(f"the event has a line end in the request's line or in a header: {line[:60]!r}")
    return "\r\n".join((*lines, "", "")).encode("utf-8", "surrogatepass") + request.body


def _buffered(write: Callable[[Any], None]) -> Iterator[bytes]:
    parts: list[bytes] = []
    failure = None
    try:
        write(parts.append)
    except Terminated:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001 - what was written may be a complete response
        failure = error
    yield from parts
    if failure is not None:
        raise failure


def _streamed(write: Callable[[Any], None]) -> Iterator[bytes]:
    output = Output.of(lambda output: write(output.send), "vercel handler")
    return output.rest(output.wait())


class _Connection(io.RawIOBase):
    """What the class has for a socket: it reads the request from it and writes the response to it."""

    def __init__(self, received: bytes, write: Callable[[Any], object]) -> None:
        self._received = received
        self._write = write

    def makefile(self, mode: str = "r", buffering: int = -1) -> Any:
        """A file to read the request from, or one to write the response to."""
        return io.BufferedWriter(self, max(buffering, 1)) if "w" in mode else io.BytesIO(self._received)

    def writable(self) -> bool:
        """Whether it can be written to."""
        return True

    def write(self, data: Any) -> int:
        """Write a part of the response."""
        part = memoryview(data).tobytes()
        self._write(part)
        return len(part)

    sendall = write

    def settimeout(self, *_values: Any) -> None:
        """Memory answers at once, and has no options."""

    setsockopt = settimeout


def _failed(_error: Exception | SystemExit) -> Answer:
    return 500, [("content-type", "text/plain")], b"Internal Server Error"


def dispatch_conventions() -> Conventions:
    """The convention for a Python function of Vercel's."""
    return {"vercel": vercel}
