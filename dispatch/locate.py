"""What a handler string names: a function in a module, a script, a program, or Python source.

:func:`locate` is total and runs no user code: every string names something, if only a reason why it cannot be used,
which :meth:`Target.find` raises. What is found knows nothing of conventions.
"""

from __future__ import annotations

import os

from dispatch import modules, shadowing
from dispatch.discovery import OF_A_FUNCTION, OF_A_PROGRAM, OF_A_SCRIPT, OF_SOURCE
from dispatch.errors import DispatchError, HandlerNotFound, ImportModuleError, MalformedHandlerName

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: No path that a handler string may name has one of these; Python source that is more than a name nearly always has.
_NOT_IN_PATHS = frozenset(" \t\r\n\0()[]{}<>'\"`,:;=!?*&|^%#\\")

#: Why `auto` takes a string for a function.
_DOTTED = "the string is a dotted name"

_ARCHIVES = (".pyz", ".zip")
_SCRIPTS = (".py", ".pyc")

#: Why source is taken for an expression.
_NO_NAME = "the string is neither a file nor a dotted name"


class Target:
    """What a handler string names.

    Attributes:
        convention: the name of the convention that takes it under `auto`; empty if it cannot be used.
        description: what it is, in words for people.
        find: fetches what is named; runs the user's module, raises DispatchError or what the module raises.
        path: the file, where there is one.
        function: fetches it for a convention that calls a function; raises HandlerNotFound where it is none.
        module: the dotted name of the module that it is in, or an empty string.
        reason: why `auto` chooses the convention, a clause.
    """

    __slots__ = ("convention", "description", "find", "function", "module", "path", "reason")

    def __init__(
        self,
        convention: str,
        description: str,
        find: Callable[[], Any],
        path: str | None = None,
        *,
        function: Callable[[], Callable[..., Any]] | None = None,
        module: str = "",
        reason: str = "",
    ) -> None:
        self.convention = convention
        self.description = description
        self.find = find
        self.path = path
        self.function = function or self._function
        self.module = module
        self.reason = reason

    def _function(self) -> Callable[..., Any]:
        found = self.find()
        if not callable(found):
            raise HandlerNotFound(f"{self.description} is {modules.described(found)}, which cannot be called")
        return found  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"<Target: {self.description}>"


def locate(spec: str, root: str) -> Target:
    """What the handler string names in the task root.

    Args:
        spec: the handler string.
        root: the function's folder, an absolute path.
    """
    try:
        return _file(spec, root) or _archived(spec, root) or _function(spec, root) or _expression(spec, root)
    except DispatchError as error:
        return _nothing(error)


def source(spec: str, find: Callable[[], Any] | None = None) -> Target:
    """The handler string taken for Python source, whatever else it may name."""
    from dispatch import expressions  # as for scripts

    find = find or (lambda: expressions.expression(spec))

    def function() -> Callable[..., Any]:
        value = find()
        if not callable(value):
            raise HandlerNotFound(
                f"the handler, read as Python source, gives {modules.described(value)}, which cannot be called, "
                "and it uses neither event nor headers"
            )
        return value  # type: ignore[no-any-return]

    reason = "the string is neither a file nor a dotted name"
    return Target(OF_SOURCE, "Python source", find, function=function, reason=reason)


def _nothing(error: DispatchError) -> Target:
    def find() -> Any:
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

        is_archive = spec.endswith(_ARCHIVES)

        def script() -> scripts.Script:
            if not is_archive:
                return scripts.load_script(path, spec, root)
            modules.add_archive(path)
            if not shadowing.offered(path, "__main__"):
                raise ImportModuleError(f"no __main__.py in the archive {spec}; {modules.listing(path)}")
            return scripts.load_archive(path, spec)

        return Target(
            OF_A_SCRIPT,
            f"the {'archive' if is_archive else 'script'} {spec}",
            script,
            path,
            function=lambda: script().main(),
            reason=f"the string is the path of {'an archive' if is_archive else 'a script'}",
        )
    if os.access(path, os.X_OK):
        reason = "the string is the path of an executable file"
        return Target(
            OF_A_PROGRAM, f"the program {spec}", lambda: path, path, function=lambda: _program(path), reason=reason
        )
    return None


def _program(path: str) -> Callable[..., Any]:
    raise HandlerNotFound(f"{path} is a program, not a Python callable")


