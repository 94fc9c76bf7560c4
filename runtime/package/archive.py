"""Writes a folder as a zip archive, equal content as equal bytes, and unpacks one the way Lambda does."""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from runtime.package import members
from runtime.package.errors import PackageError
from runtime.package.members import Members
from runtime.package.target import MAX_UNZIPPED, MAX_ZIPPED

#: The earliest date that a zip archive can hold, so that no clock shows in the archive.
EPOCH = (1980, 1, 1, 0, 0, 0)
#: Permissions of files and of programs: Lambda runs a function as a user that owns none of them.
FILE, PROGRAM = 0o644, 0o755

#: The number of Unix among the systems that a member may come from (APPNOTE.TXT, 4.4.2).
UNIX = 3
_BLOCK = 1 << 16


class LeavesFolder(PackageError):
    """A member of an archive would be written outside the folder that the archive is unpacked to."""

    def __init__(self, file: Path, member: str) -> None:
        super().__init__(f"{file.name} has a member outside the folder that it is unpacked to: {member}")
        self.member = member


@dataclass(frozen=True, slots=True)
class Sizes:
    """The size of an archive, zipped and unzipped, in bytes, and the number of its files."""

    zipped: int
    unzipped: int
    files: int

    def complaints(self) -> dict[str, str]:
        """A message for each limit of Lambda's that is exceeded, by the size that exceeds it: "zipped", "unzipped"."""
        found = {}
        if self.zipped > MAX_ZIPPED:
            found["zipped"] = (
                f"{megabytes(self.zipped)} zipped exceeds the {megabytes(MAX_ZIPPED)} limit of a direct upload; "
                "publish with --bucket"
            )
        if self.unzipped > MAX_UNZIPPED:
            found["unzipped"] = (
                f"{megabytes(self.unzipped)} unzipped exceeds the {megabytes(MAX_UNZIPPED)} limit of a function "
                "with its layers; use a container image"
            )
        return found


def megabytes(count: int) -> str:
    """A number of bytes in words."""
    return f"{count / 1024 / 1024:.1f} MB"


def check_replaceable(file: Path) -> None:
    """Refuse to replace a wheel, or a file that is not an archive: it may be an input of the build.

    Raises:
        PackageError: such a file, or a folder, is at the output's path.
    """
    if os.path.exists(file) and not (file.is_file() and _is_replaceable(file)):
        raise PackageError(
            f"{file} is a wheel or not a zip archive, and stays as it is; pass another file with -o, or remove this one"
        )


def _is_replaceable(file: Path) -> bool:
    return file.suffix != ".whl" and (not file.stat().st_size or zipfile.is_zipfile(file))


def is_ours(file: Path) -> bool:
    """Whether all members of an archive have the date and the permissions that `write` gives them."""
    attributes = {(stat.S_IFREG | mode) << 16 for mode in (FILE, PROGRAM)}
    try:
        with zipfile.ZipFile(file) as archive:
            # numpy gives its .npz files the same date.
            return all(each.date_time == EPOCH and each.external_attr in attributes for each in archive.infolist())
    except (zipfile.BadZipFile, OSError):
        return False


def write(folder: Path, file: Path, head: bytes = b"", stored: Collection[str] = ()) -> Sizes:
    """Pack everything below a folder: sorted names, one date, two kinds of permissions.

    Args:
        folder: the folder to pack; its own name is not in the archive.
        file: the archive to make; an existing one is replaced once the new one is complete.
        head: bytes that come before the archive, such as the first line of a .pyz.
        stored: names of members that stay uncompressed.

    Raises:
        PackageError: the folder has a link in it or a name that is not UTF-8, or the file cannot be written.
    """
    paths = sorted(path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())
    links = [path for path in paths if path.is_symlink()]
    if links:
        raise PackageError(
            f"cannot pack a link: {links[0].relative_to(folder)}; an archive for Lambda holds only files"
        )
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with _whole(file) as raw:
            raw.write(head)
            with zipfile.ZipFile(raw, "w") as archive:
                for path in paths:
                    with path.open("rb") as content, archive.open(_entry(path, folder, stored), "w") as member:
                        shutil.copyfileobj(content, member, _BLOCK)
    except OSError as error:
        raise PackageError(f"cannot write {file}: {error.strerror or error}") from error
    except UnicodeEncodeError as error:
        raise PackageError(f"a file name is not UTF-8: {error.object!r}; rename it") from None
    return sizes(file)


@contextmanager
def _whole(file: Path) -> Iterator[IO[bytes]]:
    """A file to write to, which appears under its name only once it is complete."""
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with partial.open("wb") as raw:
            yield raw
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def _entry(path: Path, folder: Path, stored: Collection[str]) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), EPOCH)
    entry.create_system = UNIX
    entry.compress_type = zipfile.ZIP_STORED if entry.filename in stored else zipfile.ZIP_DEFLATED
    status = path.stat()
    entry.file_size = status.st_size
    mode = PROGRAM if status.st_mode & stat.S_IXUSR else FILE
    entry.external_attr = (stat.S_IFREG | mode) << 16
    return entry


def sizes(file: Path) -> Sizes:
    """The sizes of an archive."""
    with zipfile.ZipFile(file) as archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        return Sizes(
            file.stat().st_size,
            sum(member.file_size for member in members),
            len(members),
        )


def unpack(file: Path, into: Path) -> Members:
    """Unpack an archive with its permissions and links, which `zipfile` drops; links out of it are left out.

    Raises:
        LeavesFolder: a member would be written outside the folder.
        PackageError: the file is not a zip archive, or a damaged one.
    """
    found = members.read(file)
    if found.outside:
        raise LeavesFolder(file, found.outside[0])
    try:
        with zipfile.ZipFile(file) as archive:
            for member in found.infos:
                if member.filename not in found.links:
                    _unpack(archive, member, into)
        for link, destination in found.links.items():
            if found.leads_to(link) is not None:
                (into / link).parent.mkdir(parents=True, exist_ok=True)
                (into / link).symlink_to(destination)
    except (*members.DAMAGED, zlib.error) as error:
        raise members.not_unpackable(file, error) from None
    return found


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, into: Path) -> None:
    path = into / member.filename
    if member.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    # In blocks, because a member may be larger than it states; `zipfile` ends at the size that is stated.
    with archive.open(member) as content, path.open("wb") as file:
        shutil.copyfileobj(content, file, _BLOCK)
    # This user must be able to read it, whoever the member is meant for.
    path.chmod((member.external_attr >> 16 & 0o777 or FILE) | stat.S_IRUSR | stat.S_IWUSR)
