"""The architecture as a few aliases: a convention turns a function into a handler, a handler answers an invocation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from dispatch.invocation import Invocation
from dispatch.response import Response

__all__ = ["Convention", "Conventions", "Handler", "UserFunction"]

#: What a handler string names, once fetched: the user's own callable.
UserFunction: TypeAlias = Callable[..., Any]

#: All that the runtime knows of user code. It may have an attribute `report`, see `dispatch.hookspecs`.
Handler: TypeAlias = Callable[[Invocation], Response]

#: A decorator: how a function of one kind is called, and how its answer becomes a response. It may have the attributes
#: `accepts_object` and `locate`, see `dispatch.hookspecs`.
Convention: TypeAlias = Callable[[UserFunction], Handler]

#: What `dispatch_conventions` returns.
Conventions: TypeAlias = Mapping[str, Convention]
