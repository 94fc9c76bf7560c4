"""The names that authors of handlers and plugins import."""

from dispatch.asynchrony import settle
from dispatch.errors import DispatchError, MarshalError, UnmarshalError
from dispatch.invocation import Headers, Invocation, after_response, current
from dispatch.response import HTTPResponse, Response, respond

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from dispatch.hookspecs import hookimpl
    from dispatch.locate import Target

__version__ = "0.1.0"

__all__ = [
    "DispatchError",
    "HTTPResponse",
    "Headers",
    "Invocation",
    "MarshalError",
    "Response",
    "Target",
    "UnmarshalError",
    "after_response",
    "current",
    "hookimpl",
    "http",
    "respond",
    "settle",
]

#: Names that only some plugins need, and their modules; imported on first use, because `hookimpl` brings pluggy.
_LAZY = {"Target": "dispatch.locate", "hookimpl": "dispatch.hookspecs", "http": "dispatch.http"}


def __getattr__(name: str) -> "Any":
    from importlib import import_module

    if name not in _LAZY:
        raise AttributeError(f"module 'dispatch' has no attribute {name!r}")
    module = import_module(_LAZY[name])
    return getattr(module, name, module)
