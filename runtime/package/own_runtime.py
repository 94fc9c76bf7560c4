"""Puts this project's own runtime into an archive, from wherever it is installed: a checkout or site-packages.

What only the `dispatch` command uses stays out: the command line, the local platform, this package.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
from pathlib import Path

from runtime.package.errors import PackageError

DISTRIBUTION = "handler-dispatch"
PACKAGES = ("conventions", "dispatch", "runtime")
LEFT_OUT = ("runtime/cli", "runtime/local", "runtime/package")
# entry_points.txt stays out too: the `dispatch` command that it names is not there.
METADATA = ("METADATA", "licenses")


def requirements() -> list[str]:
    """What the runtime requires, without its extras, as pip takes it."""
    listed = importlib.metadata.requires(DISTRIBUTION) or []
    return [requirement for requirement in listed if "extra ==" not in requirement]


def name_and_version() -> str:
    """This project as a line of `installed-libs.txt`."""
    return f"{DISTRIBUTION}=={importlib.metadata.version(DISTRIBUTION)}"


def copy(into: Path) -> None:
    """Lay out the runtime's packages and their metadata in a folder.

    Raises:
        PackageError: a package of ours can't be found, or something else has its name.
    """
    for name in PACKAGES:
        source = _home(name)
        skipped = {source.parent / path for path in LEFT_OUT}
        for file in sorted(source.rglob("*")):
            if not file.is_file() or "__pycache__" in file.parts or skipped.intersection(file.parents):
                continue
            place = into / file.relative_to(source.parent)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)
    _copy_metadata(into)


def _home(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise PackageError(
            f"the package {name} of {DISTRIBUTION} is not importable, so it can't be put into an archive"
        )
    return Path(spec.origin).resolve().parent


def _copy_metadata(into: Path) -> None:
    version = importlib.metadata.version(DISTRIBUTION)
    folder = into / f"{DISTRIBUTION.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True, exist_ok=True)
    for file in importlib.metadata.files(DISTRIBUTION) or []:
        inside = file.parts[1:]
        if file.parts[0] == folder.name and inside and inside[0] in METADATA:
            place = folder.joinpath(*inside)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(file.locate()), place)
