"""What the one-file bootstrap runs at its first start: lays the files behind it out in a folder.

Copied into the file under the name that the base of freeze-core looks for; there it stands alone and has no library but
what is frozen into the base, so it reads the archive with the base's own importer of zip archives.
"""

import os
import sys
import zipimport

PROGRAMS = ("bootstrap", "dispatch-runtime/python/python3")
_BLOCK = 1 << 16
_ZEROS = bytes(_BLOCK)


def run(_name: str) -> None:
    """Unpack the archive, the first argument, into the folder that is the second."""
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
    """Write a file, with holes for blocks of zeros: shared objects that were patched are mostly that."""
    with open(path, "wb", buffering=0) as file:
        for start in range(0, len(content), _BLOCK):
            block = content[start : start + _BLOCK]
            if block != _ZEROS[: len(block)]:
                file.seek(start)
                file.write(block)
        file.truncate(len(content))
