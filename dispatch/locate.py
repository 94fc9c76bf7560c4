"""What a handler string names: a function in a module, a script, a program, or Python source.

:func:`locate` is total and runs no user code: every string names something, if only a reason why it cannot be used,
which :meth:`Target.find` raises. What is found knows nothing of conventions.
"""

from __future__ import annotations

import os

from dispatch import found
from dispatch.errors import DispatchError, HandlerNotFound, MalformedHandlerName

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: No path that a handler string may name has one of these; Python source that is more than a name nearly always has.
_NOT_IN_PATHS = frozenset(" \t\r\n\0()[]{}<>'\"`,:;=!?*&|^%#\\")

_ARCHIVES = (".pyz", ".zip")
_SCRIPTS = (".py", ".pyc")


class Target:
    """What a handler string names.

    Attributes:
        convention: the name of the convention that takes it under ``auto``; empty if it cannot be used.
        description: what it is, in words for people.
        find: fetches the callable; runs the user's module, raises DispatchError or what the module raises.
        path: the file, where there is one.
    """

    __slots__ = ("convention", "description", "find", "path")

    def __init__(
        self, convention: str, description: str, find: Callable[[], Callable[..., Any]], path: str | None = None
    ) -> None:
        self.convention = convention
        self.description = description
        self.find = find
        self.path = path

    def __repr__(self) -> str:
        return f"<Target: {self.description}>"


def locate(spec: str, root: str, as_source: bool = False) -> Target:
    """What the handler string names in the task root.

    Args:
        spec: the handler string.
        root: the function's folder, an absolute path.
        as_source: take it for Python source, whatever else it may name.
    """
    if as_source and spec.strip():
        return _source(spec)
    try:
        return _file(spec, root) or _archived(spec, root) or _function(spec, root) or _expression(spec, root)
    except DispatchError as error:
        return _nothing(error)


def _source(spec: str) -> Target:
    from dispatch import expressions  # as for scripts

    return Target("expression", "Python source", lambda: expressions.expression(spec))


def _nothing(error: DispatchError) -> Target:
    def find() -> Callable[..., Any]:
        raise error

    return Target("", f"nothing that can be used: {error}", find)


def _file(spec: str, root: str) -> Target | None:
    if not spec.strip():
        raise MalformedHandlerName(
            "no handler is named: _HANDLER, HANDLER or the command's argument is a handler string like app.handler"
        )
    path = _inside(spec, root)
    if path is None or not os.path.isfile(path):
        return None
    if spec.endswith((*_ARCHIVES, *_SCRIPTS)):
        # Imported now: once user code runs, the name dispatch may be another's.
        from dispatch import scripts

        if spec.endswith(_ARCHIVES):
            return Target("script", f"the archive {spec}", lambda: scripts.archive_script(path, spec), path)
        return Target("script", f"the script {spec}", lambda: scripts.script(path, spec, root), path)
    if os.access(path, os.X_OK):
        return Target("process", f"the program {spec}", lambda: _program(path), path)
    raise HandlerNotFound(
        f"the file {spec} in {root} is neither Python (.py, .pyc, .pyz) nor executable; chmod +x makes it a program"
    )


def _program(path: str) -> Callable[..., Any]:
    raise HandlerNotFound(f"{path} is a program, not a Python callable")


def _archived(spec: str, root: str) -> Target | None:
    """A function in an archive: ``app.pyz/module.func``."""
    suffix = next((suffix for suffix in _ARCHIVES if suffix + "/" in spec), None)
    if suffix is None or not _is_path(spec):
        return None
    stem, _, name = spec.partition(suffix + "/")
    archive, (module, _, attribute) = stem + suffix, name.replace("/", ".").rpartition(".")
    path = _inside(archive, root)
    if path is None or not os.path.isfile(path):
        raise HandlerNotFound(f"no archive {archive} in {root}; {found.listing(root)}")
    if not module:
        raise MalformedHandlerName(f"{spec} names no function: the form is {archive}/module.function")
    return Target(
        "standard",
        f"{attribute} in the module {module} of the archive {archive}",
        lambda: found.archive_function(path, module, attribute),
        path,
    )


def _function(spec: str, root: str) -> Target | None:
    if not _is_path(spec):
        return None
    module, _, attribute = spec.rpartition(".")
    if not module or not attribute.isidentifier() or not all(module.replace("/", ".").split(".")):
        if "/" in spec:
            raise HandlerNotFound(f"no file {spec} in {root}; {found.listing(root)}")
        return None
    name = os.path.normpath(module).replace("/", ".") if "/" in module else module
    if name[0].isdigit():
        return None
    for candidate in _candidates(name):
        _inside(candidate, root)
    return Target(
        "standard", f"{attribute} in the module {name}", lambda: found.function(name, attribute, root, module)
    )


def _expression(spec: str, root: str) -> Target:
    target = _source(spec)
    if not spec.isidentifier():
        return target

    def find() -> Callable[..., Any]:
        try:
            return target.find()
        except NameError as error:
            raise MalformedHandlerName(
                f"{spec!r} names nothing: no file of that name in {root}, no module.function, "
                f"and as an expression: {error}; {found.listing(root)}",
                managed=f"Bad handler '{spec}': not enough values to unpack (expected 2, got 1)",
            ) from error

    return Target("expression", "Python source", find)


def _candidates(module: str) -> list[str]:
    """The paths below the task root from which the module, or a package around it, would be loaded."""
    parts = module.split(".")
    return ["/".join(parts[: count + 1]) + suffix for count in range(len(parts)) for suffix in ("", *_SCRIPTS, ".so")]


def _is_path(spec: str) -> bool:
    return _NOT_IN_PATHS.isdisjoint(spec)


def _inside(spec: str, root: str) -> str | None:
    """The path in the root that the spec names; None if it is none. Raises if it leaves the root."""
    if "\0" in spec or "\n" in spec:
        return None
    path = os.path.normpath(os.path.join(root, spec))
    home = os.path.join(root, "")
    if not path.startswith(home):
        if _is_path(spec):
            raise MalformedHandlerName(f"the handler {spec} would leave the task root {root}")
        return None
    try:
        linked = os.path.lexists(path)
    except OSError:
        return None
    if linked and not os.path.realpath(path).startswith(os.path.join(os.path.realpath(root), "")):
        raise MalformedHandlerName(
            f"the handler {spec} would leave the task root {root} by a link to {os.path.realpath(path)}"
        )
    return path
