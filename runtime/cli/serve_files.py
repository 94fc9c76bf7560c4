"""The functions that a file describes, for `dispatch serve`; and the file of its queue."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from runtime.cli import terminal
from runtime.local.config import dispatch_toml
from runtime.local.config.description import Description
from runtime.local.function import FunctionConfig, FunctionSettingError
from runtime.local.source import BadMapping


def functions_of(config: Path | None, default: FunctionConfig, given: Mapping[str, str]) -> Description:
    """Read the file, and print its notes.

    Args:
        config: dispatch.toml or a template.
        default: the settings that a function leaves out.
        given: the values of the template's parameters.

    Raises:
        FunctionSettingError: there is no file, or it describes no function.
    """
    if config is None:
        raise FunctionSettingError(
            "nothing to serve; pass a HANDLER, or --config with a dispatch.toml or template.yaml"
        )
    if config.suffix == ".toml":
        described = Description(dispatch_toml.functions(dispatch_toml.read(config), config.parent, default))
        _check_sources(described.functions)
    else:
        from runtime.local.config import sam_template

        described = sam_template.read(config, default, given)
    for note in described.notes:
        terminal.tell(f"dispatch: {config.name}: {note}")
    if described.missing:
        names = ", ".join(described.missing)
        terminal.tell(f"dispatch: {config.name}: parameters without a value: {names}; pass --parameter NAME=VALUE")
    if not described.functions:
        raise FunctionSettingError(f"no function to serve in {config}")
    if default.debug_port is not None:
        ports = enumerate(described.functions, start=default.debug_port)
        described.functions = [replace(one, debug_port=port) for port, one in ports]
    return described


def _check_sources(functions: Sequence[FunctionConfig]) -> None:
    """Raise FunctionSettingError for a source that cannot be polled on this machine."""
    for function in functions:
        for source in function.sources:
            try:
                source.check()
            except BadMapping as error:
                raise FunctionSettingError(f"[functions.{function.name}] {source.title}: {error}") from error


def queue_file(of: Path) -> Path:
    """The file that keeps the queue between two runs, one for each folder or config, among other programs' state."""
    try:
        home = Path.home()
    except RuntimeError:  # a user without a home
        home = Path("/")
    state = Path(os.environ.get("XDG_STATE_HOME") or home / ".local" / "state")
    return state / "dispatch" / f"{of.stem}-{hashlib.sha256(os.fsencode(of)).hexdigest()[:12]}.sqlite"
