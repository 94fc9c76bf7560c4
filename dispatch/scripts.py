"""Fetches a script: a file or an archive that runs as a whole, or whose ``main()`` is called."""

from __future__ import annotations

import io
import os
import sys

from dispatch.asynchrony import settle
from dispatch.bytecode import binds
from dispatch.errors import ImportModuleError
from dispatch.modules import add_folder, attribute_of, syntax_error
from dispatch.script_streams import Loaded, Streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, ModuleType
    from typing import Any


class Script:
    """A script file as a callable.

    Called with nothing it is the script: its ``main()``, or, where it has none, the whole file from top to bottom as
    ``__main__``. Called with an event, by a convention that passes one, it is ``main(handler, event)``; with more than
    event and headers, as the stream convention calls, it is ``main()`` with these.
    """

    def __init__(self, spec: str, path: str, name: str, code: CodeType, loader: Any) -> None:
        self.spec = spec
        self._path = path
        self._code = code
        self._main = self._load(name, loader) if binds(code, "main") else None

    @property
    def has_main(self) -> bool:
        """Whether there is a main() to call."""
        return self._main is not None

    def __call__(self, *arguments: Any) -> Any:
        """Run the script, or its main(); what comes back is what main() returns.

        Who calls it with nothing has streams in place; for others they are put there here.
        """
        if arguments:
            return self._answered(arguments if len(arguments) > 2 else (self.spec, arguments[0]))
        sys.argv = [self.spec]
        return self._run() if self._main is None else self._main()

    def _answered(self, arguments: tuple[Any, ...]) -> Any:
        streams = Streams("stdin", "stdout", "stderr")
        answer = None
        with streams:
            sys.argv = [self.spec]
            # Here, as a coroutine must not run when the streams are gone again.
            answer = settle(self._main(*arguments))  # type: ignore[misc]
        return streams.over(answer)

    def _load(self, name: str, loader: Any) -> Callable[..., Any]:
        from importlib.util import module_from_spec, spec_from_file_location

        module_spec = spec_from_file_location(name, self._path, loader=loader)
        assert module_spec is not None  # noqa: S101 - only without a loader is there none
        module = sys.modules[name] = module_from_spec(module_spec)
        sys.argv = [self.spec]
        with Loaded("stdin"), Loaded("stdout"):
            exec(self._code, module.__dict__)  # noqa: S102 - running the user's script is the job
        return attribute_of(module, name, "main", name)

    def _run(self) -> None:
        from types import ModuleType

        module = sys.modules["__main__"] = ModuleType("__main__")
        module.__file__ = self._path
        try:
            exec(self._code, module.__dict__)  # noqa: S102 - running the user's script is the job
        finally:
            _flush(module)


def _flush(module: ModuleType) -> None:
    """Write what the script's own files hold back, which a program's end does."""
    for value in list(vars(module).values()):
        if isinstance(value, io.IOBase):
            try:
                value.flush()
            except ValueError:  # closed, or detached
                continue


def script(path: str, spec: str, root: str) -> Script:
    """A script file, compiled once. Its own folder comes right behind the task root on ``sys.path``."""
    from importlib.machinery import SourceFileLoader, SourcelessFileLoader

    folder = os.path.dirname(path)
    if folder != root:
        add_folder(folder)
    name = _script_name(spec)
    loader = SourcelessFileLoader(name, path) if path.endswith(".pyc") else SourceFileLoader(name, path)
    return Script(spec, path, name, _compiled(spec, loader, name), loader)


def _script_name(spec: str) -> str:
    """The module name of a script: the one by which it can be imported, if no other module has it."""
    name = os.path.splitext(os.path.normpath(spec))[0].replace("/", ".")
    return f"{name}__script" if name in sys.modules else name


def archive_script(path: str, spec: str) -> Script:
    """The ``__main__.py`` of a zip archive, which is on ``sys.path``, as a script."""
    from zipimport import zipimporter

    loader = zipimporter(path)
    # Not the archive's own name: a package inside may have that.
    name = f"{os.path.basename(spec).partition('.')[0]}__script"
    return Script(spec, os.path.join(path, "__main__.py"), name, _compiled(spec, loader, "__main__"), loader)


def _compiled(spec: str, loader: Any, name: str) -> CodeType:
    try:
        return loader.get_code(name)  # type: ignore[no-any-return]
    except SyntaxError as error:
        raise syntax_error(f"the script {spec}", error) from error
    except (ImportError, EOFError, ValueError) as error:  # the last two of bytecode that is cut off
        raise ImportModuleError(f"the script {spec} cannot be loaded: {error}") from error
