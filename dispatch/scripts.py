"""Fetches a script: a file or an archive that runs as a whole, or whose ``main()`` is called."""

from __future__ import annotations

import os
import sys

from dispatch.bytecode import binds
from dispatch.errors import ImportModuleError
from dispatch.found import add_to_path, attribute_of, syntax_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType
    from typing import Any


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
        return attribute_of(module, name, "main", name)

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
        add_to_path(folder)
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

    add_to_path(path)
    try:
        loader = zipimporter(path)
    except ImportError as error:
        raise ImportModuleError(f"{spec} is not a zip archive: {error}") from error
    return Script(spec, os.path.join(path, "__main__.py"), _compiled(spec, loader, "__main__"), loader)


def _compiled(spec: str, loader: Any, name: str) -> CodeType:
    try:
        return loader.get_code(name)  # type: ignore[no-any-return]
    except SyntaxError as error:
        raise syntax_error(f"the script {spec}", error) from error
    except ImportError as error:
        raise ImportModuleError(f"the script {spec} cannot be loaded: {error}") from error
