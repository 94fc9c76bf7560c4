"""Finding what would fail in Lambda, in archives that anything may have made."""

from __future__ import annotations

import importlib.util
import marshal
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httptools
import pytest
from support.files import Files
from support.package import make_zip

from runtime.package import check as checks
from runtime.package import elf
from runtime.package.errors import PackageError
from runtime.package.inspected import Finding

V = f"{sys.version_info.major}.{sys.version_info.minor}"
# A real shared object, to be spoiled in one place at a time.
OBJECT = Path(importlib.util.find_spec("httptools.parser.parser").origin).read_bytes()  # type: ignore[union-attr,arg-type]
MACHINE = {"x86_64": b"\x3e\x00", "arm64": b"\xb7\x00"}
LINK = stat.S_IFLNK | 0o777
APP = {"app.py": "def handler(event, headers): ..."}
BROKEN = "def handler(event, headers:"
RECORD = {"one-1.dist-info/RECORD": "one/app.py,,\none-1.dist-info/RECORD,,\n"}


def for_machine(arch: str) -> bytes:
    """The shared object with the processor in its header changed; 18 is e_machine's place in every ELF header."""
    return OBJECT[:18] + MACHINE[arch] + OBJECT[20:]


def needs_glibc(version: bytes) -> bytes:
    """The shared object with the name of the one glibc version that it needs changed."""
    assert b"GLIBC_2.2.5\0" in OBJECT
    return OBJECT.replace(b"GLIBC_2.2.5", version)


def found(
    path: Path, files: Mapping[str, str | bytes], modes: Mapping[str, int] | None = None, **told: str
) -> list[str]:
    """What the checks find in an archive, as "level check where"."""
    report = checks.check_archive(make_zip(path / "a.zip", files, modes), **told)
    return [f"{finding.level} {finding.check} {finding.where}" for finding in report.findings]


@pytest.mark.parametrize(
    ("files", "told"),
    [
        (APP, {}),
        (APP, {"handler": "app.handler"}),
        ({"hello.py": "print(1)"}, {"handler": "hello.py"}),
        ({"lib/app.py": "handler = 1"}, {"handler": "lib/app.handler"}),
        ({"lib/__init__.py": "", "lib/app.py": "from x import *"}, {"handler": "lib.app.anything"}),
        (APP, {"handler": "event.upper() + 'x'"}),
        ({"a.sh": "function one() { :; }\n two () { :; }"}, {"handler": "a.one"}),
        ({"a.sh": "function one() { :; }\n two () { :; }"}, {"handler": "a.two", "convention": "shell"}),
        ({"a.sh": "source more.sh"}, {"handler": "a.one"}),
        (APP, {"handler": "jq .name", "convention": "process"}),
        ({**APP, "fast.so": for_machine("arm64")}, {"arch": "arm64"}),
        ({**APP, "requirements.txt": "# c\nOne.Two>=1\n-r x\n", "one_two-1.dist-info/METADATA": ""}, {}),
        ({**APP, "requirements.txt": "git+https://example.org/x.git\n./y.whl\nz; python_version < '3'\n"}, {}),
        ({**APP, "one/app.py": BROKEN, **RECORD}, {"handler": "app.handler"}),
        ({"app.py": "# coding: latin-1\nx = '\xe4\\d'".encode("latin-1")}, {}),
        ({"python/lib.py": "", "python/lib-1.dist-info/WHEEL": "Tag: cp313-cp313-manylinux_2_17_x86_64"}, {}),
    ],
)
def test_nothing_wrong(tmp_path: Path, files: Mapping[str, str | bytes], told: dict[str, Any]) -> None:
    """What would work is left in peace."""
    assert found(tmp_path, files, **told) == []


