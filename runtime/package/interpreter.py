"""Adds a Python interpreter with its standard library to an archive, for systems without one.

The interpreter comes from the wheels of freeze-core, the base of cx_Freeze: CPython built on manylinux2014 (glibc 2.17
or newer) for both architectures, with its extension modules and their libraries. The modules written in Python come
from a Python of the same version on this machine. Wheels are only unpacked, never run, so any machine builds for
either architecture.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from runtime.package import elf, wheels
from runtime.package.errors import PackageError
from runtime.package.start_scripts import HOME
from runtime.package.target import BuildTarget

CARRIER = "freeze-core>=0.8"

#: Folders of no use to a function: tests, graphical interfaces, an installer's own wheel.
_NO_FOLDERS = frozenset(
    {
        "__pycache__",
        "ensurepip",
        "idlelib",
        "lib-dynload",
        "site-packages",
        "test",
        "tests",
        "tkinter",
        "turtledemo",
    }
)
_NO_EXTENSIONS = re.compile(r"_tkinter|_test.*|_ctypes_test|_xxtestfuzz|xx.*")
_NO_FILES = re.compile(r"_sysconfigdata.*|turtle\.py|.*\.(pyc|exe|so|a)")

#: The entries of sysconfig that the standard library itself reads, without the paths of the build.
_SYSCONFIG = '''"""The build variables of a packaged interpreter, for sysconfig."""

build_time_vars = {{
    "EXT_SUFFIX": ".{soabi}.so",
    "MULTIARCH": "{machine}-linux-gnu",
    "Py_DEBUG": 0,
    "Py_ENABLE_SHARED": 0,
    "Py_GIL_DISABLED": 0,
    "SOABI": "{soabi}",
    "TZPATH": "/usr/share/zoneinfo:/usr/lib/zoneinfo:/usr/share/lib/zoneinfo:/etc/zoneinfo",
    "VERSION": "{python}",
    "abiflags": "",
    "py_version_short": "{python}",
}}
'''


@dataclass(frozen=True, slots=True)
class Interpreter:
    """An interpreter in an archive: its version, that of its modules written in Python, and the wheel it is from."""

    version: str
    library: str
    carrier: str

    def complaint(self) -> str | None:
        """A message if the two versions differ."""
        if self.version == self.library:
            return None
        return (
            f"mixed releases: the interpreter is Python {self.version}, its modules written in Python are those of "
            f"{self.library}, the newest on this machine; build on a machine with {self.version}"
        )


def add(target: BuildTarget, folder: Path, python: Path | None) -> Interpreter:
    """Add an interpreter below `folder/dispatch-runtime`.

    Args:
        target: the Python and architecture.
        folder: the root of the archive's contents.
        python: a Python of the target's version on this machine, for its standard library.

    Raises:
        PackageError: this machine has no such Python, or the index no such wheel.
    """
    if python is None:
        raise PackageError(
            f"no Python {target.python} on this machine to copy the standard library from; install one as "
            f"python{target.python} on PATH, or with pyenv"
        )
    with tempfile.TemporaryDirectory() as scratch:
        carried = Path(scratch)
        carrier = _carrier(target, carried, python)
        version = _carried_version(carried, target)
        home = folder / HOME / "python"
        _copy_program(carried / "freeze_core", home, target)
        _copy_extensions(carried, home.parent)
    source, library = _standard_library(python)
    _copy_library(source, home / "lib")
    (home / "lib" / f"_sysconfigdata__linux_{target.machine}-linux-gnu.py").write_text(
        _SYSCONFIG.format(soabi=target.soabi, machine=target.machine, python=target.python)
    )
    shutil.copyfile(Path(__file__).with_name("startup.py"), home / "lib" / "__init__python3.py")
    return Interpreter(version, library, carrier)


def _carrier(target: BuildTarget, folder: Path, python: Path) -> str:
    """Install the carrier into a folder and return it as "name==version"."""
    try:
        installed = wheels.install(wheels.Wanted([CARRIER], [], target, python), folder)
    except PackageError as error:
        raise PackageError(f"no interpreter for Python {target.python} on {target.arch}: {error}") from None
    return next(library for library in installed.libraries if library.startswith("freeze-core=="))


def _carried_version(carried: Path, target: BuildTarget) -> str:
    listing = carried / "freeze_core" / "frozen" / f"frozen-{target.soabi}.json"
    return str(json.loads(listing.read_text())["__version__"]).split()[0]


def _copy_program(carried: Path, home: Path, target: BuildTarget) -> None:
    (home / "lib").mkdir(parents=True)
    shutil.copyfile(carried / "bases" / f"console-{target.soabi}", home / "python3")
    (home / "python3").chmod(0o755)


def _copy_extensions(carried: Path, home: Path) -> None:
    """Copy the extension modules and the libraries that they need.

    The modules look for their libraries in `../../freeze_core.libs`, relative to their own folder.
    """
    libraries = carried / "freeze_core.libs"
    wanted: set[str] = set()
    for module in sorted((carried / "freeze_core" / "lib").glob("*.so")):
        if not _NO_EXTENSIONS.fullmatch(module.name.partition(".")[0]):
            shutil.copyfile(module, home / "python" / "lib" / module.name)
            wanted |= _needed(module, libraries)
    for name in sorted(wanted):
        (home / libraries.name).mkdir(exist_ok=True)
        shutil.copyfile(libraries / name, home / libraries.name / name)


def _needed(binary: Path, libraries: Path) -> set[str]:
    read = elf.Binary.read(binary)
    direct = {name for name in (read.needs if read else ()) if (libraries / name).is_file()}
    return direct.union(*(_needed(libraries / name, libraries) for name in direct))


def _standard_library(python: Path) -> tuple[Path, str]:
    code = (
        "import json, platform, sysconfig; print(json.dumps([sysconfig.get_path('stdlib'), platform.python_version()]))"
    )
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True)  # noqa: S603
    folder, version = json.loads(done.stdout)
    return Path(folder), version


def _copy_library(source: Path, into: Path) -> None:
    def unwanted(folder: str, names: Iterable[str]) -> list[str]:
        return [
            name
            for name in names
            if name in _NO_FOLDERS
            or name.startswith("config-")
            or _NO_FILES.fullmatch(name)
            or (Path(folder, name).is_symlink())
        ]

    shutil.copytree(source, into, ignore=unwanted, dirs_exist_ok=True, copy_function=shutil.copyfile)
