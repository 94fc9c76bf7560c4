"""Recognises, without running it, that a function was written for another platform, and what to set for it."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from dispatch.errors import DispatchError
from dispatch.locate import inside
from runtime.package import source

#: Objects and base classes, each as the package and the last name, and the convention.
_MADE_BY = {
    "azure.FunctionApp": "azure",
    "azure.AsgiFunctionApp": "azure",
    "azure.WsgiFunctionApp": "azure",
    "bedrock_agentcore.BedrockAgentCoreApp": "agentcore",
    "http.BaseHTTPRequestHandler": "vercel",
    "http.SimpleHTTPRequestHandler": "vercel",
    "django.get_asgi_application": "asgi",
    "fastapi.FastAPI": "asgi",
    "litestar.Litestar": "asgi",
    "quart.Quart": "asgi",
    "starlette.Starlette": "asgi",
    "bottle.Bottle": "wsgi",
    "django.get_wsgi_application": "wsgi",
    "flask.Flask": "wsgi",
}

#: Parameters that one platform's functions have; a parameter with a default may be missing.
_BY_PARAMETERS = {
    ("context", "event"): "nuclio",
    ("ctx", "data"): "fn",
    ("environ", "start_response"): "wsgi",
    ("scope", "receive", "send"): "asgi",
}

#: The same for platforms that prescribe the names of the file and of the function, with a `*` for any name. AWS's own
#: functions and scripts have such names as well: see `_is_another`.
_BY_NAMES = {
    ("func", "new", ()): "knative",
    ("func", "handle", ("scope", "receive", "send")): "knative",
    ("handler", "handle", ("event", "context")): "openfaas",
    ("handler", "handle", ("*",)): "openfaas",
    ("__main__", "main", ("event", "context")): "digitalocean",
    ("__main__", "main", ("event",)): "digitalocean",
    ("__main__", "main", ()): "digitalocean",
    ("__main__", "main", ("*",)): "openwhisk",
}

#: What OpenFaaS's event has; AWS's is a dictionary.
_OPENFAAS_EVENT = frozenset({"event.body", "event.headers", "event.method", "event.path", "event.query"})

_Function = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class Recognised:
    """What a function was written for.

    Attributes:
        convention: the convention to set.
        handler: the handler string to use with it, which may name another object than the one that was asked for.
        reason: how it was recognised, as a clause.
    """

    convention: str
    handler: str
    reason: str

    def advice(self, handler: str) -> str:
        """What to set, in words, for somebody who passed this handler string."""
        other = f" and the handler {self.handler}" if handler != self.handler else ""
        return f"{self.reason}; set HANDLER_CONVENTION={self.convention}{other}"


def recognised(spec: str, root: str) -> Recognised | None:
    """What the function in the task root that a handler string names was written for; None if there is no sign."""
    written, _, attribute = spec.replace(":", ".").rpartition(".")
    base = written.replace(".", "/")
    for name in (f"{base}.py", f"{base}/__init__.py"):
        try:
            path = inside(name, root) if attribute.isidentifier() else None
        except DispatchError:
            path = None
        if path is not None and os.path.isfile(path):
            module = _Module.read(Path(path))
            found = module.recognised(attribute, written) if module else None
            return replace(found, handler=spec) if found and found.handler == f"{written}.{attribute}" else found
    return None


def offered(root: Path) -> dict[str, str]:
    """The handler strings in a function's folder that are recognised, each with its convention."""
    found = {}
    for path in sorted(root.rglob("*.py")):
        module = _Module.read(path)
        written = path.relative_to(root).with_suffix("").as_posix().removesuffix("/__init__")
        recognised = [module.recognised(name, written) for name in module.names] if module else []
        found.update({each.handler: each.convention for each in recognised if each})
    return found


def offers(path: Path) -> bool:
    """Whether a module has a function for another platform, or a web application."""
    module = _Module.read(path)
    return module is not None and any(module.recognised(name, path.stem) for name in module.names)


