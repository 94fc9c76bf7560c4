"""A folder that becomes an archive: the steps that layers, functions and the bootstrap have in common."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from runtime.package import archive, interpreter, own, pythons, scripts, wheels
from runtime.package.target import Target

LISTING = "installed-libs.txt"
# Where the runtime lies in an archive that is no layer: no module of the function can have this name.
SITE = f"{scripts.HOME}/site"

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


class Work:
    """One archive in the making.

    Attributes:
        folder: what will be in the archive.
        file: the archive to be.
        target: the Python and architecture it is for.
        python: a Python of the target's version on this machine, if there is one.
        libraries: what was put in so far, as "name==version".
        interpreter: the interpreter that was put in, if any.
        notes: what the user should know.
    """

    def __init__(self, folder: Path, file: Path, target: Target, progress: Progress, steps: int) -> None:
        self.folder = folder
        self.file = file
        self.target = target
        self.python = pythons.find_python(target.python)
        self.libraries: list[str] = []
        self.interpreter: interpreter.Interpreter | None = None
        self.notes: list[str] = []
        self._progress = progress
        self._step = 0
        self._steps = steps

    def step(self, what: str) -> None:
        """Say what is done next."""
        self._progress(what, self._step, self._steps)
        self._step += 1

    def add_libraries(self, requirements: Sequence[str], files: Sequence[Path], where: str = "") -> None:
        """Put libraries for the target into a folder of the archive."""
        self.step("fetching wheels")
        into = self.folder / where
        self.libraries += wheels.install(wheels.Wanted(requirements, files, self.target, self.python), into)

    def add_runtime(self, where: str, requirements: Sequence[str] = (), files: Sequence[Path] = ()) -> None:
        """Put our runtime, what it requires, and other libraries into a folder of the archive."""
        self.add_libraries([*own.requirements(), *requirements], files, where)
        own.copy(self.folder / where)
        self.libraries.append(own.name_and_version())

    def add_interpreter(self, where: str) -> None:
        """Put in a Python, and a bootstrap that starts the runtime that lies in the folder `where`."""
        self.step("adding the interpreter")
        self.interpreter = interpreter.add(self.target, self.folder, self.python)
        self.add_script("bootstrap", scripts.bootstrap(self.target, where))

    def add_script(self, name: str, text: str) -> None:
        """Put in a program that every user may run."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(archive.PROGRAM)

    def add_listing(self, where: str = "") -> None:
        """Put in `installed-libs.txt`, which pip can read back."""
        inside = self.interpreter
        head = [f"# Python {inside.version}, from {inside.carrier}"] if inside else []
        (self.folder / where / LISTING).write_text("\n".join([*head, *sorted(set(self.libraries)), ""]))

    def compile(self, place: str, *, beside: bool = False) -> int:
        """Compile every module for the place that it will be unpacked to, if a Python of its version is at hand."""
        self.step("compiling")
        if self.python is None:
            version = self.target.python
            self.notes.append(f"not compiled: no Python {version} on this machine; start-up is slower without bytecode")
            return 0
        return pythons.compile_tree(self.folder, place, self.python, beside=beside)

    def finish(self, compiled: int, sizes: archive.Sizes, handlers: Sequence[str] = ()) -> Built:
        """What was made; its limits and its interpreter may want a note."""
        mismatch = self.interpreter.complaint() if self.interpreter else None
        notes = [*self.notes, *sizes.complaints().values(), *([mismatch] if mismatch else [])]
        self.step("done")
        libraries = sorted(set(self.libraries))
        return Built(self.file, sizes, libraries, compiled, self.interpreter, notes, list(handlers))

    def pack(self, head: bytes = b"") -> archive.Sizes:
        """Write the archive."""
        self.step("packing")
        return archive.write(self.folder, self.file, head)


@contextmanager
def work(file: Path, target: Target, progress: Progress, steps: int) -> Iterator[Work]:
    """An archive in the making, in a folder that is removed afterwards.

    Args:
        file: the archive to make.
        target: the Python and architecture it is for.
        progress: told of each step.
        steps: how many steps there will be.

    Raises:
        PackageError: there is a file already that is no archive.
    """
    archive.check_replaceable(file)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "archive"
        folder.mkdir()
        yield Work(folder, file, target, progress, steps)
