"""`dispatch build check` on archives of strangers: bounded in time and memory, and never a traceback."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest
from support.hostile import LINK, real_object
from support.package import make_zip

from runtime.package import check as checks
from runtime.package import check_syntax, elf, source
from runtime.package.errors import PackageError

CASES = Path(__file__).parent / "cases/archives"
APP = {"app.py": "def handler(event, context): ...\n"}


def found(file: Path, **known: Any) -> list[str]:
    """The findings, as "level check where"."""
    return [f"{each.level} {each.check} {each.where}" for each in checks.check_archive(file, **known).findings]


@pytest.mark.parametrize(
    "name",
    ["x-1.dist-info/WHEEL", "x-1.dist-info/RECORD", "x-1.dist-info/METADATA", "requirements.txt", "lib.so", "b.py"],
)
@pytest.mark.parametrize("destination", ["/dev/zero", "/etc/passwd", "../../../../../../../dev/zero"])
def test_a_link_out_of_the_archive(tmp_path: Path, name: str, destination: str) -> None:
    """It is reported, and what it leads to is not opened: /dev/zero would never end."""
    file = make_zip(tmp_path / "a.zip", {**APP, name: destination}, {name: LINK})
    report = checks.check_archive(file, handler="b.handler")
    assert f"link out of the archive, to {destination}" in [each.message for each in report.findings]
    assert "root" not in str(report.findings)


@pytest.mark.parametrize(
    ("links", "expected"),
    [
        ({"a": b"\xff\xfe"}, ["error links a"]),
        ({"a": b"x\0y"}, ["error links a"]),
        ({"a": b""}, ["error links a"]),
        ({"a": b"a"}, ["error links a"]),
        ({"a": b"b", "b": b"a"}, ["error links a", "error links b"]),
        ({"a": b"x" * 10_000}, ["error links a"]),
        ({"a": b"/app.py"}, ["error links a"]),
        ({"a": b"b", "b": b"d/../app.py"}, []),
        ({"d/a": b"../app.py"}, []),
        ({"a": b".", "app.py": b"a/lib.py"}, ["error links app.py"]),
        ({"a": b"app.py/"}, []),
    ],
)
def test_destinations_of_links(tmp_path: Path, links: dict[str, bytes], expected: list[str]) -> None:
    """Only those that lead to something in the archive are followed."""
    file = make_zip(tmp_path / "a.zip", {**APP, **links}, dict.fromkeys(links, LINK))
    assert expected == found(file)


def bomb(folder: Path, size: int, stated: int) -> Path:
    """An archive with a file of a size, of which it states another."""
    file = folder / "bomb.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("app.py", "x = 1")
        with archive.open("zeros", "w") as member:
            for _ in range(size // 2**20):
                member.write(bytes(2**20))
    content = bytearray(file.read_bytes())
    place = content.rindex(b"PK\1\2") + 24
    content[place : place + 4] = stated.to_bytes(4, "little")
    file.write_bytes(content)
    return file


def test_a_bomb(tmp_path: Path) -> None:
    """The sizes that it states are judged first, and no more than these are unpacked, within little memory."""
    assert ["error limits "] == found(bomb(tmp_path, 2**20, 2**31))
    file = bomb(tmp_path, 32 * 2**20, 1000)
    tracemalloc.start()
    try:
        with pytest.raises(PackageError, match="can be unpacked: Bad CRC-32"):
            checks.check_archive(file)
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    finally:
        tracemalloc.stop()


def test_a_list_of_members_that_is_too_long(tmp_path: Path) -> None:
    """Its size is judged before it is read, whichever of the two formats has it."""
    file = make_zip(tmp_path / "a.zip", APP)
    with file.open("r+b") as raw:
        end = raw.read()
        raw.truncate(2**30)  # with a hole
        raw.seek(2**30)
        raw.write(end[-22:-10] + (2**30 - 100).to_bytes(4, "little") + end[-6:])
    with pytest.raises(PackageError, match="its list of members has"):
        checks.check_archive(file)
    with file.open("r+b") as raw:
        raw.seek(2**30)
        raw.write(b"PK\6\6" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, 1, 1, 2**29, 0))
        raw.write(b"PK\6\7" + struct.pack("<IQI", 0, 2**30, 1) + end[-22:-10] + b"\xff" * 8 + b"\0\0")
    with pytest.raises(PackageError, match="its list of members has"):
        checks.check_archive(file)


def test_folders_and_links_that_are_too_many(tmp_path: Path) -> None:
    """A list of members of 8 MB may name millions of folders, and links lead on to others, 40 times each."""
    folders = {f"{number}/" + "d/" * 97 + "f": "" for number in range(600)}
    with pytest.raises(PackageError, match="more than 50000 folders"):
        checks.check_archive(make_zip(tmp_path / "a.zip", {**APP, **folders}))
    links = {f"l{number}": "x/../" * 600 + f"l{number + 1}" for number in range(400)}
    with pytest.raises(PackageError, match="destinations of its links"):
        checks.check_archive(make_zip(tmp_path / "a.zip", {**APP, **links}, dict.fromkeys(links, LINK)))


def test_shared_objects_share_what_may_be_read(tmp_path: Path) -> None:
    """Many damaged ones take no longer than one archive may take."""
    (tmp_path / "x.so").write_bytes(real_object())
    budget = elf.Budget()
    before = budget.left
    assert elf.Binary.read(tmp_path / "x.so", budget)
    assert budget.left < before
    assert elf.Binary.read(tmp_path / "x.so", elf.Budget(1000)) is None


@pytest.mark.parametrize("name", ["n" * 256, "d/" * 101 + "f", "é" * 130, "a/" + "n" * 4000])
def test_a_name_that_is_too_long(tmp_path: Path, name: str) -> None:
    """No system would unpack it."""
    with pytest.raises(PackageError, match="too long"):
        checks.check_archive(make_zip(tmp_path / "a.zip", {**APP, name: ""}))


def test_what_overlaps_or_is_packed_in_another_way(tmp_path: Path) -> None:
    """A small archive whose members share bytes is large; other compressions may need 4 GB of memory."""
    file = make_zip(tmp_path / "a.zip", {**APP, "b.py": "x"})
    content = bytearray(file.read_bytes())
    place = content.rindex(b"PK\1\2")
    content[place + 42 : place + 46] = bytes(4)
    file.write_bytes(content)
    with pytest.raises(PackageError, match="overlaps"):
        checks.check_archive(file)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("app.py", "x = 1")
    with pytest.raises(PackageError, match="another way than deflate"):
        checks.check_archive(file)


@pytest.mark.parametrize(
    ("damage", "level"),
    [((0x28, 8), "error"), ((0x3C, 2), "error"), ((0x20, 8), ""), ((4, 2), "error")],
)
def test_a_damaged_shared_object(tmp_path: Path, damage: tuple[int, int], level: str) -> None:
    """Sizes and offsets that lead in circles end; the file is reported where it cannot be read."""
    content = bytearray(real_object())
    place, size = damage
    content[place : place + size] = b"\xff" * size
    got = found(make_zip(tmp_path / "a.zip", {**APP, "x.so": bytes(content)}))
    assert ([f"{level} libraries x.so"] if level else []) == got


def test_a_shared_object_that_was_never_read_to_its_end() -> None:
    """A real one with one byte changed: the library that reads it follows the table of versions in a circle."""
    command = [sys.executable, "-m", "runtime.cli", "build", "check", str(CASES / "damaged-elf.zip"), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert "x.so" in [each["where"] for each in json.loads(done.stdout)["findings"]]


def test_tables_of_a_shared_object_in_a_circle(tmp_path: Path) -> None:
    """A table of versions without an end, and one of names without one, are read for a while only."""
    for seed in range(12):
        content = bytearray(real_object())
        start = content.find(b"GLIBC_2.2.5\0") if seed % 2 else 64
        for place in range(start + seed, min(start + 2000, len(content)), 40 + seed):
            content[place] = 0xFF if seed % 3 else 0
        (tmp_path / "x.so").write_bytes(content)
        elf.Binary.read(tmp_path / "x.so")


DEEP = {
    "brackets": "(" * 50_000 + ")" * 50_000,
    "attributes": "x = a" + ".b" * 5000,
    "signs": "x = " + "-" * 50_000 + "1",
    "branches": "if a: pass\n" + "elif b: pass\n" * 5000,
    "calls": "def handle(event, context): return event" + ".body()" * 5000,
}


@pytest.mark.parametrize("kind", DEEP)
def test_deep_source(tmp_path: Path, kind: str) -> None:
    """Whatever the syntax tree is like, there is a report."""
    file = make_zip(tmp_path / "a.zip", {"handler.py": DEEP[kind]})
    for handler in ("handler.handle", "handler.py"):
        checks.check_archive(file, handler=handler, python="3.11")


@pytest.mark.parametrize(
    "text",
    [
        "x = [" + "a < a < a < a, " * 100_000 + "]",
        "".join(f"{' ' * n}try: a\n{' ' * n}finally:\n" for n in range(20)) + " " * 20 + "b",
    ],
    ids=["large", "nested"],
)
def test_what_takes_too_much_memory_is_not_compiled(tmp_path: Path, text: str) -> None:
    """The compiler may need gigabytes for a few lines; a warning says what was not compiled, and the rest is."""
    file = make_zip(tmp_path / "a.zip", {"app.py": text, "pkg/__init__.py": "", "pkg/other.py": "def"})
    assert ["error syntax pkg/other.py", "warning syntax app.py"] == found(file, kind="function")


def test_what_takes_too_long_is_not_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The handler's module is compiled first; one warning says how many were left."""
    monkeypatch.setattr(check_syntax, "_LONGEST", 1)
    slow = f"f({','.join(f'a{number}=a' for number in range(50_000))})"
    file = make_zip(tmp_path / "a.zip", {"a.py": slow, "b.py": "", "c.py": "return"})
    report = checks.check_archive(file, handler="c.py")
    warning, error = report.findings[1], report.findings[0]
    assert ("c.py", "a.py") == (error.where, warning.where)
    assert "2 modules" in warning.message


