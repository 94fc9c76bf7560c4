"""The `expression` convention: a handler written in the handler string itself, called as in `standard`."""

from __future__ import annotations

from conventions.standard import standard
from dispatch.locate import source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dispatch.locate import Target
    from dispatch.types import Conventions, Handler, UserFunction


def expression(function: UserFunction) -> Handler:
    """A callable value, or source that uses `event` and `headers`; called as in `standard`."""
    return standard(function)


def _as_source(spec: str, _root: str) -> Target | None:
    """The handler string as Python source, whatever else it may name."""
    return source(spec) if spec.strip() else None


expression.locate = _as_source  # type: ignore[attr-defined]
expression.accepts_any_event = True  # type: ignore[attr-defined]


def dispatch_conventions() -> Conventions:
    """The convention for a handler that is written in the handler string itself."""
    return {"expression": expression}
