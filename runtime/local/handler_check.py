"""Says what is wrong with a handler before the first event, as far as can be seen without running any user code."""

from __future__ import annotations

import ast
import builtins
import importlib
from collections.abc import Iterable
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Final

from dispatch import bytecode, discovery, modules, shadowing
from dispatch.discovery import AUTO, OF_SOURCE
from dispatch.errors import DispatchError
from dispatch.hints import intended
from dispatch.locate import locate
from runtime.local.environments.launch import OWN_RUNTIME
from runtime.local.environments.variables import LAYER_MODULES, variables
from runtime.local.function import FunctionConfig
from runtime.settings import handler_string

#: Conventions of which the handler is a name in a module, or what `auto` makes of a string.
NAMES: Final = frozenset(
    {AUTO, "standard", "json", "lambda", "stream", "records", "cloudevent", "alibaba", "scaleway", "tencent", "yandex"}
)
#: The same for web applications, whose handlers may have a colon before the last name.
APPLICATIONS: Final = frozenset({"asgi", "wsgi"})
#: Names in a module that may bind others.
BINDERS: Final = frozenset({"__getattr__", "exec", "globals", "locals", "setattr", "vars"})
#: Endings of handler strings that mean a file.
FILES: Final = frozenset({"py", "pyc", "pyz"})


def handler_fault(function: FunctionConfig) -> str:
    """Return why a function's handler cannot be found; empty if it can, or only running code would show it."""
    environment = variables(function, "", "")
    convention = environment.get("HANDLER_CONVENTION") or AUTO
    is_own = not function.command or tuple(function.command[-2:]) == OWN_RUNTIME[-2:]
    # A plugin may claim any handler string.
    claimed = environment.get("HANDLER_PLUGINS") or discovery.installed([str(function.folder)])
    if not is_own or claimed or convention not in NAMES | APPLICATIONS:
        return ""
    handler = handler_string({**environment, "_HANDLER": function.handler})
    if convention in APPLICATIONS:
        handler = handler.replace(":", ".")
    return _fault(handler, function)


def _fault(handler: str, function: FunctionConfig) -> str:
    target = locate(handler, str(function.folder))
    if target.module and target.path is None:
        return _module_fault(target.module, handler.rpartition(".")[2], function)
    if not target.convention:
        try:
            target.find()
        except DispatchError as error:
            return str(error)
    if target.convention == OF_SOURCE and not _is_source(handler):
        hint = intended(handler) or modules.no_file(handler, str(function.folder))
        return f"{handler!r} does not name a handler: {hint}"
    return ""


def _is_source(handler: str) -> bool:
    """Whether it may be Python source that ends in an expression, and not only a name that is bound nowhere."""
    names = handler.strip().split(".")
    if all(map(str.isidentifier, names)):
        return names[0] in {"event", "headers"} or hasattr(builtins, names[0])
    try:
        tree = ast.parse(handler.strip())
        compile(tree, "handler", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return bool(tree.body) and isinstance(tree.body[-1], ast.Expr)


def _module_fault(module: str, attribute: str, function: FunctionConfig) -> str:
    root = str(function.folder)
    folders = [root, *(str(layer / below) for layer in function.layers for below in LAYER_MODULES)]
    holder = next((folder for folder in folders if shadowing.offered(folder, module)), None)
    if holder is None:
        importlib.invalidate_caches()
        if attribute in FILES:
            return modules.no_file(f"{module.replace('.', '/')}.{attribute}", root)
        installed = PathFinder.find_spec(module.partition(".")[0])
        is_elsewhere = installed is not None and not shadowing.offered(root, module.partition(".")[0])
        return (
            "" if is_elsewhere else f"no module {module} in {root}; {modules.listing(root, module.replace('.', '/'))}"
        )
    base = Path(holder, *module.split("."))
    file = next((one for one in (base.with_name(f"{base.name}.py"), base / "__init__.py") if one.is_file()), None)
    return "" if file is None or attribute in FILES else syntax_fault(file) or _attribute_fault(file, attribute)


def _attribute_fault(file: Path, attribute: str) -> str:
    source = file.read_bytes()
    names = bytecode.bound(compile(source, str(file), "exec", dont_inherit=True))
    if attribute in names or (file.name == "__init__.py" and shadowing.offered(str(file.parent), attribute)):
        return ""
    tree = ast.parse(source)
    if _binds_others(ast.walk(tree)):
        return ""
    defined = [
        node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    ]
    public = sorted(name for name in defined if not name.startswith("_"))
    return f"no {attribute!r} in {file.name}; it has: {', '.join(public) or 'nothing callable'}"


def _binds_others(nodes: Iterable[ast.AST]) -> bool:
    """Whether a module may have names that are not written in it."""
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            return True
        if isinstance(node, ast.Name) and node.id in BINDERS:
            return True
        if isinstance(node, ast.FunctionDef) and node.name in BINDERS:
            return True
        if isinstance(node, ast.Attribute) and node.attr == "modules":
            return True
    return False


def syntax_fault(path: Path) -> str:
    """Return why a Python file cannot be compiled, in the compiler's words; empty if it can, or is gone."""
    if path.suffix != ".py":
        return ""
    try:
        compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    except OSError:
        return ""
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 1
        shown = (getattr(error, "text", "") or "").rstrip()
        return f"{path}:{line}: {type(error).__name__}: {getattr(error, 'msg', error)}\n    {shown.strip()}"
    return ""
