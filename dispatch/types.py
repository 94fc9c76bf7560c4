"""The architecture as a few aliases: a convention turns a function into a handler, a handler answers an invocation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias, TypedDict

from dispatch.invocation import Invocation
from dispatch.response import Response

#: What a handler string names, once fetched: the user's own callable.
UserFunction: TypeAlias = Callable[..., Any]

#: What a response carries: all of it, or one chunk after another.
Body: TypeAlias = bytes | Iterator[bytes]

#: All that the runtime knows of user code.
Handler: TypeAlias = Callable[[Invocation], Response]

#: A decorator: how a function of one kind is called, and how its answer becomes a response.
Convention: TypeAlias = Callable[[UserFunction], Handler]

#: What ``dispatch_conventions`` returns.
Conventions: TypeAlias = Mapping[str, Convention]


class ErrorReport(TypedDict):
    """An error as the Runtime API is told of it."""

    errorMessage: str
    errorType: str
    requestId: str
    stackTrace: list[str]
