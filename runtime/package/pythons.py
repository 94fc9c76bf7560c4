"""Finds a Python of the target's version on this machine, and compiles with it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from dispatch import discovery
from runtime.package import start_scripts
from runtime.package.errors import PackageError

#: The folders whose modules a start may need, and the length of what precedes the code in a compiled one (PEP 552).
_STARTED = ("dispatch", "conventions", "runtime", "runtime/transport")
_HEADER = 16

#: How long the plugins of a folder may take to load, in seconds.
_LONGEST_LOADING = 60


def find_python(version: str) -> Path | None:
    """A Python of a version such as "3.13": the running one, else the one on PATH, else the newest of pyenv's."""
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    if version == running:
        return Path(sys.executable)
    home = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    candidates = [Path(found) for found in (shutil.which(f"python{version}"),) if found]
    candidates += sorted(home.glob(f"versions/{version}.*/bin/python"), key=_patch, reverse=True)
    return next((path for path in candidates if _version(path) == version), None)


def _patch(path: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", path.parts[-3]))


def _version(python: Path) -> str | None:
    ask = [str(python), "-I", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    try:
        done = subprocess.run(ask, capture_output=True, text=True, check=False, timeout=30)  # noqa: S603
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def compile_tree(folder: Path, place: str, python: Path, *, beside: bool = False, only: Path | None = None) -> int:
    """Compile every module below a folder, or only one, and return how many are compiled.

    The bytecode names the place that the folder is unpacked to ("/opt", "/var/task"), not this machine's, and Python
    never compares it with the source, because all files of an archive have the same date. A file that is not valid
    Python of that version (a template, a test for another version) stays uncompiled, as with every installer.

    Args:
        folder: the tree to compile, in place.
        place: the path of the tree in the execution environment.
        python: an interpreter of the target's version.
        beside: whether bytecode goes next to its source, where imports from a zip archive look for it.
        only: the module to compile.

    Raises:
        PackageError: the interpreter cannot compile at all.
    """
    command = [str(python), "-P", "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash"]
    command += [*(["-b"] if beside else []), "-s", str(folder), "-p", place, str(only or folder)]
    # For equal bytes, one process compiles in one order (files share constants), with one order of hashes (sets).
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)  # noqa: S603
    compiled = sum(1 for _ in folder.rglob("*.pyc"))
    if done.returncode != 0 and not compiled:
        raise PackageError(f"{python} cannot compile: {(done.stderr or done.stdout).strip()[-500:]}")
    return compiled


def write_plans(folders: Sequence[Path], python: Path, runtime: Path) -> list[str]:
    """Write the plan of each folder with plugins, by loading them; returns a note for each that gets none.

    Args:
        folders: the folders of an archive for libraries.
        python: an interpreter of the target's version.
        runtime: the folder of our packages, for an archive without them.
    """
    path = os.pathsep.join(map(str, (*folders, runtime)))
    environment = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": path, "PYTHONHASHSEED": "0"}
    notes = []
    for folder in (folder for folder in folders if discovery.installed([str(folder)])):
        command = [str(python), "-P", "-B", "-m", "dispatch.plan", str(folder)]
        try:
            done = subprocess.run(  # noqa: S603
                command, capture_output=True, text=True, check=False, env=environment, timeout=_LONGEST_LOADING
            )
        except subprocess.TimeoutExpired:
            reason = f"they did not load within {_LONGEST_LOADING} s"
        else:
            reason = (done.stderr.strip() or "they end the process").splitlines()[-1] if done.returncode else ""
        if reason:
            notes.append(f"no plan of the plugins, so that each start imports all of them: {reason}")
    return notes


def write_start_file(folder: Path, place: str, site: str, python: Path) -> None:
    """Write the start file of an archive, once its modules are compiled.

    Args:
        folder: the archive's folder.
        place: as for `compile_tree`.
        site: the folder of the runtime, relative to the archive's.
        python: as for `compile_tree`.
    """
    modules = {}
    for inside in _STARTED:
        for file in sorted(folder.joinpath(site, inside).glob("*.py")):
            name = [*file.relative_to(folder / site).parts[:-1], file.stem]
            is_package = name[-1] == "__init__"
            compiled = next(file.parent.glob(f"__pycache__/{file.stem}.*.pyc"), None)
            if compiled:
                code = compiled.read_bytes()[_HEADER:]
                modules[".".join(name[:-1] if is_package else name)] = (f"{inside}/{file.name}", is_package, code)
    source = folder / start_scripts.START_FILE.replace(".pyc", ".py")
    source.parent.mkdir(exist_ok=True)
    text = Path(__file__).with_name("start.py").read_text()
    text = text.replace("] = {}", f"] = {modules!r}").replace(
        'SITE = ""', f"SITE = {os.path.relpath(site, start_scripts.HOME)!r}"
    )
    source.write_text(text)
    compile_tree(folder, place, python, beside=True, only=source)
    source.unlink()
