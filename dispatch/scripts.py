"""Fetches a script: a file or an archive that runs as a whole, or that has a `main()` to call."""

from __future__ import annotations

import io
import os
import sys

from dispatch.asynchrony import looking_like, settle
from dispatch.bytecode import binds
from dispatch.errors import HandlerNotFound, ImportModuleError
from dispatch.modules import add_folder, attribute_of, described, syntax_error
from dispatch.script_streams import Loaded, Streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, ModuleType
    from typing import Any


class Script:
    """A script file: the `script` convention runs it, other conventions call its `main()`.

    Attributes:
        spec: the handler string.
        code: the file, compiled.
    """

    def __init__(self, spec: str, path: str, code: CodeType, main: Callable[..., Any] | None = None) -> None:
        """Create the script.

        Args:
            spec: the handler string.
            path: the file.
            code: the file, compiled.
            main: its `main()`, if it has one; the file has then been loaded as a module.
        """
        self.spec = spec
        self._path = path
        self.code = code
        self._main = main

    def run(self) -> Any:
        """Run `main()` and return its result, or run the whole file from top to bottom as `__main__`."""
        sys.argv = [self.spec]
        return self._run_all() if self._main is None else self._main()

    def main(self) -> Callable[..., Any]:
        """The script's `main()`, which gets its own standard streams for each call.

        Its attribute `__script__` is the handler string.

        Raises:
            HandlerNotFound: the script has no `main()`.
        """
        user_main = self._main
        if user_main is None:
            raise HandlerNotFound(f"{self.spec} has no main(); only the script convention runs a script without one")

        def main(*arguments: Any, **options: Any) -> Any:
            streams = Streams("stdin", "stdout", "stderr")
            answer = None
            with streams:
                sys.argv = [self.spec]
                # Settled here, because a coroutine must run while the streams are in place.
                answer = settle(user_main(*arguments, **options))
            return streams.over(answer)

        looking_like(user_main, main)
        main.__script__ = self.spec  # type: ignore[attr-defined]
        return main

    def _run_all(self) -> None:
        from types import ModuleType

        module = sys.modules["__main__"] = ModuleType("__main__")
        module.__file__ = self._path
        try:
            exec(self.code, module.__dict__)  # noqa: S102 - running the user's script is the job
        finally:
            _finish(module)


def _finish(module: ModuleType) -> None:
    """Flush the files that the script has left open, and close those on a descriptor, as the end of a program does.

    Later the descriptor may be another file.
    """
    for value in list(vars(module).values()):
        if isinstance(value, io.IOBase):
            try:
                value.flush()
                by_number = isinstance(getattr(value, "name", None), int)
            except ValueError:  # closed, or detached
                continue
            if by_number:
                try:
                    value.close()
                except OSError:  # the script has closed the descriptor itself
                    continue


def load_script(path: str, spec: str, root: str) -> Script:
    """A script file, compiled once. Its own folder comes right after the task root on `sys.path`."""
    from importlib.machinery import SourceFileLoader, SourcelessFileLoader

    folder = os.path.dirname(path)
    if folder != root:
        add_folder(folder)
    name = _script_name(spec)
    loader = SourcelessFileLoader(name, path) if path.endswith(".pyc") else SourceFileLoader(name, path)
    return _loaded(spec, path, name, _compiled(spec, loader, name), loader)


def _script_name(spec: str) -> str:
    """The module name of a script: the one under which it can be imported, if no other module has that name."""
    name = os.path.splitext(os.path.normpath(spec))[0].replace("/", ".")
    return f"{name}__script" if name in sys.modules else name


def load_archive(path: str, spec: str) -> Script:
    """The `__main__.py` of a zip archive, which is on `sys.path`, as a script."""
    from zipimport import zipimporter

    loader = zipimporter(path)
    # Not the archive's own name: a package inside it may have that name.
    name = f"{os.path.basename(spec).partition('.')[0]}__script"
    return _loaded(spec, os.path.join(path, "__main__.py"), name, _compiled(spec, loader, "__main__"), loader)


def _loaded(spec: str, path: str, name: str, code: CodeType, loader: Any) -> Script:
    """The script, loaded as a module if it has a `main()`."""
    from importlib.util import module_from_spec, spec_from_file_location

    if not binds(code, "main"):
        return Script(spec, path, code)
    module_spec = spec_from_file_location(name, path, loader=loader)
    assert module_spec is not None  # noqa: S101 - it is None only without a loader
    module = sys.modules[name] = module_from_spec(module_spec)
    sys.argv = [spec]
    with Loaded("stdin"), Loaded("stdout"):
        exec(code, module.__dict__)  # noqa: S102 - running the user's script is the job
    main = attribute_of(module, name, "main", name)
    if not callable(main):
        raise HandlerNotFound(f"main in {spec} is not callable: {described(main)}")
    return Script(spec, path, code, main)


def _compiled(spec: str, loader: Any, name: str) -> CodeType:
    try:
        return loader.get_code(name)  # type: ignore[no-any-return]
    except SyntaxError as error:
        raise syntax_error(f"the script {spec}", error) from error
    except (ImportError, EOFError, ValueError) as error:  # the last two for truncated bytecode
        raise ImportModuleError(f"the script {spec} cannot be loaded: {error}") from error
