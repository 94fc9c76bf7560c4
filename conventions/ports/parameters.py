"""How many parameters a user's function has, for platforms that pass as many arguments; without importing inspect."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dispatch.types import UserFunction

#: A flag of compiled code (inspect.CO_VARARGS).
_VARARGS = 0x04


def positional(function: UserFunction) -> int | None:
    """The number of positional parameters; None if it cannot be known."""
    user_object = getattr(function, "__wrapped__", function)
    method = getattr(user_object, "__func__", None)
    code = getattr(method or user_object, "__code__", None)
    return None if code is None or code.co_flags & _VARARGS else code.co_argcount - (method is not None)