def test_large_source_is_not_parsed(tmp_path: Path) -> None:
    """A syntax tree needs hundreds of times the memory of its source, so a large module may have any handler."""
    text = "x\n" * (source.MAX_SOURCE // 2 + 1)
    assert found(make_zip(tmp_path / "a.zip", {"app.py": text}), handler="app.y") == []


@pytest.mark.parametrize(
    ("files", "known", "expected"),
    [
        ({"requests/__init__.py": "X=1"}, {"kind": "layer"}, ["error layout requests/__init__.py"]),
        ({"requests/__init__.py": "X=1"}, {}, ["error layout requests"]),
        ({"src/app.py": "X=1", "src/b.py": ""}, {"kind": "layer"}, ["error layout src/app.py"]),
        ({"pkg/app.py": APP["app.py"], "pkg/__init__.py": ""}, {}, []),
        ({"python\\lib.py": "", "python\\b.py": ""}, {}, ["error layout python\\lib.py"]),
        ({"python/lib/python3.11/site-packages/x.py": ""}, {"python": "3.13"}, ["error layout python/lib/python3.11"]),
        ({"python/lib/python3.13/site-packages/x.py": ""}, {"python": "3.13"}, []),
        ({"python/x.cpython-312-x86_64-linux-gnu.so": ""}, {"runtime": "python3.12"}, []),
        (
            {"python/x.py": "", "python/x-1.dist-info/WHEEL": "Tag: cp312-cp312-manylinux_2_17_x86_64"},
            {"runtime": "python3.13"},
            ["error wheels python/x-1.dist-info"],
        ),
        (
            {"python/x.py": "", "python/x-1.dist-info/WHEEL": "Tag: cp39-abi3-manylinux_2_17_x86_64"},
            {"runtime": "python3.13"},
            [],
        ),
        (
            {"python/x.py": "", "python/x-1.dist-info/WHEEL": "Tag: cp313-cp313t-manylinux_2_17_x86_64"},
            {"runtime": "python3.13"},
            ["error wheels python/x-1.dist-info"],
        ),
        ({"bin/tool": "", "lib/data.txt": ""}, {"kind": "layer"}, []),
    ],
)
def test_layers(tmp_path: Path, files: dict[str, str], known: dict[str, Any], expected: list[str]) -> None:
    """What nothing is imported from, or only another Python imports, does not pass."""
    assert expected == found(make_zip(tmp_path / "a.zip", files), **known)


def test_odd_members(tmp_path: Path) -> None:
    """A device, a name that is there twice, a name that a terminal would obey."""
    file = make_zip(tmp_path / "a.zip", {**APP, "device": "", "\x1b[31mred.py": "x ="}, {"device": 0o20644})
    report = checks.check_archive(file)
    assert ["layout", "syntax"] == [each.check for each in report.findings]
    assert "\x1b" not in "".join(map(str, report.findings))
    make_zip(file, {"app.py": "def (", "bpp.py": APP["app.py"]})
    file.write_bytes(file.read_bytes().replace(b"bpp.py", b"app.py"))
    assert ["warning layout app.py"] == found(file, handler="app.handler")


NEEDS = "Name: one\nRequires-Dist: "


@pytest.mark.parametrize(
    ("needs", "known", "expected"),
    [
        ("two", {}, "error requirements one-1.dist-info"),
        ("two; python_version < '3.13'", {"python": "3.12"}, "error requirements one-1.dist-info"),
        ("two; python_version < '3.13'", {"python": "3.13"}, ""),
        ("two; python_version < '3.13'", {}, "warning requirements one-1.dist-info"),
        ("two; platform_machine == 'aarch64'", {"arch": "arm64"}, "error requirements one-1.dist-info"),
        ("two; platform_machine == 'aarch64'", {"arch": "x86_64"}, ""),
        ("two; sys_platform == 'win32'", {}, ""),
        ("two; extra == 'more'", {}, ""),
        ("Three_3 >= 1", {}, ""),
        ("three.3[more]", {}, "error requirements three_3-1.5.dist-info"),
        ("three-3 >= 2", {}, "warning requirements one-1.dist-info"),
        ("two; python_full_version < '3.11.3'", {"python": "3.11"}, ""),
        ("two; python_full_version >= '3.11.4'", {"python": "3.11"}, "error requirements one-1.dist-info"),
        ("two; 'dev' in extras", {}, ""),
        ("three.3[More]", {}, "error requirements three_3-1.5.dist-info"),
        ("three-3\nRequires-Python: >=3.13", {"python": "3.12"}, "error requirements one-1.dist-info"),
        ("three-3\nRequires-Python: >=3.12.3", {"python": "3.12"}, ""),
        ("boto3", {"runtime": "python3.13"}, "warning requirements one-1.dist-info"),
        ("boto3", {"runtime": "provided.al2023"}, "error requirements one-1.dist-info"),
    ],
)
def test_what_libraries_require(tmp_path: Path, needs: str, known: dict[str, Any], expected: str) -> None:
    """Requires-Dist is read with the values of the archive's Python and processor, else of all that there are."""
    three = "Name: three_3\nRequires-Dist: four; extra == 'more'\n"
    files = {**APP, "one-1.dist-info/METADATA": f"{NEEDS}{needs}\n", "three_3-1.5.dist-info/METADATA": three}
    got = [each for each in found(make_zip(tmp_path / "a.zip", files), **known) if " bootstrap " not in each]
    assert ([expected] if expected else []) == got


def test_requirements_with_markers_and_in_utf16(tmp_path: Path) -> None:
    """A line that applies to the archive's Python counts; PowerShell's files are read."""
    text = "two; python_version < '3.13'\nthree; python_version > '3.13'\n".encode("utf-16")
    file = make_zip(tmp_path / "a.zip", {**APP, "requirements.txt": text})
    report = checks.check_archive(file, python="3.12")
    assert ["lists two, which is not in the archive; Lambda installs nothing"] == [
        each.message for each in report.findings
    ]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"requirements.txt": "boto3"}, ["warning requirements requirements.txt"]),
        ({"requirements.txt": "-r more/a.txt", "more/a.txt": "two"}, ["error requirements more/a.txt"]),
        ({"requirements.txt": "-r ../../../etc/passwd\n-r requirements.txt"}, []),
        ({"requirements.txt": "two", "two/__init__.py": ""}, []),
        ({"requirements.txt": "two", "two-1.0-py3.12.egg-info/PKG-INFO": ""}, []),
        (
            {
                "requirements.txt": "two>=2\nthree",
                "two-2.0.dist-info/METADATA": "",
                "x/__init__.py": "",
                "x/_vendor/two-1.0.dist-info/METADATA": "Requires-Dist: four",
                "x/_vendor/three-1.0.dist-info/METADATA": "",
            },
            ["error requirements requirements.txt"],
        ),
    ],
)
def test_what_is_listed(tmp_path: Path, files: dict[str, str], expected: list[str]) -> None:
    """Files that are included count; what a package has for itself does not, and metadata may have been removed."""
    assert expected == found(make_zip(tmp_path / "a.zip", {**APP, **files}), runtime="python3.12")


def test_many_requirements_of_many_extras(tmp_path: Path) -> None:
    """Each marker is asked only about the extras that it names."""
    needs = "".join(f"Requires-Dist: p{number}; extra == 'z{number}'\n" for number in range(1000))
    extras = ",".join(f"z{number}" for number in range(0, 1000, 100)) + "," + ",".join(f"q{n}" for n in range(300))
    files = {**APP, "x-1.dist-info/METADATA": needs, "requirements.txt": f"x[{extras}]"}
    assert ["error requirements x-1.dist-info"] * 10 == found(make_zip(tmp_path / "a.zip", files), python="3.12")


@pytest.mark.parametrize("path", [".", "/dev/null", "/dev/zero", "nowhere.zip", "a.txt", "empty", "a.tar.gz"])
def test_what_is_no_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """A folder, a device, nothing, text, and an archive of another kind: an error in words."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("no")
    (tmp_path / "empty").touch()
    (tmp_path / "a.tar.gz").write_bytes(b"\x1f\x8b" + bytes(100))
    os.mkfifo(tmp_path / "fifo")
    for each in (path, "fifo"):
        with pytest.raises(PackageError, match=r"not a file|no such archive|is not a zip archive"):
            checks.check_archive(Path(each))
