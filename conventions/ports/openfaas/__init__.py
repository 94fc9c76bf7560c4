"""The `openfaas` port: `handle(event, context)` of the template python3-http, `handle(req)` of the template python3.

The first is called, and answered for, as by `index.py` of python3-http and python3-http-debian in
openfaas/python-flask-template, a Flask application behind waitress. For the second see `classic`.
"""

from __future__ import annotations

import os

from conventions.ports.flask_values import HTML, Missing, Query, answered, flask_context, headers_of
from conventions.ports.openfaas import classic
from conventions.ports.parameters import positional
from conventions.web import serving
from dispatch.asynchrony import settle
from dispatch.errors import HandlerNotFound
from dispatch.modules import described
from dispatch.protocol import OCTETS
from dispatch.response import is_iterator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from conventions.web import Answer
    from dispatch.http import Request
    from dispatch.types import Conventions, Handler, UserFunction

#: The methods for which Flask calls the function; for HEAD because of GET.
_METHODS = frozenset({"DELETE", "GET", "HEAD", "PATCH", "POST", "PUT"})
_ALLOWED = [("Content-Type", HTML), ("Allow", ", ".join(sorted({*_METHODS, "OPTIONS"})))]


class Event:
    """The request, as `handle` gets it."""

    def __init__(self, request: Request) -> None:
        self.body = request.body
        self.headers = headers_of(request)
        self.method = request.method
        self.query = Query(request.query)
        self.path = request.path


class Context:
    """The second argument of `handle`."""

    def __init__(self) -> None:
        self.hostname = os.getenv("HOSTNAME", "localhost")


def openfaas(function: UserFunction) -> Handler:
    """handle(event, context) -> a dictionary, or any answer that Flask accepts; handle(req: str) -> text to print."""
    count = positional(function)
    if count == 0:
        raise HandlerNotFound(
            f"the handler takes no arguments: {described(getattr(function, '__wrapped__', function))}; "
            "OpenFaaS calls handle(event, context), or handle(req) with the template python3"
        )
    return classic.handler(function) if count == 1 else _handler(function)


def _handler(function: UserFunction) -> Handler:
    def respond_to(request: Request) -> Answer:
        if request.method == "OPTIONS":
            return 200, _ALLOWED, b""
        if request.method not in _METHODS:
            return 405, _ALLOWED, b"the method is not allowed\n"
        with flask_context(request):
            try:
                result = function(Event(request), Context())
            except Missing as error:
                return 400, [("Content-Type", HTML)], f"the request lacks {error}\n".encode()
            except Exception as error:
                if not callable(error):  # as those of Werkzeug are, which are answers
                    raise
                result = error
            return answered(_taken(result), request)

    return serving(respond_to, failed=_failed, events_path="/", posts_bytes=True)


def _taken(result: Any) -> Any:
    """What the template hands on to Flask."""
    if result is None:
        return "", 200
    if type(result) is not dict:
        return result
    headers = result.get("headers", [])
    body, is_sent = settle(result.get("body", "")), False
    if isinstance(headers, dict):
        is_sent = headers.get("Content-type") == OCTETS  # in this spelling alone, and in python3-http-debian
        headers = list(headers.items())
    is_sent = is_sent or type(body) is dict or is_iterator(body)
    return body if is_sent else str(body), result.get("statusCode", 200), headers


def _failed(_error: Exception | SystemExit) -> Answer:
    return 500, [("Content-Type", HTML)], b"internal server error\n"


def dispatch_conventions() -> Conventions:
    """The convention for a function of OpenFaaS."""
    return {"openfaas": openfaas}
