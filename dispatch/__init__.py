"""What the authors of handlers and plugins import."""

from dispatch.errors import DispatchError
from dispatch.invocation import Headers, Invocation, after_response, current
from dispatch.response import HTTPResponse, Response, respond

__version__ = "0.1.0"

__all__ = [
    "DispatchError",
    "HTTPResponse",
    "Headers",
    "Invocation",
    "Response",
    "after_response",
    "current",
    "respond",
]