@pytest.mark.parametrize(
    ("files", "told", "expected"),
    [
        ({**APP, "fast.so": for_machine("arm64")}, {"arch": "x86_64"}, "error architecture fast.so"),
        (
            {**APP, "a.so": for_machine("arm64"), "b.so": for_machine("x86_64"), "c.so": for_machine("arm64")},
            {},
            "error architecture b.so",
        ),
        ({**APP, "fast.so": needs_glibc(b"GLIBC_2.100")}, {}, "error libc fast.so"),
        ({**APP, "fast.so": OBJECT.replace(b"libc.so.6\0", b"libmusl.6\0")}, {}, "error libc fast.so"),
        ({**APP, "fast.so": OBJECT.replace(b"libc.so.6\0", b"libfar.so\0")}, {}, "warning libraries fast.so"),
        (
            {**APP, "x.cpython-311-x86_64-linux-gnu.so": OBJECT},
            {"python": "3.13"},
            "error python x.cpython-311-x86_64-linux-gnu.so",
        ),
        ({**APP, "requirements.txt": "missing==1\n"}, {}, "error requirements requirements.txt"),
        ({**APP, "requirements.txt": "missing [x] == 1  # c\n"}, {}, "error requirements requirements.txt"),
        ({**APP, "requirements.txt": "missing==1 --hash=sha256:0 \\\n"}, {}, "error requirements requirements.txt"),
        ({**APP, "one-1.0-py3-none-any.whl": b""}, {}, "error wheels one-1.0-py3-none-any.whl"),
        ({**APP, "one-1.0.tar.gz": b""}, {}, "error wheels one-1.0.tar.gz"),
        ({**APP, "o-1.dist-info/WHEEL": "Tag: cp313-cp313-linux_x86_64"}, {}, "warning wheels o-1.dist-info"),
        ({**APP, "o-1.dist-info/WHEEL": "Tag: cp313-cp313-macosx_11_0_arm64"}, {}, "error wheels o-1.dist-info"),
        ({**APP, "o-1.dist-info/WHEEL": "Tag: cp313-cp313-musllinux_1_2_x86_64"}, {}, "error wheels o-1.dist-info"),
        ({**APP, "o-1.dist-info/WHEEL": "Tag: py3-none-win32.win_amd64"}, {}, "error wheels o-1.dist-info"),
        ({**APP, "runtime.py": ""}, {}, "warning names runtime.py"),
        ({**APP, "dispatch/__init__.py": ""}, {}, "warning names dispatch"),
        ({"python/dispatch/__init__.py": ""}, {}, "error names python/dispatch"),
        ({"python/lib.py": "", "extensions/tool.txt": ""}, {}, "error permissions extensions/tool.txt"),
        ({"lib.py": ""}, {"kind": "layer"}, "error layout lib.py"),
        ({"project/app.py": "", "project/data.txt": ""}, {}, "warning layout project"),
        (APP, {"runtime": "provided.al2023"}, "warning bootstrap "),
        (APP, {"handler": "app.handlr"}, "error handler app.handlr"),
        (APP, {"handler": "ap.handler"}, "error handler ap.handler"),
        (APP, {"handler": "other.py"}, "error handler other.py"),
        (APP, {"handler": "../app.handler"}, "error handler ../app.handler"),
        (APP, {"handler": "handler"}, "error handler handler"),
        (APP, {"handler": "event +"}, "error handler event +"),
        ({"a.sh": "one() { :; }"}, {"handler": "a.two"}, "error handler a.two"),
        ({"a.sh": "one() { :; }"}, {"handler": "a.sh"}, "error handler a.sh"),
        (APP, {"handler": "app.handler", "convention": "shell"}, "error handler app.handler"),
        (APP, {"handler": "./jq .name", "convention": "process"}, "error handler ./jq .name"),
        (APP, {"handler": "jq '.name", "convention": "process"}, "error handler jq '.name"),
        ({"app.pyc": b"\xcb\x0d\r\n"}, {"python": "3.13"}, "error bytecode app.pyc"),
        ({"app.py": BROKEN}, {"handler": "app.handler"}, "error syntax app.py"),
        ({**APP, "lib/helper.py": BROKEN, "lib/__init__.py": ""}, {}, "error syntax lib/helper.py"),
        ({**APP, "templates/model.py": BROKEN}, {}, "warning syntax templates/model.py"),
        ({"python/lib.py": BROKEN}, {}, "error syntax python/lib.py"),
        ({"app.py": "\0"}, {}, "error syntax app.py"),
        ({"app.py": BROKEN}, {"python": f"3.{sys.version_info.minor + 1}"}, "warning syntax app.py"),
        ({"app.py": "def handler(event, headers):\n    x: int = 1\n    return\nreturn"}, {}, "error syntax app.py"),
        ({"one/app.py": BROKEN, **RECORD}, {"handler": "one.app.handler"}, "error syntax one/app.py"),
        ({"one/app.py": BROKEN, **RECORD}, {"handler": "one/app.py"}, "error syntax one/app.py"),
        ({}, {}, "error layout "),
    ],
)
def test_what_is_wrong(tmp_path: Path, files: Mapping[str, str | bytes], told: dict[str, Any], expected: str) -> None:
    """Each thing that would fail is found, and nothing else with it."""
    assert [expected] == found(tmp_path, files, **told)


@pytest.mark.parametrize(
    ("content", "mode", "expected"),
    [
        ("#!/bin/sh\n", 0o100755, []),
        (OBJECT, 0o100755, []),
        ("#!/bin/sh\n", 0o100644, ["error permissions bootstrap"]),
        ("#!/bin/sh\n", 0o100700, ["error permissions bootstrap", "error permissions bootstrap"]),
        (b"#!/bin/sh\r\n", 0o100755, ["error bootstrap bootstrap"]),
        ("print(1)", 0o100755, ["error bootstrap bootstrap"]),
    ],
)
def test_bootstrap(tmp_path: Path, content: str | bytes, mode: int, expected: list[str]) -> None:
    """What an OS-only runtime starts must be a program that it can start."""
    assert expected == found(tmp_path, {**APP, "bootstrap": content}, {"bootstrap": mode})


