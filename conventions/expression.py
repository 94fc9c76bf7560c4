"""A handler written in the handler string itself, called as a standard one."""

from __future__ import annotations

from conventions.standard import standard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dispatch.types import Conventions


def dispatch_conventions() -> Conventions:
    """What an expression gives is called as ``func(event, headers)`` is."""
    return {"expression": standard}
