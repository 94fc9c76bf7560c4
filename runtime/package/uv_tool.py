"""Runs uv, which resolves for any Python version and platform, whatever machine it runs on.

pip cannot: it answers environment markers with the values of the interpreter that runs it, so `typing-extensions;
python_version < "3.13"` would be missing from an archive for 3.12 that is built where there is no Python 3.12.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from runtime.package import pip_settings
from runtime.package.errors import PackageError

#: How uv's own output marks an error, at the start of its message.
_MARK = re.compile(r"^(?:error: |\s*\u00d7\s*)", re.MULTILINE)


#: What uv says of a path that is not there, and what it means.
_NO_PATH = ("relative URL without a base", "there is no such file or folder, and it is not a URL")


class UvError(PackageError):
    """uv has failed; the message is its own, in full.

    Attributes:
        status: uv's exit status.
    """

    def __init__(self, output: str, status: int) -> None:
        super().__init__(_MARK.sub("", output.strip().replace(*_NO_PATH), count=1) or f"uv ended with status {status}")
        self.status = status


def run(arguments: Sequence[str | Path], folder: Path, *, constrained: bool = True) -> str:
    """Run uv in a folder and return its standard output.

    Args:
        arguments: its arguments.
        folder: the folder.
        constrained: whether the user's constraints apply; with hashes, uv would require that these are pins.

    Raises:
        UvError: its exit status is not 0.
    """
    from uv import find_uv_bin

    environment, options = pip_settings.for_uv(os.environ)
    if not constrained:
        environment.pop("UV_CONSTRAINT", None)
    command = [find_uv_bin(), "--quiet", "--no-progress", "--color=never", *map(str, arguments), *options]
    done = subprocess.run(  # noqa: S603
        command, capture_output=True, text=True, errors="replace", check=False, env=environment, cwd=folder
    )
    if done.returncode != 0:
        raise UvError(done.stderr or done.stdout, done.returncode)
    return done.stdout
