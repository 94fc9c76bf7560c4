"""Turns what lists a function's dependencies into arguments for uv: requirements files, lock files, pyproject.toml."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from runtime.package import poetry, source, uv_tool
from runtime.package.errors import PackageError
from runtime.package.target import BuildTarget

#: The files in a function's folder that list its dependencies; the first that is there is used.
OWN = ("requirements.txt", "pylock.toml", "uv.lock", "poetry.lock", "pyproject.toml")
#: Files of other tools in which dependencies are listed. The first two pin those of a pyproject.toml.
_UNREAD = ("pdm.lock", "Pipfile.lock", "Pipfile", "requirements.in", "setup.py", "environment.yml")
#: The names of lock files of the standard format: packaging.python.org/en/latest/specifications/pylock-toml.
_PYLOCK = re.compile(r"pylock\.([^.]+\.)?toml")
#: A line of a requirements file that includes another file, or that makes hashes necessary.
_INCLUDED = re.compile(r"^\s*(?:-r|--requirement)(?:\s+|=|(?=\S))(?P<file>.+?)\s*$", re.MULTILINE)
_CONSTRAINTS = re.compile(r"^\s*(?:-c|--constraint)(?:\s+|=|(?=\S))(?P<file>.+?)\s*$", re.MULTILINE)
#: A variable in such a line, as pip and uv expand it, and what shields a character of a path.
_VARIABLE, _SHIELDED = re.compile(r"\$\{([A-Z0-9_]+)\}"), re.compile(r"\\(.)|[\"']")
_HASHED = re.compile(r"(?:^|\s)--(?:hash[=\s]|require-hashes\b)")
#: More patch releases than any version of Python has had.
_MANY = 100
#: uv's exit status where a lock file does not fit its pyproject.toml.
_STALE = 1


@dataclass(frozen=True, slots=True)
class Listed:
    """Dependencies as uv takes them.

    Attributes:
        arguments: for `uv pip install`.
        folder: the folder that paths in them are relative to.
        is_locked: whether they are exactly what is to be installed, all their own dependencies included.
        note: a message for the user; "" for none.
    """

    arguments: tuple[str, ...]
    folder: Path
    is_locked: bool = False
    note: str = ""


def own_file(folder: Path) -> tuple[Path | None, str]:
    """The file in a function's folder that lists its dependencies, and a note if others could be meant.

    Raises:
        PackageError: a pyproject.toml is not valid TOML.
    """
    there = [folder / name for name in OWN if (folder / name).is_file()]
    if there and there[-1].name == "pyproject.toml" and not _is_project(there[-1]):
        there = [each for each in there if each.name not in ("pyproject.toml", "uv.lock", "poetry.lock")]
    unread = [name for name in _UNREAD if (folder / name).is_file()]
    if not there:
        return None, f"no dependencies: {', '.join(unread)} cannot be read; -r names another file" if unread else ""
    used, *others = there
    if used.name == "pyproject.toml" and unread and unread[0] in _UNREAD[:2]:
        return used, f"the dependencies are those of pyproject.toml, not the pins of {unread[0]}, which cannot be read"
    # A lock file belongs to its pyproject.toml.
    unused = [each.name for each in others if used.suffix != ".lock" or each.name != "pyproject.toml"]
    note = f"the dependencies are those of {used.name}, not of {', '.join(unused)}; -r chooses" if unused else ""
    return used, note


def _is_project(file: Path) -> bool:
    """Whether a pyproject.toml lists dependencies, and does not only configure tools."""
    content = read_toml(file)
    tools = content.get("tool")
    return "project" in content or (isinstance(tools, dict) and "poetry" in tools)


def read_toml(file: Path) -> dict[str, Any]:
    """A TOML file.

    Raises:
        PackageError: it cannot be read or is not valid.
    """
    try:
        return tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise PackageError(f"{file} is not valid TOML: {error}") from None


def listed(file: Path, target: BuildTarget, python: Path, scratch: Path, *, is_own: bool = False) -> Listed:
    """What a file lists.

    Args:
        file: a requirements file, pylock.toml, uv.lock, poetry.lock, pyproject.toml.
        target: the Python and architecture to build for.
        python: an interpreter for uv, which looks for one on this machine otherwise.
        scratch: a folder for files that uv is to read.
        is_own: whether it is the function's own file, whose paths are relative to its folder.

    Raises:
        PackageError: it cannot be read, does not fit what it belongs to, or is for another Python.
    """
    project = file.with_name("pyproject.toml")
    if file.name in ("pyproject.toml", "uv.lock", "poetry.lock"):
        if not project.is_file():
            raise PackageError(f"{file} belongs to a pyproject.toml, which is not beside it")
        if file == project and not {"project", "build-system"} & read_toml(file).keys():
            # uv would ask setuptools, which knows nothing of it.
            raise PackageError(f"{file} has no [project]; run `poetry lock`, or list the dependencies in [project]")
        _check_python(project, target)
    if file.name == "uv.lock":
        return _uv_lock(file, python, scratch)
    if file.name == "poetry.lock":
        lines = poetry.exported(read_toml(file), read_toml(project), file.parent, target)
        return Listed(("--requirement", _written(scratch, lines)), file.parent, is_locked=True)
    arguments = ("--requirement", str(file))
    if file.name == "pyproject.toml":
        return Listed(arguments, file.parent)
    if _PYLOCK.fullmatch(file.name):
        return Listed(arguments, file.parent, is_locked=True)
    folder = file.parent if is_own else Path.cwd()
    texts = {path: (text, constrains) for path, text, constrains in _files(file)}
    if not any(_HASHED.search(_without_comments(text)) for text, _ in texts.values()):
        return Listed(arguments, folder)
    # uv reads the hashes only of constraints that are named on its command line.
    constraints = (("--constraints", str(path)) for path, (_, constrains) in texts.items() if constrains)
    return Listed((*arguments, *chain.from_iterable(constraints), "--require-hashes"), folder, is_locked=True)


def _written(scratch: Path, text: str) -> str:
    with tempfile.NamedTemporaryFile("w", suffix=".txt", dir=scratch, delete=False, encoding="utf-8") as file:
        file.write(text)
    return file.name


def _check_python(project: Path, target: BuildTarget) -> None:
    content = read_toml(project)
    pythons = content["project"].get("requires-python", "") if isinstance(content.get("project"), dict) else ""
    if isinstance(pythons, str) and not allowed(pythons, target.python):
        raise PackageError(
            f"{project} requires Python {pythons}, but the archive is for Python {target.python}; pass --python"
        )


def allowed(specifiers: str, python: str) -> bool:
    """Whether a `requires-python` such as ">=3.11,<4" allows any release of a Python such as "3.13".

    Raises:
        PackageError: `specifiers` is not a version specifier.
    """
    try:
        releases = SpecifierSet(specifiers)
    except InvalidSpecifier as error:
        raise PackageError(f"requires-python must be a version specifier such as '>=3.11': {error}") from None
    return any(releases.contains(f"{python}.{patch}") for patch in range(_MANY))


def _uv_lock(file: Path, python: Path, scratch: Path) -> Listed:
    """What a uv.lock pins; one that does not fit its pyproject.toml is brought up to date in a copy, as uv does."""
    export = ("export", "--python", str(python), "--no-dev", "--no-emit-project", "--no-editable", "--no-annotate")
    note = ""
    try:
        text = uv_tool.run([*export, "--locked"], file.parent)
    except uv_tool.UvError as error:
        if error.status != _STALE:
            # uv also ends if it finds no Python that the project allows, which a frozen lock does not need.
            text = uv_tool.run([*export, "--frozen"], file.parent)
        else:
            note = "uv.lock does not fit pyproject.toml, so what differs was resolved again; run `uv lock`"
            with tempfile.TemporaryDirectory(dir=scratch) as copied:
                for each in (file, file.with_name("pyproject.toml")):
                    shutil.copy(each, copied)
                text = uv_tool.run(export, Path(copied))
    return Listed(("--requirement", _written(scratch, text)), file.parent, is_locked=True, note=note)


def _files(file: Path, seen: tuple[Path, ...] = (), *, constrains: bool = False) -> Iterator[tuple[Path, str, bool]]:
    """A requirements file and all that it includes or is constrained by: path, text, whether it is a constraint."""
    if file in seen or not file.is_file():
        return
    text = source.decoded(file.read_bytes())
    yield file, text, constrains
    expanded = _VARIABLE.sub(lambda found: os.environ.get(found[1], found[0]), text)
    for each in included(expanded):
        yield from _files(file.parent / each, (*seen, file), constrains=constrains)
    for each in included(expanded, _CONSTRAINTS):
        yield from _files(file.parent / each, (*seen, file), constrains=True)


def included(text: str, line: re.Pattern[str] = _INCLUDED) -> Iterator[str]:
    """The paths of the files that a requirements file includes; variables in them are not expanded."""
    for found in line.finditer(_without_comments(text)):
        yield _SHIELDED.sub(r"\1", found["file"])


def _without_comments(text: str) -> str:
    """The text, with a line feed at the end of each line, because `^` knows no other."""
    return re.sub(r"(^|\s)#.*", r"\1", text.replace("\r", "\n"))


def pinned(libraries: Sequence[str], scratch: Path) -> list[str]:
    """Arguments that keep libraries, as "name==version", at their versions."""
    return ["--constraints", _written(scratch, "\n".join([*libraries, ""]))] if libraries else []
