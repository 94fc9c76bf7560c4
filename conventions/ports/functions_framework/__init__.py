"""The `functions-framework` convention: a function of Google Cloud, served by the application that its package makes.

The package is functions-framework 3.10.2. `create_app` (`__init__.py`) loads the file, reads the decorator or
FUNCTION_SIGNATURE_TYPE and returns a Flask application, or one of Starlette for `functions_framework.aio` and with
FUNCTION_USE_ASGI, as its command does (`_cli.py`). So requests are answered by the platform's own code; what its
servers, gunicorn and uvicorn, answer if that code fails is in `_SERVERS`. `source` has the loading, and `events` what
the function gets of an event that is not HTTP.
"""

from __future__ import annotations

from conventions import wsgi
from conventions.ports.functions_framework import source
from dispatch.errors import HandlerNotFound
from dispatch.modules import described

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from conventions.web import Answer
    from dispatch.types import Conventions, Handler

#: What gunicorn's thread worker (27.0.1, `util.py`) and uvicorn (0.54.0, `protocols/http/h11_impl.py`) send if an
#: application fails.
_PAGE = (
    "<html>\n  <head>\n    <title>{0}</title>\n  </head>\n  <body>\n    <h1><p>{0}</p></h1>\n    \n  </body>\n</html>\n"
)
_SERVERS = {False: ("text/html", _PAGE), True: ("text/plain; charset=utf-8", "{0}")}


def functions_framework(loaded: Any) -> Handler:
    """A function in a file, with a decorator of functions_framework or the signature of FUNCTION_SIGNATURE_TYPE."""
    if not isinstance(loaded, source.Loaded):
        raise HandlerNotFound(f"not a function that functions-framework has loaded: {described(loaded)}")
    content_type, body = _SERVERS[loaded.is_asgi]

    def failed(_error: Exception | SystemExit) -> Answer:
        return 500, [("content-type", content_type)], body.format("Internal Server Error").encode()

    served = source.later("asgi").served if loaded.is_asgi else wsgi.served
    otherwise = None
    if loaded.signature != source.HTTP:
        events = source.later("ports.functions_framework.events")
        otherwise = events.receiver(loaded.function, loaded.signature)
    return served(loaded.app, otherwise=otherwise, failed=failed)


functions_framework.accepts_object = True  # type: ignore[attr-defined]
functions_framework.locate = source.locate  # type: ignore[attr-defined]


def dispatch_conventions() -> Conventions:
    """The convention for a function of Google Cloud."""
    return {"functions-framework": functions_framework}
