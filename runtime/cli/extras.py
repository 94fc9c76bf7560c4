"""Tells which extra of this project brings a missing library."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Final

import click

#: The libraries of each extra that commands import only while they run.
LIBRARIES: Final = {
    "local": ("packaging",),
    "build": ("elftools", "packaging", "uv"),
    "aws": ("boto3", "botocore"),
    "debug": ("debugpy",),
}


class MissingExtra(click.ClickException):
    """A command needs an extra that is not installed."""

    def __init__(self, command: str, libraries: Mapping[str, str]) -> None:
        """Create the error.

        Args:
            command: the command, as it is called.
            libraries: the missing libraries, each with the extra that brings it.
        """
        extras = ",".join(dict.fromkeys(libraries.values()))
        super().__init__(
            f"`{command}` needs {', '.join(libraries)}, not installed here; pip install 'handler-dispatch[{extras}]'"
        )


def require(*extras: str) -> None:
    """Refuse to run the current command without these extras.

    Raises:
        MissingExtra: a library of theirs is not installed.
    """
    missing = {library: extra for extra in extras for library in LIBRARIES[extra] if find_spec(library) is None}
    if missing:
        raise MissingExtra(click.get_current_context().command_path, missing)
