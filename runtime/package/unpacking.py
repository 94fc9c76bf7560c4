"""Unpacks the one-file bootstrap into a folder, at its first start.

It is copied into that file, under the name that the base of freeze-core looks for. There it has no library but those
frozen into the base, so it reads the archive with the importer of zip archives.
"""

import os
import sys
import zipimport

PROGRAMS = ("bootstrap", "dispatch-runtime/python/python3")
_BLOCK = 1 << 16
_ZEROS = bytes(_BLOCK)


def run(_name: str) -> None:
    """Unpack the archive that the first argument names into the folder that the second names."""
    file, folder = sys.argv[1:]
    archive = zipimport.zipimporter(file)
    for name in zipimport._read_directory(file):  # type: ignore[attr-defined]  # noqa: SLF001
        if name.endswith("/"):
            continue
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        _write(path, archive.get_data(os.path.join(file, name)))
    for name in PROGRAMS:
        os.chmod(os.path.join(folder, name), 0o700)


def _write(path: str, content: bytes) -> None:
    """Write a file with holes for blocks of zeros, of which patched shared objects have many."""
    with open(path, "wb", buffering=0) as file:
        for start in range(0, len(content), _BLOCK):
            block = content[start : start + _BLOCK]
            if block != _ZEROS[: len(block)]:
                file.seek(start)
                file.write(block)
        file.truncate(len(content))
