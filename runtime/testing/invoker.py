"""Calls functions from a test: in the test's own process, or through the runtime and the local platform."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Self

from dispatch import asynchrony, protocol
from dispatch.discovery import AUTO
from runtime.local.function import FunctionConfig
from runtime.local.invocation import Event
from runtime.testing.configured import TIMEOUT, configured, folder_of, import_folder, name_of, origin
from runtime.testing.in_process import InProcess, alone, outside_event_loops
from runtime.testing.platform import LocalPlatform, serving
from runtime.testing.result import Result

#: The module in which functions are put that have no handler string.
HOLDER: Final = "functions_of_tests"

#: The headers of the Runtime API that a caller may set, and the fields of an event that become these headers.
_FIELDS: Final = {
    protocol.REQUEST_ID: "request_id",
    protocol.FUNCTION_ARN: "arn",
    protocol.TRACE_ID: "trace_id",
    protocol.CLIENT_CONTEXT: "client_context",
    protocol.COGNITO_IDENTITY: "cognito_identity",
    protocol.TENANT_ID: "tenant_id",
    "Content-Type": "content_type",
}
_FIELD_OF = {name.lower(): field for name, field in _FIELDS.items()}


class Invoker:
    """Invokes functions; each is loaded once, until the invoker is closed.

        with Invoker() as invoke:
            assert invoke("app.greet", "Ada").text == "Hello, Ada!"

    Attributes:
        results: what has been invoked, and the results.
        project_modules: modules of the project under test that have the names of our packages.
    """

    def __init__(self, folders: Iterable[str | os.PathLike[str]] = (), *, real: bool = False) -> None:
        """Create the invoker.

        Args:
            folders: where handler strings are looked up, nearest first; by default in the current folder.
            real: the default for each call.
        """
        self.results: list[tuple[str, Result]] = []
        self.project_modules: dict[str, ModuleType] = {}
        self._folders = [Path(folder) for folder in folders]
        self._real = real
        self._plugins: list[ModuleType] = []
        self._environments: dict[Any, InProcess] = {}
        self._functions: dict[Any, FunctionConfig] = {}
        self._platform: LocalPlatform | None = None
        self._stack = ExitStack()
        self._starting = threading.Lock()
        asynchrony.keep_apart()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __call__(
        self,
        handler: str | Callable[..., Any],
        event: Any = None,
        *,
        convention: str = AUTO,
        headers: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float = TIMEOUT,
        root: str | os.PathLike[str] | None = None,
        real: bool | None = None,
    ) -> Result:
        """Invoke a function.

        Args:
            handler: the handler string, or the function itself.
            event: bytes and text are sent as they are, None as `{}`, anything else as JSON.
            convention: the convention's name; `auto` leaves it to `HANDLER_CONVENTION`.
            headers: headers of the Runtime API, such as `Lambda-Runtime-Client-Context`.
            env: the function's own variables.
            timeout: seconds that the event may take.
            root: the function's folder; by default, the nearest one in which the handler string names something.
            real: whether to go through the runtime and the local platform.

        Raises:
            FunctionSettingError, ValueError: an argument cannot be used.
        """
        real = self._real if real is None else real
        spec, folder = self._named(handler, real)
        environment = {**self._plugin_settings(env or {}, real), **(env or {})}
        root = folder if root is None else root
        function = configured(spec, convention=convention, env=environment, timeout=timeout, root=root)
        sent, others = _event(event, headers or {}, environment)
        if real:
            result = self._through_the_platform(function, sent, others)
        else:
            result = outside_event_loops(lambda: self._in_process(function, sent, others))
        self.results.append((spec, result))
        return result

    def use_plugin(self, plugin: Any) -> None:
        """Register a plugin for the following calls.

        Args:
            plugin: a module, the name of one, or any object with hooks.
        """
        if isinstance(plugin, str):
            plugin = import_module(plugin)
        self._plugins.append(plugin if isinstance(plugin, ModuleType) else _as_module(plugin, len(self._plugins)))

    def close(self) -> None:
        """End every environment and every process that was started."""
        for environment in self._environments.values():
            environment.close()
        self._environments.clear()
        asynchrony.close()
        self._stack.close()
        self._platform = None
        sys.modules.pop(HOLDER, None)

    def _in_process(self, function: FunctionConfig, event: Event, headers: Mapping[str, str]) -> Result:
        with alone():
            key = _key(replace(function, timeout=TIMEOUT))
            environment = self._environments.get(key)
            if environment is None:
                environment = self._environments[key] = InProcess(function, self.project_modules)
            return environment.invoke(event, function.timeout, headers)

    def _through_the_platform(self, function: FunctionConfig, event: Event, headers: Mapping[str, str]) -> Result:
        if headers:
            raise ValueError(
                f"the Runtime API has no header {', '.join(headers)}; with real=True: {', '.join(_FIELDS)}"
            )
        with self._starting:
            if self._platform is None:
                self._platform = self._stack.enter_context(serving())
            key = _key(function)
            if key not in self._functions:
                number = len(self._functions)
                named = replace(function, name=f"{function.name}-{number}" if number else function.name)
                self._platform.run(self._platform.platform.replace(named))
                self._functions[key] = named
        return self._platform.send(event, self._functions[key].name)

    def _named(self, handler: str | Callable[..., Any], real: bool) -> tuple[str, Path]:
        """The handler string, and the folder in which it names something."""
        if isinstance(handler, str):
            return handler, folder_of(handler, self._folders)
        if real:
            return name_of(handler)
        _, name, folder = origin(handler)
        return f"{HOLDER}.{_held(handler, name)}", folder

    def _plugin_settings(self, env: Mapping[str, str], real: bool) -> dict[str, str]:
        """The variables that register the plugins."""
        if not self._plugins:
            return {}
        setting = env.get("HANDLER_PLUGINS", os.environ.get("HANDLER_PLUGINS", ""))
        settings = {"HANDLER_PLUGINS": " ".join([setting, *(plugin.__name__ for plugin in self._plugins)]).strip()}
        if not real:
            return settings
        paths = [_folder_on_the_path(plugin) for plugin in self._plugins]
        return {**settings, "PYTHONPATH": os.pathsep.join([*dict.fromkeys(paths), os.environ.get("PYTHONPATH", "")])}


def _folder_on_the_path(plugin: ModuleType) -> str:
    """The folder from which a plugin's module can be imported. Raises ValueError if there is none."""
    folder = import_folder(plugin)
    if folder is None:
        raise ValueError(f"{plugin.__name__} cannot be registered with real=True: only a module with a file can be")
    return str(folder)


