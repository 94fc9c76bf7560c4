"""Builds a function archive from a script, a module or a folder, alone or with the runtime inside."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from . import archive, handlers, interpreter, layer, pythons, scripts, wheels
from .errors import PackageError
from .layer import Built, Progress
from .target import Target

SITE = f"{scripts.HOME}/site"
REQUIREMENTS = "requirements.txt"
_SHEBANG = b"#!/usr/bin/env python3\n"


def build(
    source: Path,
    file: Path,
    target: Target,
    *,
    requirements: Sequence[str] = (),
    files: Sequence[Path] = (),
    standalone: bool = False,
    progress: Progress = lambda *_: None,
) -> Built:
    """Build a function archive; Lambda unpacks it at /var/task.

    Args:
        source: a script or module, or a folder with whatever the function needs.
        file: the archive to make: a .zip, or a .pyz that a handler string can name.
        target: the Python and architecture it is for.
        requirements: libraries to put in, besides those that the script's inline metadata names.
        files: requirements files; if none is given, a folder's own requirements.txt counts.
        standalone: whether runtime and interpreter go in, for provided.al2023.
        progress: told of each step.

    Raises:
        PackageError: it can't be built.
    """
    zipapp = file.suffix == ".pyz"
    if zipapp and standalone:
        raise PackageError(f"{file.name}: a .pyz is run by a runtime that is there already; --standalone needs a .zip")
    steps = 5 if standalone else 4
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "function"
        progress("copying the source", 0, steps)
        copy_source(source, folder, file, "__main__.py" if zipapp else None)
        asked, listed = [*requirements, *_inline(source)], list(files) or _own_file(source)
        python = pythons.find_python(target.python)
        progress("fetching wheels", 1, steps)
        libraries = wheels.install(asked, listed, target, folder, python)
        if zipapp:
            return _zipapp(folder, file, target, python, libraries, progress)
        offered = handlers.offered(_only_source(source, folder))
        inside = _runtime(folder, target, python, libraries, progress) if standalone else None
        built = layer.finish(folder, file, "/var/task", target, python, inside, libraries, progress, steps)
        return replace(built, handlers=offered)


def _inline(source: Path) -> list[str]:
    return handlers.script_requirements(source) if source.is_file() else []


def _own_file(source: Path) -> list[Path]:
    own = source / REQUIREMENTS
    return [own] if own.is_file() else []


def _only_source(source: Path, folder: Path) -> Path:
    """Where the user's own modules are: beside them lie the libraries' once those are laid out."""
    return source if source.is_dir() else folder


def copy_source(source: Path, folder: Path, output: Path, name: str | None = None) -> None:
    """Copy what a function is made of: links as what they name; without hidden files, caches, virtual environments.

    Raises:
        PackageError: the source is not there, or has nothing in it.
    """
    if source.is_file():
        folder.mkdir(parents=True)
        shutil.copy(source, folder / (name or source.name))
        return
    if not source.is_dir():
        raise PackageError(f"no file or folder {source} to build a function from")
    try:
        shutil.copytree(source, folder, ignore=_unwanted(output.resolve()))
    except shutil.Error as error:
        broken = ", ".join(f"{name}: {reason}" for name, _, reason in error.args[0])
        raise PackageError(f"{source} can't be copied: {broken}") from None
    if not any(folder.iterdir()):
        raise PackageError(f"{source} has no file to put into a function")


def _unwanted(output: Path) -> Callable[[str, list[str]], Iterable[str]]:
    def unwanted(folder: str, names: list[str]) -> list[str]:
        return [name for name in names if _is_unwanted(Path(folder, name), output)]

    return unwanted


def _is_unwanted(path: Path, output: Path) -> bool:
    name = path.name
    if name.startswith(".") or name == "__pycache__" or name.endswith(".egg-info"):
        return True
    return (path / "pyvenv.cfg").is_file() or path.resolve() == output


def _runtime(
    folder: Path, target: Target, python: Path | None, libraries: list[str], progress: Progress
) -> interpreter.Interpreter:
    progress("adding runtime and interpreter", 2, 5)
    libraries += layer.runtime_into(folder / SITE, target, python, (), ())
    inside = interpreter.add(target, folder, python)
    layer.write_script(folder / "bootstrap", scripts.bootstrap(target, SITE))
    (folder / scripts.HOME / layer.LISTING).write_text(layer.listing(libraries, inside))
    return inside


def _zipapp(
    folder: Path, file: Path, target: Target, python: Path | None, libraries: list[str], progress: Progress
) -> Built:
    shared = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.so"))
    if shared:
        raise PackageError(
            f"{file.name} can't hold shared objects, which only load from files ({shared[0]}"
            f"{f' and {len(shared) - 1} more' if len(shared) > 1 else ''}); build a .zip"
        )
    progress("compiling", 2, 4)
    notes = []
    compiled = 0
    if python is None:
        notes.append(f"not compiled: no Python {target.python} on this machine")
    else:
        compiled = pythons.compile_tree(folder, f"/var/task/{file.name}", python, beside=True)
    progress("packing", 3, 4)
    sizes = archive.write(folder, file, _SHEBANG, zipfile.ZIP_DEFLATED)
    file.chmod(archive.PROGRAM)
    progress("done", 4, 4)
    script = [file.name] if (folder / "__main__.py").is_file() else []
    functions = [f"{file.name}/{name}" for name in handlers.offered(folder) if not name.endswith(".py")]
    return Built(file, sizes, libraries, compiled, None, notes, [*script, *functions])
