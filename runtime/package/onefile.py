"""Packs a folder with a `bootstrap` into one executable file, which unpacks itself at its first start.

The file is a shell script followed by a zip archive. The script cuts out two members by their offsets, the interpreter
and its zlib; these unpack the rest into the temporary folder, where later starts find it.
"""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

from runtime.package import archive, start_scripts
from runtime.package.staging import Staging

#: The name of the interpreter while it unpacks; it runs the module named after it (see unpacking.py).
_UNPACKER = "unpack"
_FIRST = "first"

_HEAD = """#!/bin/sh
# Starts the dispatch runtime, whose files follow this script; the first start unpacks them into the temporary folder.
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
    # Any user can make a folder or a link of this name; only one that is ours and complete is run.
    if taken "$home"; then
        home=$home.1
        continue
    fi
    new=$home-$$
    while taken "$new"; do new=$new.1; done
    mkdir "$new"
    [ -O "$new" ] || fail "$new belongs to another user, although this one made it; set TMPDIR to another folder"
    mkdir -p "$new/{first}/lib"
    part {python_at:010d} {python_size:010d} "$new/{first}/{unpacker}"
    part {zlib_at:010d} {zlib_size:010d} "$new/{first}/lib/{zlib}"
    chmod 700 "$new/{first}/{unpacker}"
    printf '%s' "{up}$file/{first}" >"$new/{first}/lib/library.dat"
    "$new/{first}/{unpacker}" "$file" "$new"
    rm -rf "$new/{first}"
    # If another start was faster, this moves the folder into that one's.
    mv "$new" "$home" 2>/dev/null || taken "$home" || fail "cannot rename $new to $home"
    rm -rf "$new" "$home/${{new##*/}}"
done
exec "$home/bootstrap" "$@"
"""
#: library.dat names an archive relative to its own folder; this many steps up lead to the root from any depth.
_UP = "../" * 32


def write_executable(staging: Staging) -> archive.Sizes:
    """Write the executable file from a complete folder, with `bootstrap` and the interpreter in it."""
    staging.step("packing")
    folder, file = staging.folder, staging.file
    zlib = f"zlib.{staging.target.soabi}.so"
    program, library = start_scripts.INTERPRETER, f"{start_scripts.HOME}/python/lib/{zlib}"
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
    # The offsets have a fixed width, so the head has its length before they are known.
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
    """The offset of a stored member's first byte, counted from 1 as `tail` does, and the number of its bytes."""
    with zipfile.ZipFile(file) as packed, packed.open(packed.getinfo(name)) as member:
        member.read(0)
        start = packed.getinfo(name).header_offset
    with file.open("rb") as raw:
        raw.seek(start + 26)
        lengths = raw.read(4)
    # The local header: 30 bytes, whose last four are the lengths of the name and the extra field that follow it.
    # APPNOTE.TXT, 4.3.7.
    variable = int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")
    return start + 30 + variable + 1, packed.getinfo(name).file_size
