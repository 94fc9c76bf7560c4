"""A folder that becomes an archive: the steps that layers, functions and the bootstrap have in common."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from runtime.package import archive, interpreter, own_runtime, pythons, start_scripts, wheels
from runtime.package.errors import PackageError
from runtime.package.progress import OnProgress, no_progress
from runtime.package.target import BuildTarget

LISTING = "installed-libs.txt"
#: The folder of the runtime in an archive that is not a layer; no module of the function can have this name.
SITE = f"{start_scripts.HOME}/site"


@dataclass(frozen=True, slots=True)
class Built:
    """An archive that was built.

    Attributes:
        file: the archive.
        sizes: its sizes.
        libraries: the libraries inside, as "name==version".
        compiled: the number of modules that were compiled.
        interpreter: the interpreter inside, if any.
        notes: messages for the user.
        handlers: the handler strings that a function offers.
        conventions: the conventions of those that were written for another platform, or that are web applications.
    """

    file: Path
    sizes: archive.Sizes
    libraries: list[str]
    compiled: int
    interpreter: interpreter.Interpreter | None
    notes: list[str]
    handlers: list[str]
    conventions: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        """The archive for --json."""
        return {**asdict(self), "file": str(self.file)}


class Staging:
    """The contents of an archive before it is packed.

    Attributes:
        folder: the folder that is packed in the end.
        file: the output.
        target: the Python and architecture to build for.
        python: a Python of the target's version on this machine, if there is one.
        libraries: the libraries in the folder so far, as "name==version".
        interpreter: the interpreter in the folder, if any.
        notes: messages for the user.
    """

    def __init__(
        self,
        folder: Path,
        file: Path,
        target: BuildTarget,
        *,
        python: Path | None,
        progress: OnProgress = no_progress,
        steps: int = 0,
    ) -> None:
        self.folder = folder
        self.file = file
        self.target = target
        self.python = python
        self.libraries: list[str] = []
        self.interpreter: interpreter.Interpreter | None = None
        self.notes: list[str] = []
        self._library_folders: list[Path] = []
        self._runtime = ""
        self._progress = progress
        self._step = 0
        self._steps = steps

    @classmethod
    @contextmanager
    def open(cls, file: Path, target: BuildTarget, progress: OnProgress, steps: int) -> Iterator[Self]:
        """Stage an archive in a temporary folder.

        Args:
            file: the output.
            target: the Python and architecture to build for.
            progress: called at each step.
            steps: the number of steps.

        Raises:
            PackageError: the output would replace a file that is not an archive.
        """
        archive.check_replaceable(file)
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "archive"
            folder.mkdir()
            python = pythons.find_python(target.python)
            yield cls(folder, file, target, python=python, progress=progress, steps=steps)

    def step(self, what: str) -> None:
        """Report the step that begins."""
        self._progress(what, self._step, self._steps)
        self._step += 1

    def add_libraries(
        self, requirements: Sequence[str], files: Sequence[Path], where: str = "", own_file: Path | None = None
    ) -> None:
        """Add libraries for the target, in a subfolder; see `wheels.Wanted`."""
        self.step("fetching wheels")
        wanted = wheels.Wanted(requirements, files, self.target, self.python, own_file)
        installed = wheels.install(wanted, self.folder / where)
        self._library_folders.append(self.folder / where)
        self.libraries += installed.libraries
        self.notes += installed.notes

    def add_runtime(self, where: str, requirements: Sequence[str] = (), files: Sequence[Path] = ()) -> None:
        """Add our runtime with its requirements, and other libraries, in a subfolder."""
        required = own_runtime.required()
        try:
            self.add_libraries([*required, *requirements], files, where)
        except PackageError as error:
            if own_runtime.OPTIONAL not in str(error):
                raise
            needed = [text for text in required if not text.startswith(own_runtime.OPTIONAL)]
            self.add_libraries([*needed, *requirements], files, where)
            self.notes.append(f"without {own_runtime.OPTIONAL}, so large JSON takes longer: {error}")
        own_runtime.copy(self.folder / where)
        self._runtime = where
        self.libraries.append(own_runtime.name_and_version())

    def add_interpreter(self, where: str, conventions: Mapping[str, str] | None = None) -> None:
        """Add a Python, and a bootstrap that starts the runtime in the subfolder `where`.

        Args:
            where: the folder of the runtime.
            conventions: the conventions of handler strings, for which HANDLER_CONVENTION is then not needed.
        """
        self.step("adding the interpreter")
        self.interpreter = interpreter.add(self.target, self.folder, self.python)
        self.add_script("bootstrap", start_scripts.bootstrap_script(self.target, where, conventions or {}))

    def add_script(self, name: str, text: str) -> None:
        """Add a program that every user may run."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(archive.PROGRAM)

    def add_listing(self, where: str = "") -> None:
        """Add `installed-libs.txt`, a requirements file of what is inside."""
        inside = self.interpreter
        head = [f"# Python {inside.version}, from {inside.carrier}"] if inside else []
        (self.folder / where / LISTING).write_text("\n".join([*head, *sorted(set(self.libraries)), ""]))

    def compile(self, place: str, *, beside: bool = False) -> int:
        """Compile all modules for the place that they are unpacked to, write the start file and the plans of plugins.

        All of this needs a Python of the target's version on this machine.

        Returns:
            The number of modules that were compiled.
        """
        self.step("compiling")
        if self.python is None:
            version = self.target.python
            self.notes.append(f"not compiled: no Python {version} on this machine; without bytecode it starts slower")
            return 0
        compiled = pythons.compile_tree(self.folder, place, self.python, beside=beside)
        if self._runtime:
            pythons.write_start_file(self.folder, place, self._runtime, self.python)
        if not beside:  # plugins are not looked for inside a zip archive
            self.notes += pythons.write_plans(self._library_folders, self.python, own_runtime.home())
        return compiled

    def finish(
        self,
        compiled: int,
        sizes: archive.Sizes,
        handlers: Sequence[str] = (),
        conventions: Mapping[str, str] | None = None,
    ) -> Built:
        """Sum up; exceeded limits and an interpreter of mixed releases become notes."""
        mismatch = self.interpreter.complaint() if self.interpreter else None
        notes = [*self.notes, *sizes.complaints().values(), *([mismatch] if mismatch else [])]
        self.step("done")
        libraries = sorted(set(self.libraries))
        offers = dict(conventions or {})
        return Built(
            self.file,
            sizes,
            libraries,
            compiled,
            self.interpreter,
            notes,
            [*dict.fromkeys((*handlers, *offers))],
            offers,
        )

    def pack(self, head: bytes = b"") -> archive.Sizes:
        """Pack the folder into the output."""
        self.step("packing")
        return archive.write(self.folder, self.file, head)
