"""The folder of a function's code or of a layer, wherever a template says that it is."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from runtime.local.config.parameters import Unknown
from runtime.local.config.template_file import TemplateError, section
from runtime.local.config.values import shown

#: Bytes of an archive's files, Lambda's limit for a function with its layers (AWS documentation, Lambda quotas).
UNPACKED_LIMIT: Final = 262_144_000
#: The file of code that is in the template itself.
INLINE_FILE: Final = "index.py"

#: Temporary folders, which are removed when the process ends.
_unpacked: list[TemporaryDirectory[str]] = []


def local_path(written: str, folder: Path) -> Path:
    """Return a path of a template as an absolute one.

    Raises:
        TemplateError: there is no such file or folder, or it is not on this machine.
    """
    if "://" in written:
        raise TemplateError(f"it is not on this machine: {written}")
    try:
        path = (folder / written).resolve()
        exists = path.exists()
    except (OSError, ValueError, RuntimeError) as error:  # a name that is too long; a null character; a circle of links
        raise TemplateError(f"the path cannot be used: {shown(written)}") from error
    if not exists:
        raise TemplateError(f"no such file or folder: {path}")
    return path


def asset(resource: Mapping[str, Any], *properties: str) -> str | None:
    """Return the path that AWS CDK writes beside a resource for one of these properties."""
    metadata = section(resource, "Metadata")
    path, of = metadata.get("aws:asset:path"), metadata.get("aws:asset:property")
    return path if isinstance(path, str) and (of is None or of in properties) else None


def code_folder(code: Any, folder: Path, files: set[Path]) -> Path:
    """Return the folder with the code.

    Args:
        code: a path to a folder, a file or a zip archive; or the mapping that CloudFormation has.
        folder: the template's own.
        files: gets each archive that was unpacked.

    Raises:
        TemplateError: the code is not on this machine.
    """
    if isinstance(code, dict) and isinstance(code.get("ZipFile"), str):
        return _inline(code["ZipFile"])
    if isinstance(code, Unknown):
        raise TemplateError(f"it is not known here: {code}")
    if not isinstance(code, str):
        raise TemplateError(f"it is not on this machine: {shown(code)}")
    path = local_path(code, folder)
    if path.is_dir():
        return path
    if not path.is_file():
        raise TemplateError(f"neither a file nor a folder: {path}")
    if not zipfile.is_zipfile(path):
        if path.suffix == ".zip":
            raise TemplateError(f"not a zip archive: {path}")
        return path.parent
    files.add(path)
    found = path.stat()
    return _unpack(path, found.st_mtime_ns, found.st_size)


@cache
def _unpack(path: Path, _time: int, _size: int) -> Path:
    target = new_folder()
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > UNPACKED_LIMIT:
                raise TemplateError(f"{path} has more than {UNPACKED_LIMIT} bytes in it, which Lambda refuses")
            for member in members:
                written = Path(archive.extract(member, target))
                if stat.S_ISREG(member.external_attr >> 16):
                    written.chmod(stat.S_IMODE(member.external_attr >> 16) | stat.S_IRUSR)
    # What zipfile raises for archives that are damaged, encrypted or compressed in another way.
    except (OSError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, TemplateError):
            raise
        reason = error.strerror if isinstance(error, OSError) else error
        raise TemplateError(f"{path} cannot be unpacked: {reason}") from error
    return target


@cache
def _inline(source: str) -> Path:
    folder = new_folder()
    try:
        (folder / INLINE_FILE).write_text(source, encoding="utf-8", errors="surrogatepass")
    except OSError as error:
        raise TemplateError(f"it cannot be written into a temporary folder: {error}") from error
    return folder


def new_folder() -> Path:
    """Make a folder that is removed when the process ends.

    Raises:
        TemplateError: the system has no place for one.
    """
    try:
        made = TemporaryDirectory(prefix="dispatch-")
    except OSError as error:
        raise TemplateError(f"there is no room for a temporary folder: {error}") from error
    _unpacked.append(made)
    return Path(made.name)
