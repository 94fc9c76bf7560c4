"""Fetches what a handler string names: imports the module, loads the script, compiles the expression."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from dispatch import names
from dispatch.bytecode import binds, reads_global
from dispatch.errors import (
    BuiltInModuleConflict,
    DispatchError,
    HandlerNotFound,
    ImportModuleError,
    MalformedHandlerName,
    UserCodeSyntaxError,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, ModuleType
    from typing import Any

#: What an expression may use without defining it.
_FREE = frozenset({"event", "headers"})

#: ast.PyCF_ONLY_AST, without importing ast.
_ONLY_AST = 0x400


def function(name: str, attribute: str, root: str, written: str | None = None) -> Callable[..., Any]:
    """A function of a module in the task root, or of one that is installed.

    Args:
        name: the module's dotted name.
        attribute: the function's name.
        root: the task root.
        written: the module as the handler string wrote it, with its slashes.
    """
    top = name.partition(".")[0]
    if top in sys.builtin_module_names:
        raise BuiltInModuleConflict(
            f"the module {top} is compiled into Python, so no file can have its name; rename {top}.py",
            managed=f"Cannot use built-in module {written or name} as a handler module",
        )
    names.claim(root, [top])
    if attribute in {"py", "pyc"} and not names.offered(root, top):
        raise ImportModuleError(
            f"no script {name}.{attribute} in {root}; {listing(root)}",
            managed=f"Unable to import module '{written or name}': No module named '{top}'",
        )
    return _attribute(_imported(name, root, written or name), name, attribute, written or name)


def archive_function(path: str, name: str, attribute: str) -> Callable[..., Any]:
    """A function of a module inside a zip archive, whose libraries can be imported as well."""
    _add_to_path(path)
    return _attribute(_imported(name, path, name), name, attribute, name)


def _imported(name: str, root: str, written: str) -> ModuleType:
    from importlib import import_module

    try:
        return import_module(name)
    except SyntaxError as error:
        raise _syntax_error(f"the module {name}", error, f"Syntax error in module '{written}': {error}") from error
    except ImportError as error:
        managed = f"Unable to import module '{written}': {error}"
        missing = getattr(error, "name", None)
        # An import that fails further down names another module: then the user's module is there, what it needs is not.
        if isinstance(error, ModuleNotFoundError) and missing and (name + ".").startswith(missing + "."):
            raise ImportModuleError(
                f"no module {missing} in {root} or on Python's path; {listing(root)}", managed
            ) from error
        raise ImportModuleError(f"the module {name} cannot be imported: {error}", managed) from error


def _attribute(module: ModuleType, name: str, attribute: str, written: str) -> Callable[..., Any]:
    where = os.path.basename(getattr(module, "__file__", None) or name)
    try:
        value = getattr(module, attribute)
    except AttributeError:
        public = sorted(key for key, value in vars(module).items() if callable(value) and not key.startswith("_"))
        raise HandlerNotFound(
            f"no {attribute!r} in {where}; it has: {', '.join(public) or 'nothing that can be called'}",
            managed=f"Handler '{attribute}' missing on module '{written}'",
        ) from None
    if not callable(value):
        raise HandlerNotFound(f"{attribute!r} in {where} is {_a(value)}, which cannot be called")
    return value  # type: ignore[no-any-return]


class Script:
    """A script file as a callable.

    Called with nothing it is the script: its ``main()``, or, where it has none, the whole file from top to bottom as
    ``__main__``. Called with an event (by a convention that passes one) it is ``main(handler, event)``.
    """

    def __init__(self, spec: str, path: str, code: CodeType, loader: Any) -> None:
        self.spec = spec
        self._path = path
        self._code = code
        self._main = self._load(loader) if binds(code, "main") else None

    @property
    def has_main(self) -> bool:
        """Whether there is a main() to call."""
        return self._main is not None

    def __call__(self, *arguments: Any) -> Any:
        """Run the script, or its main(); what comes back is what main() returns."""
        sys.argv = [self.spec]
        if self._main is None:
            return self._run()
        return self._main(self.spec, arguments[0]) if arguments else self._main()

    def _load(self, loader: Any) -> Callable[..., Any]:
        from importlib.util import module_from_spec, spec_from_file_location

        name = _script_name(self.spec)
        module_spec = spec_from_file_location(name, self._path, loader=loader)
        assert module_spec is not None  # noqa: S101 - only without a loader is there none
        module = sys.modules[name] = module_from_spec(module_spec)
        sys.argv = [self.spec]
        exec(self._code, module.__dict__)  # noqa: S102 - running the user's script is the job
        return _attribute(module, name, "main", name)

    def _run(self) -> None:
        from types import ModuleType

        module = sys.modules["__main__"] = ModuleType("__main__")
        module.__file__ = self._path
        exec(self._code, module.__dict__)  # noqa: S102 - running the user's script is the job


def script(path: str, spec: str, root: str) -> Script:
    """A script file, compiled once. Its own folder comes right behind the task root on ``sys.path``."""
    from importlib.machinery import SourceFileLoader, SourcelessFileLoader

    folder = os.path.dirname(path)
    if folder != root:
        _add_to_path(folder)
    name = _script_name(spec)
    loader = SourcelessFileLoader(name, path) if path.endswith(".pyc") else SourceFileLoader(name, path)
    return Script(spec, path, _compiled(spec, loader, name), loader)


def _script_name(spec: str) -> str:
    """The module name of a script: the one by which it can be imported, if no other module has it."""
    name = os.path.splitext(os.path.normpath(spec))[0].replace("/", ".")
    return f"{name}__script" if name in sys.modules else name


def archive_script(path: str, spec: str) -> Script:
    """The ``__main__.py`` of a zip archive as a script."""
    from zipimport import zipimporter

    _add_to_path(path)
    try:
        loader = zipimporter(path)
    except ImportError as error:
        raise ImportModuleError(f"{spec} is not a zip archive: {error}") from error
    return Script(spec, os.path.join(path, "__main__.py"), _compiled(spec, loader, "__main__"), loader)


def _compiled(spec: str, loader: Any, name: str) -> CodeType:
    try:
        return loader.get_code(name)  # type: ignore[no-any-return]
    except SyntaxError as error:
        raise _syntax_error(f"the script {spec}", error) from error
    except ImportError as error:
        raise ImportModuleError(f"the script {spec} cannot be loaded: {error}") from error


def expression(source: str) -> Callable[..., Any]:
    """Python source as a callable of ``(event, headers)``.

    Statements that use neither ``event`` nor ``headers`` run once, now. From the first that does, everything runs for
    each event, and the last one, an expression, is the answer. If none does, the last one must give a callable.
    """
    try:
        tree = compile(source.strip(), "<handler>", "exec", _ONLY_AST, dont_inherit=True)
    except SyntaxError as error:
        raise _syntax_error("the handler, read as Python source,", error) from error
    except ValueError as error:
        raise MalformedHandlerName(f"the handler cannot be read as Python source: {error}") from error
    body = tree.body
    if not body or type(body[-1]).__name__ != "Expr":
        raise MalformedHandlerName(
            f"the handler {source!r}, read as Python source, does not end in an expression, which would be the answer"
        )
    statements, answer = [_code(tree, [node]) for node in body[:-1]], _code(tree, body[-1])
    first = next((index for index, code in enumerate(statements) if reads_global(code, _FREE)), len(statements))
    space = _expression_module().__dict__
    for code in statements[:first]:
        exec(code, space)  # noqa: S102 - the handler is the user's code
    if first == len(statements) and not reads_global(answer, _FREE):
        value = eval(answer, space)  # noqa: S307 - the handler is the user's code
        if not callable(value):
            raise HandlerNotFound(
                f"the handler, read as Python source, gives {_a(value)}, which cannot be called, "
                "and it uses neither event nor headers"
            )
        return value  # type: ignore[no-any-return]

    def evaluate(event: Any, headers: Any) -> Any:
        scope = {**space, "event": event, "headers": headers}
        for code in statements[first:]:
            exec(code, scope)  # noqa: S102 - the handler is the user's code
        return eval(answer, scope)  # noqa: S307 - the handler is the user's code

    return evaluate


def _code(tree: Any, nodes: Any) -> CodeType:
    """Some of a tree's statements, or its last expression, compiled."""
    if isinstance(nodes, list):
        module = type(tree)(body=nodes, type_ignores=[])
        return compile(module, "<handler>", "exec", dont_inherit=True)
    from _ast import Expression

    return compile(Expression(body=nodes.value), "<handler>", "eval", dont_inherit=True)


def _expression_module() -> ModuleType:
    """A real module for an expression to live in, so that what it defines can be pickled."""
    from types import ModuleType

    module = sys.modules["__handler__"] = ModuleType("__handler__")
    return module


def _syntax_error(what: str, error: SyntaxError, managed: str | None = None) -> DispatchError:
    line = (error.text or "").strip()
    where = f"{os.path.basename(error.filename or '')}, line {error.lineno}"
    return UserCodeSyntaxError(f"{what} cannot be compiled: {error.msg} ({where}: {line})", managed)


def _add_to_path(entry: str) -> None:
    """Puts an entry right behind the task root."""
    if entry not in sys.path:
        sys.path.insert(1, entry)


def _a(value: object) -> str:
    return f"{type(value).__name__} {value!r:.60}"


def listing(root: str) -> str:
    """What a folder has that a handler string could name, for error messages."""
    try:
        entries = sorted(entry for entry in os.listdir(root) if not entry.startswith((".", "__")))
    except OSError as error:
        return f"the folder cannot be read: {error.strerror}"
    names = [entry + "/" if os.path.isdir(os.path.join(root, entry)) else entry for entry in entries]
    shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    return f"it has: {shown}" if names else "it is empty"