def _archived(spec: str, root: str) -> Target | None:
    """A function in an archive: ``app.pyz/module.func``."""
    suffix = next((suffix for suffix in _ARCHIVES if suffix + "/" in spec), None)
    if suffix is None:
        return None
    stem, _, name = spec.partition(suffix + "/")
    archive, (written, _, attribute) = stem + suffix, name.rpartition(".")
    path = _inside(archive, root)
    if path is None or not os.path.isfile(path):
        if not _is_path(spec):
            return None
        raise HandlerNotFound(f"no archive {archive} in {root}; {modules.listing(root, archive)}")
    module = _dotted(written)
    if not module or not attribute.isidentifier():
        raise MalformedHandlerName(f"{spec} names no function: the form is {archive}/module.function")
    return Target(
        OF_A_FUNCTION,
        f"{attribute} in the module {module} of the archive {archive}",
        lambda: modules.archive_member(path, module, attribute, written),
        path,
        module=module,
        reason=_DOTTED,
    )


def _function(spec: str, root: str) -> Target | None:
    module, _, attribute = spec.rpartition(".")
    name = _dotted(module)
    if not _is_path(spec):
        # In a folder whose name has a blank, say.
        if not ("/" in spec and attribute.isidentifier() and _inside(module, root) and shadowing.offered(root, name)):
            return None
    elif _is_arithmetic(spec, root):
        return None
    if not name or not attribute.isidentifier():
        if "/" in spec:
            raise HandlerNotFound(modules.no_file(spec, root))
        return None
    if name.replace(".", "").isdigit() and not shadowing.offered(root, name):
        return None  # an attribute of a number
    for candidate in _candidates(name):
        if os.path.islink(os.path.join(root, candidate)):
            _inside(candidate, root)
    return Target(
        OF_A_FUNCTION,
        f"{attribute} in the module {name}",
        lambda: modules.member(name, attribute, root, module),
        module=name,
        reason=_DOTTED,
    )


def _dotted(path: str) -> str:
    """The name of a module that is written as a path, ``./folder/module``; empty if it is none."""
    name = ".".join(part for part in path.split("/") if part != ".")
    return name if all(name.split(".")) else ""


def _is_arithmetic(spec: str, root: str) -> bool:
    """Whether it is an expression like ``event/2`` or ``-event.real`` and, as a path, names nothing that is there."""
    if ("event" not in spec and "headers" not in spec) or all(part.isidentifier() for part in spec.split(".")):
        return False
    folder, slash, _ = spec.partition("/")
    if os.path.lexists(os.path.join(root, folder)) if slash else shadowing.offered(root, spec.rpartition(".")[0]):
        return False
    from dispatch import expressions  # as for scripts

    return expressions.uses_only_the_event(spec)


def _expression(spec: str, root: str) -> Target:
    target = source(spec)
    is_file = os.path.isfile(os.path.join(root, spec))
    if not is_file and not _is_path(spec):
        return target

    def find() -> Any:
        try:
            return target.find()
        except (NameError, DispatchError) as error:
            if not is_file and isinstance(error, DispatchError):
                raise
            raise MalformedHandlerName(
                f"{spec!r} names nothing: it is no module.function, and as an expression it fails: {error}; "
                f"{modules.no_file(spec, root)}",
                handler=spec,
            ) from error

    return source(spec, find)


def _candidates(module: str) -> list[str]:
    """The paths below the task root from which the module, or a package around it, would be loaded."""
    parts = module.split(".")
    paths = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    return paths + [
        path + kind + suffix for path in paths for kind in ("", "/__init__") for suffix in shadowing.SUFFIXES
    ]


def _is_path(spec: str) -> bool:
    return _NOT_IN_PATHS.isdisjoint(spec)


def _inside(spec: str, root: str) -> str | None:
    """The path in the root that the spec names; None if it is none. Raises if it leaves the root."""
    if "\0" in spec or "\n" in spec:
        return None
    path = os.path.normpath(os.path.join(root, spec))
    home = os.path.join(root, "")
    if path + os.sep == home:
        return None
    if not path.startswith(home):
        if _is_path(spec):
            raise MalformedHandlerName(f"the handler {spec} would leave the task root {root}")
        return None
    if os.path.lexists(path) and not os.path.realpath(path).startswith(os.path.join(os.path.realpath(root), "")):
        raise MalformedHandlerName(
            f"the handler {spec} would leave the task root {root} by a link to {os.path.realpath(path)}"
        )
    return path
