"""Fills in templates and writes a project's files into a folder of their own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Final

#: The folder of all templates.
TEMPLATES: Final = Path(__file__).parent / "templates"

_SUFFIX: Final = ".tmpl"


class ScaffoldError(Exception):
    """A project that cannot be created; the message gives the problem and the remedy."""


class BadName(ScaffoldError):
    """A name that a project cannot have."""


class _Template(Template):
    """A template, with a delimiter that neither shells nor workflows nor Python use."""

    delimiter = "%%"


def fill_in(folder: Path, values: Mapping[str, str]) -> dict[str, str]:
    """The text of each file in a folder of templates, by its path in the project."""
    files = {}
    for file in sorted(folder.rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            path = _Template(file.relative_to(folder).as_posix().removesuffix(_SUFFIX)).substitute(values)
            files[path] = _Template(file.read_text(encoding="utf-8")).substitute(values)
    return dict(sorted(files.items()))


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Write a project's files; one that begins with `#!` becomes executable.

    Raises:
        ScaffoldError: the folder has files already, or cannot be written.
    """
    try:
        folder.mkdir(exist_ok=True)
        if any(folder.iterdir()):
            raise ScaffoldError(f"the folder is not empty: {folder.name}; pass another name, or remove its files")
        for path, text in files.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            if text.startswith("#!"):
                file.chmod(0o755)
    except FileExistsError:
        raise ScaffoldError(f"not a folder: {folder.name}; pass another name, or remove this file") from None
    except OSError as error:
        raise ScaffoldError(
            f"cannot write to {folder}: {error.strerror}; change to a folder that you can write to"
        ) from error
