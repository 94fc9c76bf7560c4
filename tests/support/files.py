"""Task roots, written on the spot."""

from __future__ import annotations

import io
import textwrap
import zipfile
from collections.abc import Mapping
from pathlib import Path

Files = Mapping[str, str | bytes]


def write(folder: Path, files: Files) -> Path:
    """Write the files, their indentation taken off, into the folder; the folder. Those with `#!` can be executed."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content if isinstance(content, bytes) else textwrap.dedent(content).encode()
        path.write_bytes(data)
        if data.startswith(b"#!"):
            path.chmod(0o755)
    return folder


def archive(files: Mapping[str, str]) -> bytes:
    """A zip archive of these files."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as target:
        for name, source in files.items():
            target.writestr(name, textwrap.dedent(source))
    return packed.getvalue()
