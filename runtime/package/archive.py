"""Writes a folder as a zip archive, the same bytes for the same content, and unpacks one the way Lambda does."""

from __future__ import annotations

import os
import stat
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from runtime.package.errors import PackageError
from runtime.package.target import MAX_UNZIPPED, MAX_ZIPPED

# The first moment that a zip archive can express: nothing of the building machine's clock goes in.
EPOCH = (1980, 1, 1, 0, 0, 0)
# Lambda runs a function as a user that owns nothing: files are to be readable, and executable where they were, by all.
FILE, PROGRAM = 0o644, 0o755

_UNIX = 3


class LeavesFolder(PackageError):
    """A member of an archive would be written outside the folder that it is unpacked to."""

    def __init__(self, file: Path, member: str) -> None:
        super().__init__(f"{file.name} has a member that would leave the folder: {member}")
        self.member = member


@dataclass(frozen=True, slots=True)
class Sizes:
    """What an archive weighs, in bytes, and how many files it has."""

    zipped: int
    unzipped: int
    files: int

    def complaints(self) -> dict[str, str]:
        """Which of Lambda's limits are passed, by the size that passes it: "zipped", "unzipped"."""
        found = {}
        if self.zipped > MAX_ZIPPED:
            found["zipped"] = (
                f"{megabytes(self.zipped)} zipped is over the {megabytes(MAX_ZIPPED)} "
                "that a direct upload takes: publish it by way of a bucket (--bucket)"
            )
        if self.unzipped > MAX_UNZIPPED:
            found["unzipped"] = (
                f"{megabytes(self.unzipped)} unzipped is over the {megabytes(MAX_UNZIPPED)} "
                "that a function and its layers may have together: use a container image"
            )
        return found


def megabytes(count: int) -> str:
    """A number of bytes for people."""
    return f"{count / 1024 / 1024:.1f} MB"


def check_replaceable(file: Path) -> None:
    """Leave alone what is no archive, or a wheel: it may be what an archive is to be made of.

    Raises:
        PackageError: something else is at the place of an archive to be.
    """
    if os.path.exists(file) and not (file.is_file() and _is_replaceable(file)):
        raise PackageError(
            f"{file} is there, and is no zip archive: it stays as it is; name another file by -o, or remove this one"
        )


def _is_replaceable(file: Path) -> bool:
    return file.suffix != ".whl" and (not file.stat().st_size or zipfile.is_zipfile(file))


def is_ours(file: Path) -> bool:
    """Whether it is an archive whose members all have the date and the permissions that we give them."""
    attributes = {(stat.S_IFREG | mode) << 16 for mode in (FILE, PROGRAM)}
    try:
        with zipfile.ZipFile(file) as archive:
            # The date alone is numpy's, too, in its .npz files.
            return all(each.date_time == EPOCH and each.external_attr in attributes for each in archive.infolist())
    except (zipfile.BadZipFile, OSError):
        return False


def write(folder: Path, file: Path, head: bytes = b"", stored: Collection[str] = ()) -> Sizes:
    """Write everything below a folder as a zip archive: sorted names, one date, two kinds of permissions.

    Args:
        folder: what to pack; its own name is not in the archive.
        file: the archive to make; an existing one is replaced when the new one is complete.
        head: bytes before the archive, such as the first line of a .pyz.
        stored: the members that are not to be compressed.

    Raises:
        PackageError: there is a link in the folder, or the file can't be written.
    """
    paths = sorted(path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())
    links = [path for path in paths if path.is_symlink()]
    if links:
        raise PackageError(f"{links[0].relative_to(folder)} is a link, which an archive for Lambda can't have")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with _whole(file) as raw:
            raw.write(head)
            with zipfile.ZipFile(raw, "w") as archive:
                for path in paths:
                    archive.writestr(_entry(path, folder, stored), path.read_bytes())
    except OSError as error:
        raise PackageError(f"{file} can't be written: {error.strerror or error}") from error
    return sizes(file)


@contextmanager
def _whole(file: Path) -> Iterator[IO[bytes]]:
    """A file to write that takes its place only when it is complete."""
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with partial.open("wb") as raw:
            yield raw
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def _entry(path: Path, folder: Path, stored: Collection[str]) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), EPOCH)
    entry.create_system = _UNIX
    entry.compress_type = zipfile.ZIP_STORED if entry.filename in stored else zipfile.ZIP_DEFLATED
    mode = PROGRAM if path.stat().st_mode & stat.S_IXUSR else FILE
    entry.external_attr = (stat.S_IFREG | mode) << 16
    return entry


def sizes(file: Path) -> Sizes:
    """What an archive weighs."""
    with zipfile.ZipFile(file) as archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        return Sizes(
            file.stat().st_size,
            sum(member.file_size for member in members),
            len(members),
        )


def unpack(file: Path, into: Path) -> None:
    """Unpack an archive with its permissions, which the standard library's own extraction leaves out.

    Raises:
        LeavesFolder: a member would be written elsewhere.
        PackageError: it is no zip archive, or a damaged one.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            for member in archive.infolist():
                _unpack(archive, member, file, into)
    # RuntimeError if it is encrypted, OSError if a file of it is a folder of it as well.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError) as error:
        raise PackageError(f"{file} is not a zip archive that can be unpacked: {error}") from None


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, file: Path, into: Path) -> None:
    path = into / member.filename
    if not path.resolve().is_relative_to(into.resolve()):
        raise LeavesFolder(file, member.filename)
    mode = member.external_attr >> 16
    if member.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if stat.S_ISLNK(mode):
        path.symlink_to(archive.read(member).decode())
        return
    path.write_bytes(archive.read(member))
    path.chmod(stat.S_IMODE(mode) or FILE)