def _key(function: FunctionConfig) -> tuple[Any, ...]:
    """What a function is loaded with."""
    return (
        *(function.handler, function.folder, function.convention, function.timeout),
        tuple(sorted(function.environment.items())),
    )


def _event(event: Any, headers: Mapping[str, str], env: Mapping[str, str]) -> tuple[Event, dict[str, str]]:
    """The event, and the headers that the Runtime API does not have."""
    for name, value in headers.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"a header is text, not {value!r} (of {name!r}); encode it, for example with json.dumps")
    fields = {_FIELD_OF[name.lower()]: value for name, value in headers.items() if name.lower() in _FIELD_OF}
    others = {name: value for name, value in headers.items() if name.lower() not in _FIELD_OF}
    if event is None:
        body = b"{}"
    elif isinstance(event, bytes | bytearray | memoryview):
        body = bytes(event)
    elif isinstance(event, str):
        body = event.encode(env.get("HANDLER_ENCODING") or os.environ.get("HANDLER_ENCODING") or "utf-8")
    else:
        body = _json(event)
    return Event(body, fields.pop("request_id", ""), **fields), others


def _json(event: Any) -> bytes:
    try:
        return json.dumps(event, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        # Not the class of the error: that of a RecursionError or of a codec needs other arguments.
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"the event is not JSON: {error}; pass text, bytes, or what JSON has") from None


def _held(handler: Callable[..., Any], name: str) -> str:
    """The name under which a function without a handler string can be found in a module made for that."""
    holder = sys.modules.setdefault(HOLDER, ModuleType(HOLDER, "The functions that tests pass themselves."))
    name = name.rpartition(".")[2]
    name = name if name.isidentifier() else "function"
    taken = [key for key in vars(holder) if key.startswith(name) and not key.startswith("__")]
    for key in taken:
        if getattr(holder, key) is handler:
            return key
    name += str(len(taken) + 1) if taken else ""
    setattr(holder, name, handler)
    return name


def _as_module(plugin: object, number: int) -> ModuleType:
    """A module with an object's public attributes, under a name by which a plugin can be registered."""
    module = ModuleType(f"{type(plugin).__name__}_of_test_{number}")
    names = [name for name in dir(plugin) if not name.startswith("_")]
    vars(module).update({name: getattr(plugin, name) for name in names})
    sys.modules[module.__name__] = module
    return module
