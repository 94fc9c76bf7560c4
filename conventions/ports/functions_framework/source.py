"""Finds a Google Cloud function by its handler string, and has functions-framework load its file."""

from __future__ import annotations

import os
import sys
from functools import cache
from importlib import import_module

from dispatch import locate as located
from dispatch import modules, shadowing
from dispatch.asynchrony import plain
from dispatch.errors import HandlerNotFound, ImportModuleError, MalformedHandlerName, SettingError
from dispatch.locate import Target
from dispatch.variables import one_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: The signatures, as FUNCTION_SIGNATURE_TYPE names them; the first one is the default (`_function_registry.py`).
HTTP, EVENT, TYPED = "http", "event", "typed"
SIGNATURES = (HTTP, EVENT, "cloudevent", TYPED)

#: The values of a switch in click, which reads FUNCTION_USE_ASGI for the platform's command (`_cli.py`).
_ON, _OFF = {"1", "true", "t", "yes", "y", "on"}, {"", "0", "false", "f", "no", "n", "off"}

#: Where a module may be, below its path without a suffix.
_FILES = (".py", "/__init__.py", ".pyc")

_FORMS = "write it like main.hello, or like hello for a function in main.py or in the file of FUNCTION_SOURCE"


class Loaded:
    """A function, and the application that functions-framework makes of it.

    Attributes:
        app: the application, of Flask or Starlette.
        is_asgi: whether it is of Starlette.
        function: the function; calling it never returns anything async.
        signature: one of SIGNATURES.
    """

    def __init__(self, app: Any, function: Any, signature: str) -> None:
        self.app, self.is_asgi = app, not hasattr(app, "wsgi_app")
        self.function, self.signature = function, signature

    def __repr__(self) -> str:
        return repr(self.function.__wrapped__)


def locate(spec: str, root: str) -> Target:
    """The target of `module.function`, or of `function` in the file of FUNCTION_SOURCE, by default main.py.

    Raises:
        MalformedHandlerName: the handler string names something else.
    """
    is_name = spec.isidentifier()
    source = os.environ.get("FUNCTION_SOURCE", "main.py") if is_name else ""
    named = located.locate(f"main.{spec}" if is_name else spec, root)
    if not named.convention:
        named.find()  # raises the reason
    if not named.module:
        raise MalformedHandlerName(f"not a function in a file: {spec}; {_FORMS}")
    if named.path is not None:
        raise MalformedHandlerName(
            f"functions-framework cannot load a file in an archive: {spec}; put the archive's files into {root}"
        )
    source = source or _file(named.module.replace(".", "/"), root)
    try:
        path = located.inside(source, root) or os.path.join(root, source)
    except MalformedHandlerName:
        raise MalformedHandlerName(f"FUNCTION_SOURCE is {source!r}, which leaves the task root {root}") from None
    for folder in (root, os.path.dirname(path)):
        if any(shadowing.offered(folder, package) for package in shadowing.OUR_PACKAGES):
            # Once the function has been loaded, these names may be those of its own modules.
            later("asgi"), later("ports.functions_framework.events")
    function = spec.rpartition(".")[2]
    description = f"{function} in the file {source}, loaded by functions-framework"
    return Target(named.convention, description, lambda: _load(path, function, source, root), path, reason=named.reason)


def _file(stem: str, root: str) -> str:
    return next((stem + end for end in _FILES if os.path.isfile(os.path.join(root, stem + end))), f"{stem}.py")


@cache
def later(name: str) -> Any:
    """One of our modules that not every function needs: `conventions.NAME`."""
    return import_module(f"conventions.{name}")


def _load(path: str, name: str, source: str, root: str) -> Loaded:
    """Let functions-framework load the file and make an application of the function.

    Raises:
        DispatchError: it cannot. An exception that the file itself raises is passed on.
    """
    signature, wants_asgi = one_of("FUNCTION_SIGNATURE_TYPE", SIGNATURES), _wants_asgi()
    if not os.path.isfile(path):
        raise ImportModuleError(modules.no_file(source, root), module=source)
    framework = _imported("functions_framework")
    make = _imported("functions_framework.aio").create_asgi_app if wants_asgi else framework.create_app
    folder, file = os.path.split(os.path.realpath(path))
    module = os.path.splitext(file)[0]
    shadowing.claim(folder)
    try:
        app = make(name, path, signature)
    except framework.exceptions.MissingTargetException:
        modules.attribute_of(sys.modules[module], module, name, source)
        raise
    except framework.exceptions.FunctionsFrameworkException as error:
        raise HandlerNotFound(f"functions-framework cannot serve {name} in {source}: {error}") from error
    except (SyntaxError, ImportError) as error:
        raise modules.unusable(module, error, module=source) from error
    signature = os.environ["FUNCTION_SIGNATURE_TYPE"]  # the package sets it to the decorator's, if there is one
    return _ready(framework, app, getattr(sys.modules[module], name), signature)


def _ready(framework: Any, app: Any, user_function: Any, signature: str) -> Loaded:
    name = user_function.__name__
    if signature == TYPED and not framework._function_registry.get_func_input_type(name):  # noqa: SLF001
        raise HandlerNotFound(
            f"FUNCTION_SIGNATURE_TYPE is 'typed', but {name} has no input type; decorate it with "
            "@functions_framework.typed"
        )
    loaded = Loaded(app, plain(user_function), signature)
    if not loaded.is_asgi and _is_async(user_function):
        framework._configure_app(app, loaded.function, signature)  # noqa: SLF001 - with the function that is awaited
    return loaded


def _imported(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError as error:
        raise ImportModuleError(
            f"the functions-framework convention needs the package functions-framework, which cannot be imported: "
            f"{error}; install functions-framework",
            module=name,
        ) from error


def _wants_asgi() -> bool:
    value = os.environ.get("FUNCTION_USE_ASGI", "")
    if value.lower() not in _ON | _OFF:
        raise SettingError(f"FUNCTION_USE_ASGI is {value!r}; allowed: true, false")
    return value.lower() in _ON


def _is_async(function: Any) -> bool:
    from inspect import isasyncgenfunction, iscoroutinefunction, unwrap

    return iscoroutinefunction(unwrap(function)) or isasyncgenfunction(unwrap(function))
