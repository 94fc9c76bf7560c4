"""The options that several subcommands share, with one meaning in all of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from runtime.cli.mistyped import note_settings

#: A function of a command, which a decorator returns as it is.
F = TypeVar("F", bound=Callable[..., Any])


def parse_pairs(_ctx: click.Context, _param: click.Parameter, pairs: Sequence[str]) -> dict[str, str]:
    """A mapping of repeated NAME=VALUE."""
    found = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", name):
            raise click.BadParameter(f"must be NAME=VALUE, not {pair!r}")
        found[name] = value
    note_settings(found)
    return found


def environment(
    variables: Mapping[str, str], handler: str, convention: str, plugin_names: str | None
) -> dict[str, str]:
    """The function's own variables: those of --env, which HANDLER, --convention and --plugins override."""
    overriding = {"HANDLER": handler, "HANDLER_CONVENTION": convention}
    found = {name: value for name, value in variables.items() if not overriding.get(name)}
    return found if plugin_names is None else {**found, "HANDLER_PLUGINS": plugin_names}


def root(function: F) -> F:
    """--root DIR."""
    kind = click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path)
    return click.option("--root", type=kind, default=".", help="The function's folder; by default, the current one.")(
        function
    )


def convention(function: F) -> F:
    """--convention NAME."""
    return click.option(
        "--convention", metavar="NAME", default="", help="The convention of the handler; by default, `auto`."
    )(function)


def plugins(function: F) -> F:
    """--plugins NAMES."""
    return click.option(
        "--plugins",
        metavar="NAMES",
        help="Modules to register as plugins, `-name` to block one; instead of HANDLER_PLUGINS.",
    )(function)


def env(function: F) -> F:
    """--env NAME=VALUE."""
    return click.option(
        "--env",
        metavar="NAME=VALUE",
        multiple=True,
        callback=parse_pairs,
        help="An environment variable of the function; repeatable.",
    )(function)


def bootstrap(function: F) -> F:
    """--bootstrap FILE."""
    kind = click.Path(exists=True, dir_okay=False, resolve_path=True, executable=True)
    return click.option("--bootstrap", type=kind, help="A runtime to start instead of this project's own.")(function)


def python(function: F) -> F:
    """--python WHICH."""
    return click.option(
        "--python",
        metavar="WHICH",
        help="The Python that runs the function: a file, a virtual environment, or a name like python3.13.",
    )(function)


def timeout(function: F) -> F:
    """--timeout SECONDS."""
    return click.option(
        "--timeout", metavar="SECONDS", type=float, default=3.0, show_default=True, help="How long one event may take."
    )(function)


def memory(function: F) -> F:
    """--memory MB."""
    return click.option(
        "--memory", metavar="MB", type=int, default=128, show_default=True, help="How much memory the function may use."
    )(function)


def as_json(function: F) -> F:
    """--json."""
    return click.option("--json", "as_json", is_flag=True, help="Answer in JSON, for other programs.")(function)
