"""Finds the Python that runs a function: the project's, where this command is installed apart from it, as a tool.

The project's Python may lack this project: `PYTHONPATH` names a folder with links to our packages, and to those of our
libraries that it lacks, but to nothing else of the tool's. So a library that the function needs and the project lacks
is missing here, as it will be on Lambda.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from dispatch.shadowing import OUR_PACKAGES
from runtime.cli import terminal
from runtime.local.function import FunctionConfig, FunctionSettingError
from runtime.package.errors import PackageError

if TYPE_CHECKING:
    from tempfile import TemporaryDirectory

#: The oldest Python of the runtime (pyproject.toml, requires-python).
OLDEST: Final = (3, 11)
#: The libraries without which the runtime does not start, or conventions do not load. The last one is compiled for one
#: version of Python.
LIBRARIES: Final = ("pluggy", "simplejson", "httptools")
COMPILED: Final = LIBRARIES[-1]
#: Prints what has to be known of a Python, even of one that is too old: Python 2 lacks `find_spec`, and the option -I.
QUESTION: Final = f"""
import sys
del sys.path[0]
import json
try:
    from importlib.util import find_spec
except ImportError:
    find_spec = bool
print(json.dumps([sys.version_info[:2], [name for name in {LIBRARIES} if find_spec(name) is None]]))
"""
#: Seconds in which a Python answers.
PATIENCE: Final = 60


class Python(NamedTuple):
    """A Python, and why it was chosen."""

    file: Path
    reason: str


class Pythons:
    """Chooses the Python of each function. As a context manager it removes what they were given to start with.

    Args:
        asked: the value of --python.
        tell: whether to say which Python was chosen; the command says it in any case if it found none of the project's.
    """

    def __init__(self, asked: str | None, *, tell: bool) -> None:
        self._asked = asked
        self._tell = tell
        self._told: set[str] = set()
        self._paths: dict[Path, str] = {}
        self._folder: TemporaryDirectory[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._folder is not None:
            self._folder.cleanup()

    def chosen(self, function: FunctionConfig) -> FunctionConfig:
        """Return the function with the Python that runs it, unless that is this command's own.

        Raises:
            FunctionSettingError: there is no such Python, or it cannot run the runtime.
        """
        if function.command:
            return function
        python = asked_for(self._asked) if self._asked else self._of_project(function) if is_tool() else None
        if python is None:
            if is_tool():
                self._say(
                    f"{function.handler} runs on {sys.executable}, which has this command's libraries, not your "
                    "project's; activate a virtual environment, create one in .venv, or pass --python"
                )
            return function
        if self._tell:
            self._say(f"{function.handler} runs on {python.file}: {python.reason}")
        if _is_own(python.file):
            return function
        others = function.environment.get("PYTHONPATH") or os.environ.get("PYTHONPATH")
        path = os.pathsep.join(filter(None, (self._path_for(python.file), others)))
        return replace(function, python=str(python.file), environment={**function.environment, "PYTHONPATH": path})

    def _of_project(self, function: FunctionConfig) -> Python | None:
        """The Python of a script's own metadata, of the active environment, or of a `.venv` above the function."""
        script = function.folder / function.handler
        if script.suffix == ".py" and os.path.isfile(script) and (python := self._of_script(script)):
            return python
        for variable in ("VIRTUAL_ENV", "CONDA_PREFIX"):
            folder = os.environ.get(variable)
            found = _inside(Path(folder)) if folder else None
            if found and not _is_own(found):
                return Python(found, f"{variable} names its environment")
            if folder and not found:
                self._say(f"{variable} names {folder}, but there is no Python in it")
        folders = (folder / ".venv" for folder in (function.folder, *function.folder.parents))
        return next((Python(found, "the project's .venv") for folder in folders if (found := _inside(folder))), None)

    def _of_script(self, script: Path) -> Python | None:
        from runtime.package.handlers import script_requirements

        try:
            if not script_requirements(script):
                return None
        except PackageError as error:
            raise FunctionSettingError(str(error)) from error
        uv = _uv()
        if uv is None:
            self._say(f"{script.name} names libraries in its inline metadata, but uv, which installs them, is missing")
            return None
        _output(uv, "sync", "--quiet", "--script", str(script))
        return Python(Path(_output(uv, "python", "find", "--script", str(script))), "uv made it of the inline metadata")

    def _path_for(self, python: Path) -> str:
        if python not in self._paths:
            from tempfile import TemporaryDirectory

            self._folder = self._folder or TemporaryDirectory(prefix="dispatch-")
            folder = Path(self._folder.name) / str(len(self._paths))
            folder.mkdir()
            for name in _lacking(python, folder):
                (folder / name).symlink_to(_home(name))
            self._paths[python] = str(folder)
        return self._paths[python]

    def _say(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            terminal.tell(f"dispatch: {text}")


def is_tool() -> bool:
    """Whether this command has an environment of its own, by what uv and pipx leave there."""
    prefix = Path(sys.prefix)
    receipts = ("uv-receipt.toml", "pipx_metadata.json")
    return "archive-v0" in prefix.parts or any((prefix / receipt).exists() for receipt in receipts)


def asked_for(which: str) -> Python:
    """Return the Python that --python means.

    Raises:
        FunctionSettingError: there is none.
    """
    path = Path(os.path.abspath(which))
    found = _inside(path) or (path if path.is_file() else None)
    named = found or _which(which) or _which(f"python{which}")
    if not named:
        raise FunctionSettingError(
            f"--python: no Python {which!r}; pass a file, a virtual environment, or a name on your PATH like python3.13"
        )
    return Python(Path(named), "--python names it")


def _inside(environment: Path) -> Path | None:
    file = environment / "bin" / "python"
    return file if file.is_file() else None


def _is_own(python: Path) -> bool:
    """Whether a Python is the one of this command."""
    return python.parent.parent.resolve() == Path(sys.prefix).resolve()


def _uv() -> str | None:
    """The path of uv: on PATH, or of the package beside this one; None if there is none."""
    try:
        from uv import find_uv_bin

        return _which("uv") or find_uv_bin()
    except (ImportError, FileNotFoundError):
        return _which("uv")


def _which(name: str) -> str | None:
    from shutil import which

    return which(name)


def _lacking(python: Path, folder: Path) -> Iterator[str]:
    """Our packages, and those of our libraries that a Python lacks, without one that uv has installed in the folder."""
    import json

    try:
        version, missing = json.loads(_output(str(python), "-E", "-s", "-c", QUESTION, patience=PATIENCE))
    except (TypeError, ValueError) as error:
        reason = f" ({str(error).splitlines()[0]})" if isinstance(error, FunctionSettingError) else ""
        raise FunctionSettingError(f"{python} is not a Python; pass another with --python{reason}") from error
    of_this = list(sys.version_info[:2])
    if tuple(version) < OLDEST:
        raise FunctionSettingError(f"{python} is Python {version[0]}.{version[1]}; the runtime needs 3.11 or newer")
    if COMPILED in missing and version != of_this:
        missing.remove(COMPILED)
        uv = _uv()
        if uv is None:
            raise FunctionSettingError(
                f"{python} is Python {version[0]}.{version[1]} and lacks {COMPILED}, which this command has only for "
                f"Python {of_this[0]}.{of_this[1]}; install handler-dispatch there, or uv, which fetches {COMPILED}"
            )
        from runtime.package import own_runtime

        needed = [one for one in own_runtime.required() if one.startswith(COMPILED)]
        _output(uv, "pip", "install", "--quiet", "--python", str(python), "--target", str(folder), *needed)
    yield from (*OUR_PACKAGES, *missing)


def _home(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise FunctionSettingError(f"cannot find the package {name} of this command; reinstall handler-dispatch")
    return Path(spec.origin).parent


def _output(program: str, *arguments: str, patience: float | None = None) -> str:
    """What a program prints, without the line end."""
    try:
        done = subprocess.run(  # noqa: S603
            [program, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=patience,
            check=False,
        )
    except OSError as error:
        raise FunctionSettingError(f"cannot run {program}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise FunctionSettingError(f"{program} did not answer within {patience:g} seconds") from error
    if done.returncode:
        reason = done.stderr.strip() or f"status {done.returncode}"
        raise FunctionSettingError(f"{program} {arguments[0]} failed: {reason}")
    return done.stdout.strip()
