"""Writing archives that are the same each time, and unpacking them as Lambda does."""

from __future__ import annotations

import os
import stat
import zipfile
from pathlib import Path

import pytest
from support.files import write
from support.package import make_zip

from runtime.package import archive
from runtime.package.archive import LeavesFolder, Sizes
from runtime.package.errors import PackageError


def test_same_content_is_same_bytes(tmp_path: Path) -> None:
    """Neither dates, nor the order of writing, nor a stricter umask changes the archive."""
    first = write(tmp_path / "first", {"b/c.py": "c = 1", "a.py": "a = 1", "run": "#!/bin/sh"})
    second = write(tmp_path / "second", {"run": "#!/bin/sh", "a.py": "a = 1", "b/c.py": "c = 1"})
    (first / "run").chmod(0o755)
    (second / "run").chmod(0o700)
    (second / "a.py").chmod(0o600)
    os.utime(second / "a.py", (10**9, 10**9))
    archive.write(first, tmp_path / "1.zip")
    archive.write(second, tmp_path / "2.zip")
    assert (tmp_path / "1.zip").read_bytes() == (tmp_path / "2.zip").read_bytes()


def test_permissions_are_for_all(tmp_path: Path) -> None:
    """Lambda's user owns nothing: everything is readable by all, programs can be run by all."""
    folder = write(tmp_path / "f", {"a.py": "", "run": ""})
    (folder / "a.py").chmod(0o600)
    (folder / "run").chmod(0o700)
    archive.write(folder, tmp_path / "f.zip")
    with zipfile.ZipFile(tmp_path / "f.zip") as made:
        modes = {member.filename: member.external_attr >> 16 for member in made.infolist()}
    assert modes == {"a.py": stat.S_IFREG | 0o644, "run": stat.S_IFREG | 0o755}


def test_unpack_keeps_permissions(tmp_path: Path) -> None:
    """What was packed comes out as it was, run bits too."""
    folder = write(tmp_path / "f", {"d/run": "#!/bin/sh"})
    (folder / "d/run").chmod(0o755)
    archive.write(folder, tmp_path / "f.zip")
    archive.unpack(tmp_path / "f.zip", tmp_path / "out")
    assert stat.S_IMODE((tmp_path / "out/d/run").stat().st_mode) == 0o755
    assert (tmp_path / "out/d/run").read_bytes() == b"#!/bin/sh"


@pytest.mark.parametrize("name", ["../outside.py", "/outside.py", "a/../../outside.py"])
def test_unpack_stays_in_its_folder(tmp_path: Path, name: str) -> None:
    """A member that would be written elsewhere is refused, and nothing is written."""
    made = make_zip(tmp_path / "f.zip", {name: "x"})
    with pytest.raises(LeavesFolder, match="outside"):
        archive.unpack(made, tmp_path / "deep/er")
    assert not list(tmp_path.rglob("outside.py"))


def test_unpack_does_not_write_through_a_link(tmp_path: Path) -> None:
    """A link out of the folder is laid down, but no member goes through it."""
    files = {"link": str(tmp_path), "link/outside.py": "x"}
    made = make_zip(tmp_path / "f.zip", files, {"link": stat.S_IFLNK | 0o777})
    with pytest.raises(LeavesFolder):
        archive.unpack(made, tmp_path / "out")
    assert not (tmp_path / "outside.py").exists()


def test_a_link_is_refused(tmp_path: Path) -> None:
    """A folder to be packed has no links: what they name may not be there in Lambda."""
    folder = write(tmp_path / "f", {"a.py": ""})
    (folder / "b.py").symlink_to("a.py")
    with pytest.raises(PackageError, match=r"cannot pack a link: b\.py"):
        archive.write(folder, tmp_path / "f.zip")
    assert not (tmp_path / "f.zip").exists()


def test_a_failed_write_leaves_the_old_archive(tmp_path: Path) -> None:
    """An archive is replaced only by a complete one."""
    (tmp_path / "f.zip").write_bytes(b"old")
    folder = write(tmp_path / "f", {"a.py": ""})
    (folder / "b.py").symlink_to("nowhere")
    with pytest.raises(PackageError):
        archive.write(folder, tmp_path / "f.zip")
    assert (tmp_path / "f.zip").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f", "f.zip"]


def test_no_archive_is_said(tmp_path: Path) -> None:
    """A file that is no zip archive is an error with its name."""
    (tmp_path / "f.zip").write_bytes(b"not at all")
    with pytest.raises(PackageError, match=r"f\.zip is not a zip archive"):
        archive.unpack(tmp_path / "f.zip", tmp_path / "out")


MB = 1024 * 1024


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        (Sizes(50 * MB, 250 * MB, 1), []),
        (Sizes(50 * MB + 1, 250 * MB, 1), ["zipped"]),
        (Sizes(1, 250 * MB + 1, 1), ["unzipped"]),
        (Sizes(51 * MB, 251 * MB, 1), ["zipped", "unzipped"]),
    ],
)
def test_limits(sizes: Sizes, expected: list[str]) -> None:
    """Lambda's two limits are told apart, and what to do about each."""
    assert expected == list(sizes.complaints())
