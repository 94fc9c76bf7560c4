"""Task roots, written on the spot."""

from __future__ import annotations

import textwrap
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
