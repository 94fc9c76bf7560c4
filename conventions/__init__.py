"""The built-in conventions, each a plugin like any other."""

from __future__ import annotations

from dispatch import variables

TYPE_CHECKING = False
if TYPE_CHECKING:
    from conventions import http_body
    from dispatch.types import Handler, UserFunction


def get_ready() -> None:
    """Import what the settings require. Called before user code runs, because that may have packages named as ours."""
    if variables.takes_http_body():
        from importlib import import_module

        import_module("conventions.http_body")  # which also binds its name in this module


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
    return http_body.of_http(handler, guesses_type=guesses_type)
