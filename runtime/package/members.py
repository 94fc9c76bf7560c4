"""Judges the members of a zip archive before anything is unpacked: names, links, sizes.

The archive may come from anybody, so nothing here costs more than its list of members, which has a limit itself.
"""

from __future__ import annotations

import os
import posixpath
import stat
import struct
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO

from runtime.package.errors import PackageError

#: What `zipfile` raises for damaged, encrypted or foreign archives, and the system for names that it does not take.
DAMAGED = (
    zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, IndexError, NotImplementedError, OSError, OverflowError,
    RuntimeError, ValueError, struct.error,
)  # fmt: skip

#: A longer list of members takes too long to check; 8 MiB are some 80,000 members.
MAX_DIRECTORY = 8 * 1024 * 1024
#: Linux's limits for a path and for one name in it, in bytes (limits.h), and a depth that no archive for Lambda has.
_MAX_PATH, _MAX_NAME, _MAX_DEPTH = 4095 - 1024, 255, 100
#: More folders, and more bytes of all destinations of links, than any archive for Lambda has.
_MAX_FOLDERS, _MAX_DESTINATIONS = 50_000, 1024 * 1024
#: As many links as Linux follows for one path (path_resolution(7)).
_MAX_LINKS = 40
#: The records at the end of an archive: APPNOTE.TXT, 4.3.14 to 4.3.16.
_END, _END64, _LOCATOR = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_LONGEST_END = 22 + 65535
#: The compressions that every unpacker knows. Those of `zipfile` beyond them may need 4 GB of memory.
_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True, slots=True)
class Members:
    """The members of an archive.

    Attributes:
        infos: all of them, as `zipfile` lists them.
        links: the destinations of links, as they are written.
        outside: the names of those that would be written outside the folder that the archive is unpacked to.
        places: the names of all members, and of the folders that they are in.
    """

    infos: tuple[zipfile.ZipInfo, ...]
    links: Mapping[str, str]
    outside: tuple[str, ...]
    places: frozenset[str]

    @property
    def unzipped(self) -> int:
        """The bytes of all files, as the list of members states them."""
        return sum(info.file_size for info in self.infos if not info.is_dir())

    def leads_to(self, link: str) -> str | None:
        """The file or folder in the archive that a link leads to; None if it leads out of it or to nothing."""
        for _ in range(_MAX_LINKS):
            destination = self.links.get(link)
            if destination is None:
                return link if link in self.places else None
            joined = posixpath.normpath(posixpath.join(posixpath.dirname(link), destination))
            if not destination or "\0" in joined or joined.startswith(("/", "..")):
                return None
            link = joined
        return None


def _places(infos: tuple[zipfile.ZipInfo, ...], file: Path) -> frozenset[str]:
    names = {info.filename.rstrip("/") for info in infos}
    folders = {"."}
    for name in names:
        for folder in takewhile(lambda each: each not in folders, _folders(name)):
            folders.add(folder)
        if len(folders) > _MAX_FOLDERS:
            raise not_unpackable(file, f"it has more than {_MAX_FOLDERS} folders")
    return frozenset(names | folders)


def _folders(name: str) -> Iterator[str]:
    while (above := posixpath.dirname(name)) not in ("", name):
        yield above
        name = above


def read(file: Path) -> Members:
    """The members of an archive.

    Raises:
        PackageError: the file is not a zip archive, or one that cannot be unpacked.
    """
    try:
        with file.open("rb") as raw:
            _check_directory(raw, file)
        with zipfile.ZipFile(file) as archive:
            infos = tuple(archive.infolist())
            for info in infos:
                _check_name(info, file)
            _check_overlaps(infos, file)
            places = _places(infos, file)
            links = _links(archive, infos, file)
    except DAMAGED as error:
        raise not_unpackable(file, error) from None
    # Of two members with one name, the second counts.
    kinds = {info.filename: _is_link(info) for info in infos}
    links = {name: destination for name, destination in links.items() if kinds[name]}
    outside = [info.filename for info in infos if _leaves(info.filename, links)]
    return Members(infos, links, tuple(outside), places)


def not_unpackable(file: Path, reason: object) -> PackageError:
    """The error for an archive that cannot be unpacked."""
    return PackageError(f"{file} is not a zip archive that can be unpacked: {reason or type(reason).__name__}")


def _check_directory(raw: BinaryIO, file: Path) -> None:
    """Refuse an archive whose list of members is too large to be read."""
    size = raw.seek(0, os.SEEK_END)
    raw.seek(max(0, size - _LONGEST_END))
    tail = raw.read(_LONGEST_END)
    place = tail.rfind(_END)
    if place < 0 or len(tail) - place < 22:
        return  # `zipfile` reports it
    directory = int.from_bytes(tail[place + 12 : place + 16], "little")
    locator = tail[max(0, place - 20) : place]
    if locator.startswith(_LOCATOR):
        raw.seek(min(int.from_bytes(locator[8:16], "little"), size))
        record = raw.read(56)
        # Behind bytes that precede the archive, `zipfile` looks for the record just before its locator.
        if not record.startswith(_END64):
            record = tail[max(0, place - 76) : max(0, place - 20)]
        directory = max(int.from_bytes(record[40:48], "little"), directory % 0xFFFFFFFF)
    if min(directory, size) > MAX_DIRECTORY:
        raise not_unpackable(file, f"its list of members has {directory} bytes, more than {MAX_DIRECTORY}")


def _check_name(info: zipfile.ZipInfo, file: Path) -> None:
    name = info.filename.encode("utf-8", "surrogatepass")
    parts = name.split(b"/")
    if len(name) > _MAX_PATH or len(parts) > _MAX_DEPTH or max(map(len, parts)) > _MAX_NAME:
        raise not_unpackable(file, f"the name {info.filename[:40]!r}… is too long")
    if info.compress_type not in _COMPRESSIONS:
        raise not_unpackable(file, f"{info.filename} is compressed in another way than deflate")


def _check_overlaps(infos: tuple[zipfile.ZipInfo, ...], file: Path) -> None:
    """Refuse members that share bytes, by which a small archive unpacks to a large one."""
    end = 0
    for info in sorted(infos, key=lambda info: info.header_offset):
        if info.header_offset < end:
            raise not_unpackable(file, f"{info.filename} overlaps another member")
        end = info.header_offset + 30 + info.compress_size


def _is_link(info: zipfile.ZipInfo) -> bool:
    return stat.S_ISLNK(info.external_attr >> 16) and not info.is_dir()


def _links(archive: zipfile.ZipFile, infos: tuple[zipfile.ZipInfo, ...], file: Path) -> dict[str, str]:
    links: dict[str, str] = {}
    size = 0
    for info in filter(_is_link, infos):
        links[info.filename] = _destination(archive, info)
        size += len(links[info.filename])
        if size > _MAX_DESTINATIONS:
            raise not_unpackable(file, f"the destinations of its links have more than {_MAX_DESTINATIONS} bytes")
    return links


def _destination(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> str:
    with archive.open(info) as content:
        return content.read(_MAX_PATH).decode("utf-8", "backslashreplace")


def _leaves(name: str, links: Mapping[str, str]) -> bool:
    """Whether a member is named absolutely, by a `..`, or as something below a link."""
    parts = name.split("/")
    below_link = bool(links) and any(folder in links for folder in _folders(name.rstrip("/")))
    return name.startswith("/") or ".." in parts or below_link
