"""Copies this project's own runtime into an archive, from wherever it is installed: a checkout or site-packages.

What only the `dispatch` command uses stays out: the command line, the local platform, this package.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import shutil
from pathlib import Path

from dispatch import __version__
from dispatch.discovery import DISTRIBUTION
from dispatch.shadowing import OUR_PACKAGES
from runtime.package import wheels
from runtime.package.errors import PackageError

#: The distribution as file names spell it.
STEM = DISTRIBUTION.replace("-", "_")
COMMAND_ONLY = ("runtime/cli", "runtime/local", "runtime/package", "runtime/scaffold", "runtime/testing")
#: The requirement that an archive does without if there is no wheel of it for the target.
OPTIONAL = "orjson"
#: Not entry_points.txt: the `dispatch` command that it names is left out.
METADATA = ("METADATA", "licenses")


def required() -> list[str]:
    """The requirements of the runtime without its extras, as pip takes them."""
    return wheels.without_extras(importlib.metadata.requires(DISTRIBUTION) or [])


def name_and_version() -> str:
    """This project as a line of `installed-libs.txt`."""
    return f"{DISTRIBUTION}=={__version__}"


def copy(into: Path) -> None:
    """Copy the runtime's packages and their metadata into a folder.

    Raises:
        PackageError: one of our packages is not importable.
    """
    for name in OUR_PACKAGES:
        source = _home(name)
        skipped = {source.parent / path for path in COMMAND_ONLY}
        for file in sorted(source.rglob("*")):
            if not file.is_file() or "__pycache__" in file.parts or skipped.intersection(file.parents):
                continue
            place = into / file.relative_to(source.parent)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)
    _copy_metadata(into / f"{STEM}-{__version__}.dist-info")


def home() -> Path:
    """The folder of our packages on this machine."""
    return _home("dispatch").parent


def _home(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise PackageError(f"cannot find the package {name}, which belongs into the archive; reinstall {DISTRIBUTION}")
    return Path(spec.origin).resolve().parent


def _copy_metadata(folder: Path) -> None:
    for file in importlib.metadata.files(DISTRIBUTION) or []:
        inside = file.parts[1:]
        if file.parts[0].endswith(".dist-info") and inside and inside[0] in METADATA:
            place = folder.joinpath(*inside)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(str(file.locate()), place)
