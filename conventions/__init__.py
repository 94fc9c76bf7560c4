"""The conventions of this project: one plugin each, made like anyone's."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dispatch.types import UserFunction


def taking_event(function: UserFunction) -> UserFunction:
    """`function(event, more)`; of a script it is `main(handler, event)`, where `handler` is the handler string."""
    script = getattr(function, "__script__", None)
    return function if script is None else lambda event, _more: function(script, event)
