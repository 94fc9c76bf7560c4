"""The built-in conventions, each a plugin like any other."""

from __future__ import annotations

from dispatch import variables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dispatch.types import Handler, UserFunction


def taking_event(function: UserFunction) -> UserFunction:
    """Return `function(event, more)`; for a script it calls `main(handler, event)` with the handler string."""
    script = getattr(function, "__script__", None)
    return function if script is None else lambda event, _more: function(script, event)


def taking_http_body(handler: Handler, *, guesses_type: bool = False) -> Handler:
    """Return the handler, which with `HANDLER_HTTP_BODY=1` gets the body of an HTTP event instead of the event.

    Args:
        handler: a handler of text or bytes.
        guesses_type: whether its output may be text as well as anything else, and does not say which.
    """
    if not variables.takes_http_body():
        return handler
    from conventions.http_body import of_http

    return of_http(handler, guesses_type=guesses_type)
