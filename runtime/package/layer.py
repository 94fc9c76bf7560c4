"""Builds a layer: the runtime, its dependencies and any other libraries, for AWS's managed Python or with its own."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import archive, interpreter, own, pythons, scripts, wheels
from .target import Target

LISTING = "installed-libs.txt"

# Told at each step: what is being done, and the number of the step out of how many.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Built:
    """An archive that was made.

    Attributes:
        file: the archive.
        sizes: what it weighs.
        libraries: what is inside, as "name==version".
        compiled: how many modules were compiled.
        interpreter: the interpreter inside, if any.
        notes: what the user should know.
        handlers: the handler strings that the archive answers to, for a function.
    """

    file: Path
    sizes: archive.Sizes
    libraries: list[str]
    compiled: int
    interpreter: interpreter.Interpreter | None
    notes: list[str]
    handlers: list[str]

    def as_json(self) -> dict[str, Any]:
        """For --json."""
        return {**asdict(self), "file": str(self.file)}


def build(
    file: Path,
    target: Target,
    *,
    requirements: Sequence[str] = (),
    files: Sequence[Path] = (),
    with_interpreter: bool = False,
    progress: Progress = lambda *_: None,
) -> Built:
    """Build a layer archive; Lambda unpacks it at /opt.

    Args:
        file: the archive to make.
        target: the Python and architecture it is for.
        requirements: other libraries to put in.
        files: requirements files to put in.
        with_interpreter: whether the layer brings its own Python, for provided.al2023.
        progress: told of each step.

    Raises:
        PackageError: it can't be built.
    """
    steps = 4 + with_interpreter
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        python = pythons.find_python(target.python)
        progress("fetching wheels", 0, steps)
        libraries = runtime_into(folder / "python", target, python, requirements, files)
        write_script(folder / "dispatch", scripts.wrapper(target))
        inside = None
        if with_interpreter:
            progress("adding the interpreter", 1, steps)
            inside = interpreter.add(target, folder, python)
            write_script(folder / "bootstrap", scripts.bootstrap(target, "python"))
        (folder / LISTING).write_text(listing(libraries, inside))
        return finish(folder, file, "/opt", target, python, inside, libraries, progress, steps)


def runtime_into(
    folder: Path, target: Target, python: Path | None, requirements: Sequence[str], files: Sequence[Path]
) -> list[str]:
    """Lay out our runtime with what it requires, and other libraries; what came, as "name==version"."""
    libraries = wheels.install([*own.requirements(), *requirements], files, target, folder, python)
    own.copy(folder)
    return sorted([*libraries, own.name_and_version()])


def write_script(path: Path, text: str) -> None:
    """Write a program that every user may run."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def listing(libraries: Sequence[str], inside: interpreter.Interpreter | None) -> str:
    """The text of `installed-libs.txt`."""
    head = [f"# Python {inside.version}, from {inside.carrier}"] if inside else []
    return "\n".join([*head, *libraries, ""])


def finish(
    folder: Path,
    file: Path,
    place: str,
    target: Target,
    python: Path | None,
    inside: interpreter.Interpreter | None,
    libraries: list[str],
    progress: Progress,
    steps: int,
) -> Built:
    """Compile and pack a folder that is complete."""
    notes = []
    compiled = 0
    progress("compiling", steps - 2, steps)
    if python is None:
        notes.append(f"not compiled: no Python {target.python} on this machine; start-up is slower without bytecode")
    else:
        compiled = pythons.compile_tree(folder, place, python)
    progress("packing", steps - 1, steps)
    sizes = archive.write(folder, file)
    notes += sizes.complaints()
    mismatch = inside.complaint() if inside else None
    notes += [mismatch] if mismatch else []
    progress("done", steps, steps)
    return Built(file, sizes, libraries, compiled, inside, notes, [])
