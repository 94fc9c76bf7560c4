"""Names variables that are not settings of Dispatch, but were probably meant to be."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Final

import click

from runtime.cli import terminal
from runtime.local.config.likely import likely

#: The runtime's own settings, and those of the conventions (docs/reference/settings.md), without the prefix.
RUNTIME_SETTINGS: Final = (
    "BASE_PATH", "CONCURRENCY", "CONVENTION", "ENCODING", "EVENTS_PATH", "HTTP_BODY", "INVOKE_MODE", "LAZY", "PLUGINS",
    "PRELOAD", "SHUTDOWN", "TRACE_PLUGINS", "TRANSPORT", "WEB", "WORKERS",
)  # fmt: skip
#: A function may have variables of its own with these prefixes, so a little more than what is enough for keys.
ALIKE: Final = 0.8
RUNTIME, COMMAND = PREFIXES = ("HANDLER", "DISPATCH")


def note_variables(ctx: click.Context) -> None:
    """Name the mistyped variables of the environment, as far as they concern the subcommand that was called."""
    note_settings(os.environ)
    for name in os.environ:
        if _prefix(name) == COMMAND:
            _say(name, _option(name.partition("_")[2], ctx))


def note_settings(names: Iterable[str]) -> None:
    """Name the variables that are almost a setting of the runtime."""
    for name in names:
        if _prefix(name) == RUNTIME:
            setting = likely(name.partition("_")[2], RUNTIME_SETTINGS, ALIKE)
            _say(name, setting and f"{RUNTIME}_{setting}")


def _prefix(name: str) -> str:
    """The prefix of a name, or what its first word was probably meant to be; else an empty string."""
    first, separator, _ = name.partition("_")
    return likely(first, PREFIXES) if separator and first.isupper() else ""


def _option(rest: str, ctx: click.Context) -> str:
    """The variable that one with this end was probably meant to be; empty if it concerns another subcommand."""
    group, called = ctx.command, ctx.invoked_subcommand
    command = group.get_command(ctx, called) if isinstance(group, click.Group) and called else None
    if command is None or called is None or not isinstance(group, click.Group):
        return ""
    word, _, option = rest.partition("_")
    meant = likely(word, group.list_commands(ctx))
    option = option if meant == called else "" if meant else rest
    variables = {
        name.removeprefix(f"{COMMAND}_").removeprefix(f"{called.upper()}_"): name for name in _variables(command)
    }
    found = likely(option, variables, ALIKE)
    return found and variables[found]


def _variables(command: click.Command) -> Iterator[str]:
    """The variables of the options of a command and of its subcommands."""
    yield from (str(one.envvar) for one in command.params if isinstance(one, click.Option) and one.envvar)
    for child in command.commands.values() if isinstance(command, click.Group) else ():
        yield from _variables(child)


@cache
def _say(name: str, meant: str) -> None:
    exact = name.startswith((f"{RUNTIME}_", f"{COMMAND}_"))
    # A first word that is only like a prefix may be anybody's, so what follows it must be right.
    if meant and meant != name and (exact or meant.endswith(name[name.index("_") :])):
        terminal.tell(f"dispatch: {name} is not a setting; did you mean {meant}?")
