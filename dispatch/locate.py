"""Finds out what a handler string names: a function in a module, a script, a program, or Python source.

`locate()` is total and runs no user code: it returns a Target for every string. If the string cannot be used,
`Target.find()` raises the reason. The object that `find()` returns knows nothing about conventions.
"""

from __future__ import annotations

import os

from dispatch import modules, shadowing
from dispatch.discovery import OF_A_FUNCTION, OF_A_PROGRAM, OF_A_SCRIPT, OF_A_SHELL_FUNCTION, OF_SOURCE
from dispatch.errors import DispatchError, HandlerNotFound, ImportModuleError, MalformedHandlerName

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: Characters that a path in a handler string cannot have; Python source that is more than a name nearly always does.
_NOT_IN_PATHS = frozenset(" \t\r\n\0()[]{}<>'\"`,:;=!?*&|^%#\\")

#: The reason why `auto` reads a string as a function.
_DOTTED = "the string is a dotted name"

_ARCHIVES = (".pyz", ".zip")
_SCRIPTS = (".py", ".pyc")

#: Why source is taken for an expression.
_NO_NAME = "the string is neither a file nor a dotted name"


class Target:
    """A handler string's target: the object that it names, and how to fetch it.

    Attributes:
        convention: the name of its convention under `auto`; empty if the string cannot be used.
        description: what it is, in words for people.
        find: fetches it, which runs the user's module; raises DispatchError, or what the module raises.
        path: the file, if there is one.
        function: fetches it for a convention that calls a function; raises HandlerNotFound if it is not callable.
        module: the dotted name of its module, or an empty string.
        reason: why `auto` chooses the convention, as a clause.
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
            raise HandlerNotFound(f"{self.description} is not callable: {modules.described(found)}")
        return found  # type: ignore[no-any-return]

    def __repr__(self) -> str:
        return f"<Target: {self.description}>"


def locate(spec: str, root: str) -> Target:
    """Find out what the handler string names in the task root.

    Args:
        spec: the handler string.
        root: the function's folder, an absolute path.
    """
    try:
        return (
            _file(spec, root)
            or _archived(spec, root)
            or _shell_function(spec, root)
            or _function(spec, root)
            or _expression(spec, root)
        )
    except DispatchError as error:
        return _nothing(error)


def source(spec: str, find: Callable[[], Any] | None = None) -> Target:
    """A target that reads the handler string as Python source, whatever else it may name."""
    from dispatch import expressions  # here for the same reason as scripts below

    find = find or (lambda: expressions.expression(spec))

    def function() -> Callable[..., Any]:
        value = find()
        if not callable(value):
            raise HandlerNotFound(
                "the handler, read as Python source, is not callable and uses neither event nor headers: "
                f"{modules.described(value)}"
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
            "the handler string is empty; set _HANDLER or HANDLER, or pass a handler string like app.handler"
        )
    path = inside(spec, root)
    if path is None or not os.path.isfile(path):
        return None
    if spec.endswith((*_ARCHIVES, *_SCRIPTS)):
        # Imported now: once user code runs, `dispatch` may name another package.
        from dispatch import scripts

        is_archive = spec.endswith(_ARCHIVES)

        def script() -> scripts.Script:
            if not is_archive:
                return scripts.load_script(path, spec, root)
            modules.add_archive(path)
            if not shadowing.offered(path, "__main__"):
                raise ImportModuleError(f"the archive {spec} has no __main__.py; {modules.listing(path)}")
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
    """A function in an archive, written `app.pyz/module.func`."""
    suffix = next((suffix for suffix in _ARCHIVES if suffix + "/" in spec), None)
    if suffix is None:
        return None
    stem, _, name = spec.partition(suffix + "/")
    archive, (written, _, attribute) = stem + suffix, name.rpartition(".")
    path = inside(archive, root)
    if path is None or not os.path.isfile(path):
        if not _is_path(spec):
            return None
        raise HandlerNotFound(f"no archive {archive} in {root}; {modules.listing(root, archive)}")
    module = _dotted(written)
    if not module or not attribute.isidentifier():
        raise MalformedHandlerName(f"{spec} does not name a function; write {archive}/module.function")
    return Target(
        OF_A_FUNCTION,
        f"{attribute} in the module {module} of the archive {archive}",
        lambda: modules.archive_member(path, module, attribute, written),
        path,
        module=module,
        reason=_DOTTED,
    )


def shell_function(spec: str, root: str) -> Target | None:
    """The target of `folder/file.function`, whose `find` returns the path of file.sh and the function's name.

    None if there is no such file. Raises MalformedHandlerName if it would leave the task root.
    """
    stem, _, name = spec.rpartition(".")
    if not stem or not name.replace("-", "_").isidentifier():
        return None
    path = inside(f"{stem}.sh", root)
    if path is None or not os.path.isfile(path):
        return None
    reason = f"there is a file {stem}.sh, and no module of that name"
    return Target(OF_A_SHELL_FUNCTION, f"{name} in the shell file {stem}.sh", lambda: (path, name), path, reason=reason)


def _shell_function(spec: str, root: str) -> Target | None:
    """The same under `auto`: a file of the string's own name comes first, and so does a module."""
    if os.path.isfile(os.path.join(root, spec)) or shadowing.offered(root, _dotted(spec.rpartition(".")[0])):
        return None
    return shell_function(spec, root)


