"""Fetches a script: a file or an archive that runs as a whole, or whose ``main()`` is called.

Each event has streams of its own, so whatever a script does to them (closes, detaches, replaces or reconfigures them)
ends with the event.
"""

from __future__ import annotations

import io
import os
import sys

from dispatch.bytecode import binds
from dispatch.calling import settle
from dispatch.errors import ExitError, ImportModuleError
from dispatch.found import add_to_path, attribute_of, syntax_error
from dispatch.response import HTTPResponse, stop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType, ModuleType
    from typing import Any, Self

_END = object()


class Streams:
    """The standard streams of one event, in place while its script runs; what was there before comes back.

    So does ``sys.argv``. A script that ends itself with status 0 has succeeded; with any other it raises ExitError.

    Attributes:
        in_place: the streams that an event has of its own now, by name.
    """

    in_place: dict[str, Any] = {}  # noqa: RUF012 - replaced, never changed

    def __init__(self, *lent: str, **given: Any) -> None:
        """Make the streams.

        Args:
            lent: the names of those that read or write what the process's own do (``stderr``, say, and
                ``__stderr__`` with it).
            given: other ones, by name.
        """
        there = vars(sys)
        own = {"argv": there.get("argv")}
        for name in lent:
            stream, hidden = there.get(name), f"__{name}__"
            own[hidden] = _lent(there.get(hidden), hidden)
            own[name] = own[hidden] if stream is there.get(hidden) else _lent(stream, name)
        self._own: dict[str, Any] = {**own, **given}
        self._given = given

    def __enter__(self) -> None:
        there = vars(sys)
        Streams.in_place = self._given
        self._before = {name: there.get(name) for name in self._own}
        there.update(self._own)

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        there = vars(sys)
        written: tuple[Any, ...] = (there.get("stdout"), there.get("stderr"), self._own["stdout"])
        self._own["argv"] = there.get("argv")
        there.update(self._before)
        Streams.in_place = {}
        for stream in written:
            try:
                stream.flush()
            except (ValueError, AttributeError):  # the script closed, detached, replaced or removed it
                continue
        # Not a subclass: the runtime ends itself by one.
        if type(error) is not SystemExit:
            return False
        if error.code is None or (isinstance(error.code, int) and not error.code):
            return True
        reason = error.code if isinstance(error.code, str) else f"the script exited with status {error.code}"
        raise ExitError(reason) from error

    def over(self, answer: Any) -> Any:
        """The answer; if it comes item by item, each of them is made while these streams are in place."""
        if isinstance(answer, HTTPResponse):
            answer.body = self.over(answer.body)
        return self._each(answer) if hasattr(answer, "__next__") else answer

    def _each(self, items: Iterator[Any]) -> Iterator[Any]:
        try:
            while True:
                item: Any = _END
                with self:
                    item = next(items, _END)
                if item is _END:
                    return
                yield item
        finally:
            stop(items)


def _lent(stream: Any, name: str) -> Any:
    """A stream on top of another, which stays whole; that one itself if it is not one of Python's own, or closed."""
    if type(stream) is not io.TextIOWrapper or "write" in vars(stream):
        return stream
    lent = _streams.get(name)
    if lent is None or lent.top_of is not stream or not lent.is_untouched():
        try:
            lent = _streams[name] = _Stream(stream, f"<{name.strip('_')}>")
        except (AttributeError, ValueError):
            return stream
    return lent


class _Stream(io.TextIOWrapper):
    """Text on top of another stream, lent to one event after the other until one of them does something to it."""

    __slots__ = ("_reconfigured", "top_of")

    def __init__(self, stream: Any, name: str) -> None:
        super().__init__(_Lent(stream.buffer, name), "utf-8", "backslashreplace", write_through=True)
        self.top_of = stream
        self._reconfigured = False

    def is_untouched(self) -> bool:
        """Whether it is as it was made."""
        return not (self._reconfigured or self.closed or vars(self))

    def detach(self) -> Any:
        self._reconfigured = True
        return super().detach()

    def reconfigure(self, **settings: Any) -> None:
        self._reconfigured = True
        super().reconfigure(**settings)


class _Lent(io.RawIOBase):
    """The bytes of a standard stream; closing this leaves that open."""

    def __init__(self, stream: Any, name: str) -> None:
        self._stream = stream
        self.name = name

    def fileno(self) -> int:
        return self._stream.fileno()  # type: ignore[no-any-return]

    def isatty(self) -> bool:
        return self._stream.isatty()  # type: ignore[no-any-return]

    def readable(self) -> bool:
        return self._stream.readable()  # type: ignore[no-any-return]

    def writable(self) -> bool:
        return self._stream.writable()  # type: ignore[no-any-return]

    def readinto(self, buffer: Any, /) -> int:
        return self._stream.readinto1(buffer)  # type: ignore[no-any-return]

    def write(self, data: Any, /) -> int:
        return self._stream.write(data)  # type: ignore[no-any-return]


def _forwarded(name: str) -> Any:
    def method(self: _Loaded, *arguments: Any, **options: Any) -> Any:
        return getattr(self.now, name)(*arguments, **options)

    return method


class _Loaded:
    """A standard stream while a script is loaded: for who keeps it, as a default say, that of the event under way."""

    write, writelines, flush = map(_forwarded, ("write", "writelines", "flush"))
    read, readline, readlines = map(_forwarded, ("read", "readline", "readlines"))
    __iter__, __next__ = map(_forwarded, ("__iter__", "__next__"))

    def __init__(self, name: str) -> None:
        self._name = name
        self._there = getattr(sys, name)

    @property
    def now(self) -> Any:
        """The stream that is meant at this moment."""
        return Streams.in_place.get(self._name, self._there)

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self.now, attribute)

    def __enter__(self) -> Self:
        setattr(sys, self._name, self)
        return self

    def __exit__(self, *_: object) -> None:
        if getattr(sys, self._name, None) is self:  # a script may put another one in its place
            setattr(sys, self._name, self._there)


#: The streams that are lent, by their names in ``sys``.
_streams: dict[str, _Stream] = {}


class Script:
    """A script file as a callable.

    Called with nothing it is the script: its ``main()``, or, where it has none, the whole file from top to bottom as
    ``__main__``. Called with an event (by a convention that passes one) it is ``main(handler, event)``.
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
            return self._answered(arguments[0])
        sys.argv = [self.spec]
        return self._run() if self._main is None else self._main()

    def _answered(self, event: Any) -> Any:
        streams = Streams("stdin", "stdout", "stderr")
        answer = None
        with streams:
            sys.argv = [self.spec]
            # Here, as a coroutine must not run when the streams are gone again.
            answer = settle(self._main(self.spec, event))  # type: ignore[misc]
        return streams.over(answer)

    def _load(self, name: str, loader: Any) -> Callable[..., Any]:
        from importlib.util import module_from_spec, spec_from_file_location

        module_spec = spec_from_file_location(name, self._path, loader=loader)
        assert module_spec is not None  # noqa: S101 - only without a loader is there none
        module = sys.modules[name] = module_from_spec(module_spec)
        sys.argv = [self.spec]
        with _Loaded("stdin"), _Loaded("stdout"):
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
        add_to_path(folder)
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
    except ImportError as error:
        raise ImportModuleError(f"the script {spec} cannot be loaded: {error}") from error
