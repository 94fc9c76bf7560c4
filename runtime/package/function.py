"""Builds a function archive from a script, a module or a folder, alone or with the runtime inside."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from runtime.package import archive, handlers
from runtime.package.errors import PackageError
from runtime.package.target import Target
from runtime.package.work import SITE, Built, Progress, Work, work

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
        requirements: libraries to put in, besides those that a script's inline metadata names.
        files: requirements files; if none is given, a folder's own requirements.txt counts.
        standalone: whether runtime and interpreter go in, for provided.al2023.
        progress: told of each step.

    Raises:
        PackageError: it can't be built.
    """
    zipapp = file.suffix == ".pyz"
    if zipapp and standalone:
        raise PackageError(f"{file.name}: a .pyz is run by a runtime that is there already; --standalone needs a .zip")
    with work(file, target, progress, 5 if standalone else 3) as making:
        copy_source(source, making.folder, file, "__main__.py" if zipapp else None)
        making.add_libraries([*requirements, *_inline(source, target)], list(files) or _own_file(source))
        if zipapp:
            return _zipapp(making)
        if standalone:
            making.add_runtime(SITE)
            making.add_interpreter(SITE)
            making.add_listing(SITE)
        compiled = making.compile("/var/task")
        return making.finish(compiled, making.pack(), _offered(source, making))


def _inline(source: Path, target: Target) -> list[str]:
    return handlers.script_requirements(source, target.python) if source.is_file() else []


def _own_file(source: Path) -> list[Path]:
    own = source / REQUIREMENTS
    return [own] if own.is_file() else []


def _offered(source: Path, making: Work) -> list[str]:
    """The handler strings of the user's own files at the top of the function; a note if the only one has none."""
    if source.is_dir():
        return handlers.offered(source.glob("[!.]*.py"))
    if source.suffix == ".py":
        return handlers.offered([source])
    reason = handlers.unusable_file(source.name, str(making.folder))
    making.notes += [reason] if reason else []
    return [] if reason else [source.name]


def copy_source(source: Path, folder: Path, output: Path, name: str | None = None) -> None:
    """Copy what a function is made of: links as what they name; without hidden files, caches, virtual environments.

    Raises:
        PackageError: the source is not there, has nothing in it, or has the output in it, which no build has made.
    """
    if source.is_file():
        if os.path.exists(output) and output.samefile(source):
            raise PackageError(f"{output} is the source itself, and stays as it is; name another file by -o")
        shutil.copy(source, folder / (name or source.name))
        return
    if not source.is_dir():
        raise PackageError(f"no file or folder {source} to build a function from")
    if output.is_file() and output.resolve().is_relative_to(source.resolve()) and not archive.is_ours(output):
        raise PackageError(f"{output} is a part of the source, and stays as it is; name another file by -o")
    try:
        shutil.copytree(source, folder, ignore=_unwanted(output.resolve()), dirs_exist_ok=True)
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


def _zipapp(making: Work) -> Built:
    folder, name = making.folder, making.file.name
    shared = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.so"))
    if shared:
        others = f" and {len(shared) - 1} more" if len(shared) > 1 else ""
        raise PackageError(
            f"{name} can't hold shared objects, which only load from files: {shared[0]}{others}; build a .zip"
        )
    compiled = making.compile(f"/var/task/{name}", beside=True)
    sizes = making.pack(_SHEBANG)
    making.file.chmod(0o755)
    return making.finish(compiled, sizes, _inside(name, folder))


def _inside(archive_name: str, folder: Path) -> list[str]:
    """The handler strings of a .pyz: its `__main__.py` as a script, and functions of its other modules."""
    script = [archive_name] if (folder / "__main__.py").is_file() else []
    modules = [path for path in folder.glob("*.py") if path.stem != "__main__"]
    return script + [f"{archive_name}/{name}" for name in handlers.offered(modules) if not name.endswith(".py")]
