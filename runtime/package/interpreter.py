"""Puts a Python interpreter with its standard library into an archive, for a runtime or a container without one.

The interpreter comes from the wheels of freeze-core, the base of cx_Freeze: CPython built on manylinux2014 (glibc 2.17
or newer) for both architectures, with its extension modules and their libraries. The modules written in Python come
from a Python of the same version on this machine. Wheels are unpacked, nothing is run, so either architecture is made
anywhere.
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
from runtime.package.scripts import HOME
from runtime.package.target import Target

CARRIER = "freeze-core>=0.8"

# What a function has no use for, or can't have: tests, windows on a screen, and an installer's own wheel.
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

# The entries of sysconfig that the standard library itself reads; where Python was built is nobody's business there.
_SYSCONFIG = '''"""What sysconfig knows of a packaged interpreter."""

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
    """What was put in: the version of the interpreter, that of the modules written in Python, and the carrier."""

    version: str
    library: str
    carrier: str

    def complaint(self) -> str | None:
        """What to say where the two are not of one release."""
        if self.version == self.library:
            return None
        return (
            f"the interpreter is Python {self.version}, the standard library in Python that of {self.library}, the "
            f"newest at hand; build on a machine with {self.version} to have both of one release"
        )


def add(target: Target, folder: Path, python: Path | None) -> Interpreter:
    """Lay out an interpreter below `folder/dispatch-runtime`.

    Args:
        target: the Python and architecture.
        folder: the root of the archive to be.
        python: a Python of the target's version on this machine, for its standard library.

    Raises:
        PackageError: there is no such Python here, or no wheel of the carrier.
    """
    if python is None:
        raise PackageError(
            f"no Python {target.python} on this machine to take the standard library from "
            f"(looked for python{target.python} on PATH and in pyenv's versions); install one"
        )
    with tempfile.TemporaryDirectory() as scratch:
        wheel = _carrier(target, Path(scratch), python)
        carried = Path(scratch) / "carrier"
        wheels.unpack(wheel, carried)
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
    return Interpreter(version, library, "==".join(wheel.name.split("-")[:2]).replace("_", "-"))


def _carrier(target: Target, scratch: Path, python: Path) -> Path:
    folder = scratch / "wheels"
    folder.mkdir()
    try:
        fetched = wheels.fetch(wheels.Wanted([CARRIER], [], target, python), folder)
    except PackageError as error:
        raise PackageError(f"no interpreter for Python {target.python} on {target.arch}: {error}") from None
    return next(wheel for wheel in fetched if wheel.name.startswith("freeze_core-"))


def _carried_version(carried: Path, target: Target) -> str:
    listing = carried / "freeze_core" / "frozen" / f"frozen-{target.soabi}.json"
    return str(json.loads(listing.read_text())["__version__"]).split()[0]


def _copy_program(carried: Path, home: Path, target: Target) -> None:
    (home / "lib").mkdir(parents=True)
    shutil.copyfile(carried / "bases" / f"console-{target.soabi}", home / "python3")
    (home / "python3").chmod(0o755)


def _copy_extensions(carried: Path, home: Path) -> None:
    """The extension modules, and of the libraries beside them those that are needed.

    The modules look for their libraries in `../../freeze_core.libs`, seen from their own folder.
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
    read = elf.read(binary)
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
