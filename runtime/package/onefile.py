"""Packs a folder that has a `bootstrap` into one executable file, which lays the folder out at its first start.

The file is a shell script with a zip archive behind it. The script cuts two members out by their place in the file, the
interpreter and its zlib; these unpack the rest into the temporary folder, where later starts find it.
"""

from __future__ import annotations

import hashlib
import struct
import zipfile
from pathlib import Path

from runtime.package import archive, scripts
from runtime.package.work import Work

# The name of the interpreter while it unpacks; its base looks for a module of that name (see unpacking.py).
_UNPACKER = "unpack"
_FIRST = "first"

_HEAD = """#!/bin/sh
# Starts the dispatch runtime; its files lie behind this script, and are laid out in the temporary folder once.
set -e
umask 077
case "$0" in
    /*) file=$0 ;;
    *) file=$PWD/$0 ;;
esac
home=${{TMPDIR:-/tmp}}/dispatch-{digest}
part() {{ tail -c +"$1" "$file" | head -c "$2" >"$3"; }}
fail() {{ echo "dispatch: $1" >&2; exit 1; }}
taken() {{ [ -e "$1" ] || [ -h "$1" ]; }}
ours() {{ [ ! -h "$home" ] && [ -O "$home" ] && [ -x "$home/bootstrap" ]; }}
until ours; do
    # Everybody can make a folder or a link of this name. What is not ours, or not whole any more, is never run.
    if taken "$home"; then
        home=$home.1
        continue
    fi
    new=$home-$$
    while taken "$new"; do new=$new.1; done
    mkdir "$new"
    [ -O "$new" ] || fail "$new belongs to another user though this one made it; set TMPDIR to another folder"
    mkdir -p "$new/{first}/lib"
    part {python_at:010d} {python_size:010d} "$new/{first}/{unpacker}"
    part {zlib_at:010d} {zlib_size:010d} "$new/{first}/lib/{zlib}"
    chmod 700 "$new/{first}/{unpacker}"
    printf '%s' "{up}$file/{first}" >"$new/{first}/lib/library.dat"
    "$new/{first}/{unpacker}" "$file" "$new"
    rm -rf "$new/{first}"
    # Another start may have come first, and then this moves the folder into its folder.
    mv "$new" "$home" 2>/dev/null || taken "$home" || fail "can't rename $new to $home"
    rm -rf "$new" "$home/${{new##*/}}"
done
exec "$home/bootstrap" "$@"
"""
# Signature, eight fields of no interest here, and the lengths of name and extra field (APPNOTE.TXT, 4.3.7).
_LOCAL_HEADER = struct.Struct("<4s22xHH")
# library.dat names an archive relative to its own folder: from any depth, this many steps up end at the root.
_UP = "../" * 32


def write(making: Work) -> archive.Sizes:
    """Write the one file from a folder that is complete, with `bootstrap` and the interpreter in it."""
    making.step("packing")
    folder, file = making.folder, making.file
    zlib = f"zlib.{making.target.soabi}.so"
    program, library = scripts.INTERPRETER, f"{scripts.HOME}/python/lib/{zlib}"
    unpacking = Path(__file__).with_name("unpacking.py").read_bytes()
    (folder / _FIRST).mkdir()
    (folder / _FIRST / f"__init__{_UNPACKER}.py").write_bytes(unpacking)
    values = {
        "first": _FIRST,
        "unpacker": _UNPACKER,
        "zlib": zlib,
        "up": _UP,
        "digest": _digest(folder),
    }
    places = dict.fromkeys(("python_at", "python_size", "zlib_at", "zlib_size"), 0)
    # The places have a fixed width, so the head is as long with the real ones as with zeros.
    head = _HEAD.format(**values, **places).encode()
    stored = {program, library, f"{_FIRST}/__init__{_UNPACKER}.py"}
    archive.write(folder, file, head, stored=stored)
    places["python_at"], places["python_size"] = _place(file, program)
    places["zlib_at"], places["zlib_size"] = _place(file, library)
    with file.open("r+b") as raw:
        raw.write(_HEAD.format(**values, **places).encode())
    file.chmod(archive.PROGRAM)
    return archive.sizes(file)


def _digest(folder: Path) -> str:
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            total.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return total.hexdigest()[:16]


def _place(file: Path, name: str) -> tuple[int, int]:
    """Where a stored member's bytes are: the place of the first, counted from 1 as `tail` does, and how many."""
    with zipfile.ZipFile(file) as packed, packed.open(packed.getinfo(name)) as member:
        member.read(0)
        start = packed.getinfo(name).header_offset
    with file.open("rb") as raw:
        raw.seek(start + 26)
        lengths = raw.read(4)
    name_length, extra_length = (
        int.from_bytes(lengths[:2], "little"),
        int.from_bytes(lengths[2:], "little"),
    )
    return start + 30 + name_length + extra_length + 1, packed.getinfo(name).file_size
