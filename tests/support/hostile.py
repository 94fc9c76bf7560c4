"""Makes damaged and hostile archives from a seed, and checks them as `dispatch build check` does."""

from __future__ import annotations

import importlib.util
import io
import random
import stat
import string
import traceback
import warnings
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from runtime.package.check import check_archive
from runtime.package.errors import PackageError
from runtime.package.target import MACHINES, PYTHONS

LINK = stat.S_IFLNK | 0o777
_TARGETS = ("/dev/zero", "/etc/passwd", "..", ".", "../../x", "app.py", "a", "x\0y", "", "//", "a/" * 3000)
_NAMES = (
    "app.py", "a", "a/b", "a/b/c.py", "../x", "/x", "a\\b.py", "x-1.dist-info/METADATA", "x-1.dist-info/RECORD",
    "x-1.dist-info/WHEEL", "x-1.dist-info/entry_points.txt", "python/x-1.dist-info/METADATA", "python/lib.py", "lib.so",
    "requirements.txt", "bootstrap", "extensions/e", "app.pyc", "__pycache__/app.cpython-312.pyc", "app.pyz", "app.sh",
    "python/lib/python3.12/site-packages/l.py", "\x1b[31m.py", "n" * 300, "d/" * 150 + "f", "runtime.py", "b.whl",
)  # fmt: skip
_HANDLERS = (
    "app.f",
    "app.py",
    "a/b/c.f",
    "app.pyz/app.f",
    "app.sh",
    "app.one",
    "x",
    "event.x +",
    "",
    "\0",
    "../x.f",
    "a.b.c",
)


@cache
def real_object() -> bytes:
    """A real shared object."""
    found = importlib.util.find_spec("httptools.parser.parser")
    assert found
    assert found.origin
    return Path(found.origin).read_bytes()


def _elf(chosen: random.Random) -> bytes:
    """A shared object with damage where it is read: the headers, the dynamic section, the tables of versions."""
    content = bytearray(real_object())
    sections = int.from_bytes(content[0x28:0x30], "little")
    for _ in range(chosen.randrange(1, 12)):
        start, end = chosen.choice([(0, 64), (64, 800), (sections, len(content)), (0, len(content))])
        place = chosen.randrange(start, min(end, len(content)))
        content[place : place + 8] = chosen.choice(
            [b"\0", b"\xff", b"\xff" * 8, b"\0" * 8, bytes([chosen.randrange(256)]), chosen.randbytes(4)]
        )
    return bytes(content[: chosen.choice([len(content), len(content), chosen.randrange(len(content))])])


def _python(chosen: random.Random) -> bytes:
    """Source: deep, wide, of other encodings, or none."""
    deep = chosen.choice([10, 90, 1000, 20_000])
    return chosen.choice(
        [
            b"def f(event, context): ...\n",
            b"(" * deep + b")" * deep,
            b"x = " + b"-" * deep + b"1",
            b"x = a" + b".b" * deep,
            b"x = [" * deep,
            b"if a: pass\n" + b"elif b: pass\n" * deep,
            b"class handle(BaseHTTPRequestHandler): ...\ndef handle(event, context): return " + b"a" + b"()" * deep,
            b"".join(b" " * level + b"if a:\n" for level in range(90)) + b" " * 90 + b"f = 1",
            b"# coding: " + chosen.choice([b"latin-1", b"nothing", b"utf-16", b"rot13", b"idna"]) + b"\nf = '\xe4'",
            b"\xff\xfe" + "f = 1".encode("utf-16-le"),
            b"f = 1\0",
            b"f'" + b"{f'" * 100,
            chosen.randbytes(200),
            b"from a import *",
        ]
    )