@pytest.mark.parametrize(
    ("name", "aim", "expected"),
    [
        ("inside", "app.py", []),
        ("out", "../elsewhere", ["error links out"]),
        ("out", "/etc/hosts", ["error links out"]),
        ("broken", "gone.py", ["error links broken"]),
    ],
)
def test_links(tmp_path: Path, name: str, aim: str, expected: list[str]) -> None:
    """A link may name what is in the archive, and nothing else."""
    assert expected == found(tmp_path, {**APP, name: aim}, {name: LINK})


def test_a_member_outside(tmp_path: Path) -> None:
    """A member that leaves the archive is told before anything is unpacked."""
    assert found(tmp_path, {**APP, "../evil.py": ""}) == ["error links ../evil.py"]


def test_over_the_limit(tmp_path: Path) -> None:
    """More than 250 MB unpacked fails; more than 50 MB zipped only needs a bucket."""
    file = make_zip(tmp_path / "a.zip", {**APP, "a": bytes(51 * 1024 * 1024)})
    findings = [(finding.level, finding.check) for finding in checks.check_archive(file).findings]
    assert [("warning", "limits")] == findings
    # The size that the list of members states, 24 bytes into the last member's record, decides before anything is read.
    content = bytearray(file.read_bytes())
    place = content.rindex(b"PK\1\2") + 24
    content[place : place + 4] = (251 * 1024 * 1024).to_bytes(4, "little")
    file.write_bytes(content)
    findings = [(finding.level, finding.check) for finding in checks.check_archive(file).findings]
    assert [("error", "limits"), ("warning", "limits")] == findings


def test_unreadable(tmp_path: Path) -> None:
    """A file that only its owner can read, as some systems' umask makes them."""
    assert found(tmp_path, APP, {"app.py": 0o100600}) == ["error permissions app.py"]


def test_bytecode_of_this_version(tmp_path: Path) -> None:
    """Sourceless bytecode of the right version is fine."""
    code = importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(compile("", "app.py", "exec"))
    assert found(tmp_path, {"app.pyc": code}, python=V) == []


def test_messages_say_what_there_is(tmp_path: Path) -> None:
    """A handler that is not there: the message says what is."""
    report = checks.check_archive(make_zip(tmp_path / "a.zip", APP), handler="app.handlr")
    expected = Finding("error", "handler", "app.handlr", "no 'handlr' in app.py; it has: handler")
    assert [expected] == report.findings


@pytest.mark.skipif(sys.version_info < (3, 12), reason="this Python has no syntax that an older one lacks")
def test_syntax_that_is_too_new(tmp_path: Path) -> None:
    """What this Python compiles, and the one that the archive is for does not."""
    files = {"app.py": "type Event = str\n"}
    assert found(tmp_path, files, python="3.11") == ["error syntax app.py"]
    assert found(tmp_path, files, python="3.12") == []


def test_user_code_is_not_run(tmp_path: Path) -> None:
    """Checking an archive of a stranger must not run it."""
    source = f"open({str(tmp_path / 'ran')!r}, 'w')\ndef handler(event, headers): ..."
    assert found(tmp_path, {"app.py": source}, handler="app.handler") == []
    assert not (tmp_path / "ran").exists()


def test_runtime_and_python_that_differ(tmp_path: Path) -> None:
    """What was told must fit together."""
    with pytest.raises(PackageError, match=r"python3\.12 does not run Python 3\.13"):
        checks.check_archive(make_zip(tmp_path / "a.zip", APP), runtime="python3.12", python="3.13")


def test_python311_has_an_older_glibc(tmp_path: Path) -> None:
    """What Amazon Linux 2023 has may be missing under the runtime python3.11."""
    files: Files = {**APP, "fast.so": needs_glibc(b"GLIBC_2.30\0")}
    assert found(tmp_path, files, runtime="python3.13", python="3.13") == []
    assert found(tmp_path, files, runtime="python3.11", python="3.11") == ["error libc fast.so"]


def test_elf_of_what_is_none(tmp_path: Path) -> None:
    """Text, and a file that only begins like an ELF file, are no binaries."""
    (tmp_path / "text").write_text("no")
    (tmp_path / "short").write_bytes(b"\x7fELF\x02\x01")
    assert [elf.Binary.read(tmp_path / "text"), elf.Binary.read(tmp_path / "short")] == [None, None]


def test_elf_of_a_library() -> None:
    """What a real shared object needs: this machine's processor, glibc, and at least the C library."""
    origin = httptools.parser.parser.__file__
    binary = elf.Binary.read(Path(origin))
    assert binary is not None
    assert binary.machine in origin
    assert "glibc" == binary.libc
    assert "libc.so.6" in binary.needs
    assert 0 < binary.glibc <= 34