class _Module:
    """A module's source: what its names are bound to, and where the names that it imports come from."""

    def __init__(self, stem: str, tree: ast.Module) -> None:
        self._stem, self._tree = stem, tree
        self.names: dict[str, ast.stmt] = {}
        self._origins: dict[str, str] = {}
        for node in ast.walk(tree):
            self._origins.update(_imported(node))
        for statement in tree.body:
            for name in _bound(statement):
                self.names[name] = statement

    @classmethod
    def read(cls, path: Path) -> _Module | None:
        """The module in a file; None if it cannot be read or compiled."""
        tree = source.parsed(path)
        return cls(path.stem, tree) if tree else None

    def recognised(self, attribute: str, written: str) -> Recognised | None:
        node = self.names.get(attribute)
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Call):
            return self._made(node.value.func, attribute, written, "was made by")
        if isinstance(node, ast.ClassDef):
            made = (self._made(base, attribute, written, "is a subclass of") for base in node.bases)
            return next(filter(None, made), None)
        if isinstance(node, _Function):
            return self._decorated(node, written) or self._by_parameters(node, written)
        return None

    def _made(self, origin: ast.expr, attribute: str, written: str, how: str) -> Recognised | None:
        name = self._origin(origin)
        convention = _MADE_BY.get(f"{name.partition('.')[0]}.{name.rpartition('.')[2]}")
        handler = f"{written}.{attribute}"
        return Recognised(convention, handler, f"{attribute} {how} {name}") if convention else None

    def _decorated(self, function: ast.FunctionDef | ast.AsyncFunctionDef, written: str) -> Recognised | None:
        """A function with a decorator of a platform's package, or one that an application object has."""
        for decorator in function.decorator_list:
            made_by = decorator.func if isinstance(decorator, ast.Call) else decorator
            origin = self._origin(made_by)
            if origin.startswith("functions_framework."):
                reason = f"{function.name} has the decorator {origin}"
                return Recognised("functions-framework", f"{written}.{function.name}", reason)
            owner = origin.partition(".")[0]
            found = self.recognised(owner, written) if owner != function.name else None
            if found is not None:
                return found
        return None

    def _by_parameters(self, function: ast.FunctionDef | ast.AsyncFunctionDef, written: str) -> Recognised | None:
        parameters = tuple(each.arg for each in (*function.args.posonlyargs, *function.args.args))
        shown = f"{function.name}({', '.join(parameters)})"
        handler = f"{written}.{function.name}"
        any_one = ("*",) if len(parameters) == 1 else parameters
        for known in (parameters, any_one):
            convention = _BY_NAMES.get((self._stem, function.name, known))
            if convention and not self._is_another(function, parameters):
                return Recognised(convention, handler, f"it is {shown} in {self._stem}.py")
        convention = _BY_PARAMETERS.get(parameters)
        if convention:
            return Recognised(convention, handler, f"it is {shown}")
        if len(parameters) != 2 or function.name == "init_context":
            return None
        if "init_context" in self.names:
            return Recognised("nuclio", handler, "the module has an init_context")
        imports_fdk = any(origin.partition(".")[0] == "fdk" for origin in self._origins.values())
        if imports_fdk and len(function.args.defaults) == 1:
            return Recognised("fn", handler, "the module imports fdk")
        return None

    def _is_another(self, function: ast.FunctionDef | ast.AsyncFunctionDef, parameters: tuple[str, ...]) -> bool:
        """Whether `handle(event, context)` does not use OpenFaaS's event, or a script calls its `main` by itself."""
        if function.name == "handle":
            used = {ast.unparse(node) for node in ast.walk(function) if isinstance(node, ast.Attribute)}
            return parameters == ("event", "context") and used.isdisjoint(_OPENFAAS_EVENT)
        run = [each for each in self._tree.body if not isinstance(each, (*_Function, ast.ClassDef))]
        calls = [node for each in run for node in ast.walk(each) if isinstance(node, ast.Call)]
        return any(self._origin(call.func) == function.name for call in calls)

    def _origin(self, expression: ast.expr) -> str:
        """The dotted name of an expression, from the package on; empty if it is not a name."""
        names = []
        while isinstance(expression, ast.Attribute):
            names.append(expression.attr)
            expression = expression.value
        if not isinstance(expression, ast.Name):
            return ""
        return ".".join((self._origins.get(expression.id, expression.id), *reversed(names)))


def _imported(node: ast.AST) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            name = alias.name if alias.asname else alias.name.partition(".")[0]
            yield alias.asname or name, name
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        for alias in node.names:
            yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def _bound(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, (*_Function, ast.ClassDef)):
        yield statement.name
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    for target in targets:
        if isinstance(target, ast.Name):
            yield target.id