def _text(chosen: random.Random) -> bytes:
    """Metadata of distributions, and requirements files: malformed, long, or with odd characters."""
    return chosen.choice(
        [
            b"Name: x\nRequires-Dist: one; python_version < '3.13'\nRequires-Dist: x[y]; extra == 'z'\n",
            b"Requires-Dist: " + b"(" * 5000,
            b"Requires-Dist: one; " + b"(" * 3000 + b"python_version > '3'" + b")" * 3000,
            b"Requires-Dist: one; python_version > 'x'\nRequires-Dist: one; nothing == '1'\nRequires-Dist: \xff\n",
            b"Requires-Dist: one ~= 1\nRequires-Dist: one===\nRequires-Dist: one @ file:///etc/passwd\n" * 50,
            b"".join(b"Requires-Dist: p%d[e%d]; extra == 'e%d'\n" % (number, number, number) for number in range(300)),
            b"Tag: " + b".".join([b"a"] * 200) + b"-" + b".".join([b"b"] * 200) + b"-" + b".".join([b"c"] * 200),
            b"Tag: cp312-cp312-manylinux_2_17_x86_64\nTag: no\nTag: cp3-cp3x-\n",
            b'"' + b"x" * 200_000 + b"\0,,\n",
            b"\0,,\n\n,,,\napp.py,sha256=x,1\n../../../etc/passwd,,\n" * 100,
            b"\xff\xfeo\0n\0e\0",
            b"-r requirements.txt\n-r /dev/zero\n--hash=\n" + b"one==1 \\\n" * 1000,
            chosen.randbytes(500),
            b"",
        ]
    )


_CONTENTS: tuple[Callable[[random.Random], bytes], ...] = (_elf, _python, _text, lambda chosen: chosen.randbytes(50))


def hostile_archive(seed: int) -> bytes:
    """The archive of a seed: odd members, then perhaps damage to the archive's own bytes."""
    chosen = random.Random(seed)
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", chosen.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as archive:
        for _ in range(chosen.randrange(1, 6)):
            name = chosen.choice(_NAMES) if chosen.random() < 0.9 else "".join(chosen.choices(string.printable, k=9))
            entry = zipfile.ZipInfo(name or "x")
            entry.create_system = chosen.choice([0, 3, 3, 3])
            is_link = chosen.random() < 0.15
            mode = (
                LINK
                if is_link
                else chosen.choice([0o100644, 0o100755, 0, 0o100000, 0o20644, 0o10644, 0o60644, 0o40755])
            )
            entry.external_attr = mode << 16
            suited = _python if name.endswith((".py", ".sh")) else _elf if name.endswith(".so") else _text
            content = (suited if chosen.random() < 0.7 else chosen.choice(_CONTENTS))(chosen)
            with warnings.catch_warnings(action="ignore"):  # of names that are there twice
                archive.writestr(entry, chosen.choice(_TARGETS).encode() if is_link else content)
    damaged = bytearray(made.getvalue())
    if chosen.random() < 0.5:
        for _ in range(chosen.randrange(1, 6)):
            # Most of the damage is done to the list of members, at the end.
            start = chosen.choice([0, max(0, damaged.rfind(b"PK\1\2")), max(0, len(damaged) - 22)])
            place = chosen.randrange(start, len(damaged))
            damaged[place : place + 1] = chosen.choice([b"", b"\0", b"\xff", b"PK\1\2", bytes([chosen.randrange(256)])])
    return bytes(damaged)


def check_hostile(file: Path, seed: int) -> str:
    """Check an archive; the traceback if there is one, else "" for a report or an error in words."""
    chosen = random.Random(-seed - 1)
    known = {
        "kind": chosen.choice(["", "", "layer", "function"]),
        "python": chosen.choice(["", "", *PYTHONS]),
        "arch": chosen.choice(["", *MACHINES]),
    }
    if chosen.random() < 0.6:
        known["handler"] = chosen.choice(_HANDLERS)
        known["convention"] = chosen.choice(["", "", "shell", "process", "json"])
    try:
        report = check_archive(file, **known)
        _ = [str(finding) for finding in report.findings]
    except PackageError:
        return ""
    except Exception:
        return traceback.format_exc(limit=-6)
    return ""
