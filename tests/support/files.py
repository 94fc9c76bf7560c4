"""Task roots, written on the spot."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

Files = Mapping[str, str | bytes]


def write(folder: Path, files: Files) -> Path:
    """Write the files, their indentation taken off, into the folder; the folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else textwrap.dedent(content).encode())
    return folder
