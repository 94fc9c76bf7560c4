"""Finds an application by a handler string like `module:attribute`, and checks what kind of application it is."""

from __future__ import annotations

from dispatch import locate
from dispatch.errors import HandlerNotFound, MalformedHandlerName
from dispatch.locate import Target
from dispatch.modules import described

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: What an application is called with, by protocol.
_ARGUMENTS = {"asgi": ("scope", "receive", "send"), "wsgi": ("environ", "start_response")}

_BY_SIZE: dict[int | None, str] = {len(arguments): name for name, arguments in _ARGUMENTS.items()}

#: A translation table that removes what separates the names in a handler string.
_SEPARATORS = dict.fromkeys(map(ord, ":./"))

#: Flags of compiled code (inspect.CO_VARARGS, inspect.CO_COROUTINE).
_VARARGS, _COROUTINE = 0x04, 0x80


def module_and_attribute(spec: str, root: str) -> Target | None:
    """The target of `module:attribute`, as web servers write it; None for any other handler string.

    Raises:
        MalformedHandlerName: there are blanks in it, or one of the two is missing.
    """
    plain = "".join(spec.split())
    module, colon, attribute = plain.partition(":")
    first, *inner = attribute.split(".")
    if not colon or not plain.translate(_SEPARATORS).isidentifier():
        return None
    if not module or not all(name.isidentifier() for name in (first, *inner)):
        raise MalformedHandlerName(f"the handler {spec!r} lacks one of its names; write it like web:app")
    if plain != spec:
        raise MalformedHandlerName(f"there are spaces or line ends in the handler: {spec!r}; write {plain}")
    target = locate.locate(f"{module}.{first}", root)
    return _inside(target, first, inner) if inner else target


def _inside(target: Target, owner: str, names: list[str]) -> Target:
    """The target of an attribute of an object in a module."""

    def find() -> Any:
        found = target.find()
        for name in names:
            if not hasattr(found, name):
                raise HandlerNotFound(f"no {name!r} in {owner}: {described(found)}", attribute=name)
            found = getattr(found, name)
        return found

    description = f"{'.'.join((owner, *names))} in the module {target.module}"
    return Target(target.convention, description, find, target.path, module=target.module, reason=target.reason)


def check(app: Any, protocol: str) -> None:
    """Check, without calling it, that an object can be an application of a protocol: `asgi` or `wsgi`.

    Raises:
        HandlerNotFound: it cannot; the message names the other protocol where that one fits.
    """
    expected = _ARGUMENTS[protocol]
    call = f"{protocol} calls app({', '.join(expected)})"
    if not callable(app):
        raise HandlerNotFound(f"not an application, because it cannot be called: {described(app)}; {call}")
    count, _ = _signature(app)
    fits = fitting(app) or protocol
    if fits != protocol:
        raise HandlerNotFound(
            f"not an application for {protocol}, but one for {fits}: {described(app)}; set HANDLER_CONVENTION to {fits}"
        )
    if count not in {None, len(expected)}:
        hint = "; name the application itself, not the function that makes it" if count == 0 else ""
        raise HandlerNotFound(f"not an application, because it takes {count} arguments: {described(app)}; {call}{hint}")


def fitting(app: Any) -> str | None:
    """The protocol whose applications are called as this object is; None if its arguments do not show one."""
    count, is_async = _signature(app)
    return "asgi" if is_async else _BY_SIZE.get(count)


def _signature(app: Any) -> tuple[int | None, bool]:
    """How many arguments a callable takes, None if that is open; and whether it is `async def`."""
    if isinstance(app, type):
        return None, False
    # A method first, because it also has the code of its function.
    function = getattr(app, "__func__", None) or (app if hasattr(app, "__code__") else type(app).__call__)
    code = getattr(function, "__code__", None)
    if code is None:
        return None, False
    is_open = code.co_flags & _VARARGS or getattr(function, "__defaults__", None)
    return None if is_open else code.co_argcount - (function is not app), bool(code.co_flags & _COROUTINE)
