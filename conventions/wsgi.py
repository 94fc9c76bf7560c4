"""The `wsgi` convention: a web application for HTTP events, such as one of Flask, Django or Bottle (PEP 3333)."""

from __future__ import annotations

from conventions import applications
from conventions.context import LambdaContext, shared_attributes
from conventions.web import serving
from dispatch import current, variables
from dispatch.errors import MarshalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Self

    from conventions.web import Answer
    from dispatch.http import Request
    from dispatch.types import Conventions, Handler


def wsgi(app: Any) -> Handler:
    """A WSGI application: app(environ, start_response) -> an iterable of bytes."""
    applications.check(app, "wsgi")
    return served(app)


def served(app: Any, **options: Any) -> Handler:
    """The handler that a WSGI application is; the options are those of `conventions.web.serving`."""
    shared = shared_attributes()
    is_threaded = variables.workers() > 1

    def respond_to(request: Request) -> Answer:
        environ = request.environ()
        environ["aws.event"] = request.event
        environ["aws.context"] = LambdaContext(current(), shared)
        # Only a server that sends no events calls the application in threads.
        environ["wsgi.multithread"] = is_threaded and request.event is None
        return called(app, environ, streams=request.streams)

    return serving(respond_to, **options)


def called(app: Any, environ: dict[str, Any], *, streams: bool) -> Answer:
    """What an application answers to one request, with its body read to the end unless it `streams`."""
    response = _Response()
    response.take(app(environ, response.start))
    return response.streamed() if streams else response.whole()


wsgi.accepts_object = True  # type: ignore[attr-defined]
wsgi.locate = applications.module_and_attribute  # type: ignore[attr-defined]


class _Response:
    """What an application answers to one request; iterated over, the parts of its body."""

    def __init__(self) -> None:
        self._status = 0
        self._headers: list[tuple[str, str]] = []
        self._sent = False
        self._written: list[bytes] = []
        self._first: bytes | None = None
        self._parts: Iterator[bytes] = iter(())
        self._close: Callable[[], None] | None = None

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:
        """`start_response`: may be called again with an exception, as long as no part of the body has been sent."""
        if exc_info is not None and self._sent:
            try:
                raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # the traceback holds this frame
        if exc_info is None and self._status:
            raise RuntimeError("start_response was called a second time, without exc_info")
        if not isinstance(status, str) or not status[:3].isdecimal() or status[3:4].strip():
            raise ValueError(f"not a WSGI status: {status!r}; it must be text like '200 OK'")
        self._status, self._headers = int(status[:3]), list(headers)
        return self._write

    def _write(self, data: bytes) -> None:
        """The callable that `start_response` returns: these bytes come before what the application yields next."""
        self._written.append(_checked(data))

    def take(self, items: Any) -> None:
        """Read the body from what the application returned."""
        self._close = getattr(items, "close", None)
        if isinstance(items, str) or not hasattr(type(items), "__iter__"):
            raise MarshalError(f"a WSGI application must return an iterable of bytes, not {type(items).__name__}")
        self._parts = iter(items)

    def whole(self) -> Answer:
        """Read all of the body; only then are status and headers final."""
        try:
            body = b"".join(self)
        finally:
            self.close()
        return self._started(body)

    def streamed(self) -> Answer:
        """Read the body up to its first byte; the rest is read part by part."""
        try:
            self._first = next((part for part in self if part), b"")
            answer = self._started(self)
        except BaseException:
            self.close()
            raise
        self._sent = True
        return answer

    def _started(self, body: bytes | Iterator[bytes]) -> Answer:
        if not self._status:
            raise MarshalError("the application did not call start_response")
        return self._status, self._headers, body

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        first, self._first = self._first, None
        if first is not None:
            return first
        part = next(self._parts, None)
        written, self._written = b"".join(self._written), []
        if part is not None:
            return written + _checked(part)
        if written:
            return written
        self.close()
        raise StopIteration

    def close(self) -> None:
        """Tell the application, once, that its body has been read or is not wanted."""
        close, self._close = self._close, None
        if close is not None:
            close()


def _checked(part: Any) -> bytes:
    if not isinstance(part, bytes):
        raise MarshalError(f"each part of a WSGI response's body must be bytes, not {type(part).__name__}")
    return part


def dispatch_conventions() -> Conventions:
    """The convention for a WSGI application."""
    return {"wsgi": wsgi}
