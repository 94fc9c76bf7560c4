"""Builds a function archive from a script, a module or a folder, alone or with the runtime inside."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from runtime.package import archive, dependencies, handlers, leaks, recognition
from runtime.package.errors import PackageError
from runtime.package.progress import OnProgress, no_progress
from runtime.package.staging import SITE, Built, Staging
from runtime.package.target import BuildTarget

_SHEBANG = b"#!/usr/bin/env python3\n"


def build_function(
    source: Path,
    file: Path,
    target: BuildTarget,
    *,
    requirements: Sequence[str] = (),
    files: Sequence[Path] = (),
    standalone: bool = False,
    progress: OnProgress = no_progress,
) -> Built:
    """Build a function archive, which Lambda unpacks at /var/task.

    Args:
        source: a script or module, or a folder with everything the function needs.
        file: the output: a .zip, or a .pyz for a handler string to name.
        target: the Python and architecture to build for.
        requirements: libraries to include, besides those in a script's inline metadata.
        files: files that list requirements; without one, a folder's own counts: see `dependencies.OWN`.
        standalone: whether the archive includes runtime and interpreter, for provided.al2023.
        progress: called at each step.

    Raises:
        PackageError: it cannot be built.
    """
    zipapp = file.suffix == ".pyz"
    if zipapp and standalone:
        raise PackageError(f"a .pyz cannot be standalone: {file.name}; --standalone needs a .zip")
    with Staging.open(file, target, progress, 5 if standalone else 3) as staging:
        copy_source(source, staging.folder, file, "__main__.py" if zipapp else None)
        conventions = recognition.offered(staging.folder)
        staging.notes += leaks.notes(staging.folder)
        own_file, note = dependencies.own_file(source) if source.is_dir() and not files else (None, "")
        staging.notes += [note] if note else []
        staging.add_libraries([*requirements, *_inline(source, target)], files, own_file=own_file)
        if zipapp:
            return _zipapp(staging)
        if standalone:
            staging.add_runtime(SITE)
            staging.add_interpreter(SITE, conventions)
            staging.add_listing(SITE)
        compiled = staging.compile("/var/task")
        return staging.finish(compiled, staging.pack(), _offers(source, staging), conventions)


def _inline(source: Path, target: BuildTarget) -> list[str]:
    return handlers.script_requirements(source, target.python) if source.is_file() else []


def _offers(source: Path, staging: Staging) -> list[str]:
    """The handler strings of the user's own files at the top; a single file that offers none gets a note."""
    if source.is_dir():
        shell = handlers.shell_handler_strings(source.glob("[!.]*.sh"))
        return handlers.handler_strings(source.glob("[!.]*.py")) + shell
    if source.suffix == ".py":
        return handlers.handler_strings([source])
    shell = handlers.shell_handler_strings([source]) if source.suffix == ".sh" else []
    if shell:
        return shell
    reason = handlers.unusable_file(source.name, str(staging.folder))
    staging.notes += [reason] if reason else []
    return [] if reason else [source.name]


def copy_source(source: Path, folder: Path, output: Path, name: str | None = None) -> None:
    """Copy a function's source: links as what they point to, without what is not for others.

    Hidden files, caches, virtual environments and what installers write for themselves stay out.

    Raises:
        PackageError: the source is missing or empty, or the output would replace a part of it.
    """
    if source.is_file():
        if os.path.exists(output) and output.samefile(source):
            raise PackageError(f"{output} is the source itself and stays as it is; pass another file with -o")
        shutil.copy(source, folder / (name or source.name))
        return
    if not source.is_dir():
        raise PackageError(f"no such file or folder: {source}")
    if output.is_file() and output.resolve().is_relative_to(source.resolve()) and not archive.is_ours(output):
        raise PackageError(f"{output} is part of the source and stays as it is; pass another file with -o")
    try:
        shutil.copytree(source, folder, ignore=_unwanted(output.resolve()), copy_function=_copy, dirs_exist_ok=True)
    except shutil.Error as error:
        broken = ", ".join(f"{name}: {reason}" for name, _, reason in error.args[0])
        raise PackageError(f"cannot copy {source}: {broken}") from None
    if not any(folder.iterdir()):
        raise PackageError(f"no files to build a function from: {source}")


def _copy(source: str, aim: str) -> None:
    """Copy a regular file; a device has no end."""
    if not stat.S_ISREG(os.stat(source).st_mode):
        raise shutil.SpecialFileError(f"{source} is not a regular file")
    shutil.copy2(source, aim)


def _unwanted(output: Path) -> Callable[[str, list[str]], Iterable[str]]:
    def unwanted(folder: str, names: list[str]) -> set[str]:
        left_out = {name for name in names if _is_unwanted(Path(folder, name), output)}
        # Not `resolve`, which raises for a loop of links before Python 3.13.
        above = {os.path.realpath(each) for each in (Path(folder), *Path(folder).parents)}
        for path in (Path(folder, name) for name in names if name not in left_out):
            if path.is_symlink() and os.path.realpath(path) in above:
                raise PackageError(f"{path} is a link to a folder that it is in")
        return left_out

    return unwanted


def _is_unwanted(path: Path, output: Path) -> bool:
    name = path.name
    if name.startswith(".") or name == "__pycache__" or name.endswith(".egg-info") or leaks.is_of_this_machine(path):
        return True
    return (path / "pyvenv.cfg").is_file() or os.path.realpath(path) == str(output)


def _zipapp(staging: Staging) -> Built:
    folder, name = staging.folder, staging.file.name
    shared = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.so"))
    if shared:
        others = f" and {len(shared) - 1} more" if len(shared) > 1 else ""
        raise PackageError(
            f"{name} cannot hold shared objects, which load only from files: {shared[0]}{others}; build a .zip"
        )
    compiled = staging.compile(f"/var/task/{name}", beside=True)
    sizes = staging.pack(_SHEBANG)
    staging.file.chmod(0o755)
    return staging.finish(compiled, sizes, _pyz_offers(name, folder))


def _pyz_offers(archive_name: str, folder: Path) -> list[str]:
    """The handler strings of a .pyz: its `__main__.py` as a script, and functions of its other modules."""
    script = [archive_name] if (folder / "__main__.py").is_file() else []
    modules = [path for path in folder.glob("*.py") if path.stem != "__main__"]
    return script + [f"{archive_name}/{name}" for name in handlers.handler_strings(modules) if not name.endswith(".py")]
