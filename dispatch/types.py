"""The architecture in four aliases: a convention turns a function into a handler, a handler answers an invocation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from dispatch.invocation import Invocation
from dispatch.response import Response

__all__ = ["Convention", "Conventions", "Handler", "UserFunction"]

#: The user's own callable, which a handler string names.
UserFunction: TypeAlias = Callable[..., Any]

#: All that the runtime knows about user code. It may have an attribute `report`; see `dispatch.hookspecs`.
Handler: TypeAlias = Callable[[Invocation], Response]

#: A decorator that knows how to call one kind of function and how to turn its answer into a response. It may have the
#: attributes `accepts_object`, `locate` and `report`; see `dispatch.hookspecs`.
Convention: TypeAlias = Callable[[UserFunction], Handler]

#: Conventions by name: the value that `dispatch_conventions` returns.
Conventions: TypeAlias = Mapping[str, Convention]