def _function(spec: str, root: str) -> Target | None:
    module, _, attribute = spec.rpartition(".")
    name = _dotted(module)
    if not _is_path(spec):
        # A folder's name may have a blank, for example.
        is_path = "/" in spec and name and attribute.isidentifier() and inside(module, root)
        if not (is_path and shadowing.offered(root, name)):
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
            inside(candidate, root)
    return Target(
        OF_A_FUNCTION,
        f"{attribute} in the module {name}",
        lambda: modules.member(name, attribute, root, module),
        module=name,
        reason=_DOTTED,
    )


def _dotted(path: str) -> str:
    """The dotted name of a module that is written as a path, `./folder/module`; empty if it is not one."""
    name = ".".join(part for part in path.split("/") if part != ".")
    return name if all(name.split(".")) else ""


def _is_arithmetic(spec: str, root: str) -> bool:
    """Whether it is an expression like `event/2` or `-event.real`, and no file or module has that name."""
    if ("event" not in spec and "headers" not in spec) or all(part.isidentifier() for part in spec.split(".")):
        return False
    folder, slash, _ = spec.partition("/")
    if os.path.lexists(os.path.join(root, folder)) if slash else shadowing.offered(root, spec.rpartition(".")[0]):
        return False
    from dispatch import expressions  # here for the same reason as scripts above

    return expressions.uses_only_the_event(spec)


def _expression(spec: str, root: str) -> Target:
    from dispatch.hints import intended  # here for the same reason as scripts above

    target = source(spec)
    is_file = os.path.isfile(os.path.join(root, spec))
    hint = "" if is_file else intended(spec)
    if not (is_file or hint or _is_path(spec)):
        return target

    def find() -> Any:
        try:
            return target.find()
        except (NameError, DispatchError) as error:
            if hint:
                raise MalformedHandlerName(f"{spec!r} does not name a handler: {hint}", handler=spec) from None
            if not is_file and isinstance(error, DispatchError):
                raise
            raise MalformedHandlerName(
                f"{spec!r} does not name a handler: it is not module.function, and as an expression it fails: {error}; "
                f"{modules.no_file(spec, root)}",
                handler=spec,
            ) from error

    return source(spec, find)


def _candidates(module: str) -> list[str]:
    """The paths below the task root from which the module, or a package that contains it, would be loaded."""
    parts = module.split(".")
    paths = ["/".join(parts[: count + 1]) for count in range(len(parts))]
    return paths + [
        path + kind + suffix for path in paths for kind in ("", "/__init__") for suffix in shadowing.SUFFIXES
    ]


def _is_path(spec: str) -> bool:
    return _NOT_IN_PATHS.isdisjoint(spec)


def inside(spec: str, root: str) -> str | None:
    """The path in the root that the spec names, or None. Raises MalformedHandlerName if it leaves the root."""
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
            f"the handler {spec} would leave the task root {root} through a link to {os.path.realpath(path)}"
        )
    return path
