"""The built-in conventions, each a plugin like any other."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dispatch.types import UserFunction


def taking_event(function: UserFunction) -> UserFunction:
    """Return `function(event, more)`; for a script it calls `main(handler, event)` with the handler string."""
    script = getattr(function, "__script__", None)
    return function if script is None else lambda event, _more: function(script, event)
