"""Write the pages that are made from something else: docs/reference/commands.md and docs/plugins/directory.md.

Run it in the environment in which Dispatch is installed: python scripts/pages.py
"""

from __future__ import annotations

import inspect
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from runtime.cli.group import command

#: Options whose default depends on where the command runs.
OF_THE_MACHINE = {"--python": "the running one", "--arch": "this machine's"}

DOCS = Path(__file__).resolve().parent.parent / "docs"

COMMANDS = """\
# Commands

`dispatch COMMAND --help` prints what this page says; it is made from the commands themselves by `scripts/pages.py`.

Each option has a variable, named after the command and the option: `DISPATCH_RUN_TIMEOUT` sets `--timeout` of
`dispatch run`. The command line overrides variables. The status is 0 only if a command has succeeded, and 2 if its
arguments are wrong.
"""

DIRECTORY = """\
# Plugin directory

Plugins for Dispatch, from `docs/plugins/directory.toml`. Dispatch does not check or maintain other people's plugins;
`dispatch plugins` shows what an installed one adds.

| plugin | purpose | conventions | hooks | licence |
|---|---|---|---|---|
"""

ADD = """
## Add yours

1. Add a table to [`docs/plugins/directory.toml`](directory.toml), in the order of the names:

   ```toml
   [acme-dispatch-csv]
   does = "Handlers that receive and return the rows of a CSV file"
   conventions = ["csv"]
   repository = "https://github.com/acme/acme-dispatch-csv"
   licence = "MIT"
   ```

2. Run `python scripts/pages.py`, and open a pull request. Or fill in the [form for a
   plugin](https://github.com/handler-dispatch/handler-dispatch/issues/new?template=plugin.yml).

`hooks` is for plugins that observe, as in `hooks = ["before_invoke", "after_invoke"]`. The licence is an SPDX
identifier. A plugin has its own tests and a README that names its settings.
"""


def walk(found: click.Command, context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    """A command and all its subcommands, each with its context."""
    yield found, context
    if isinstance(found, click.Group):
        for name in found.list_commands(context):
            child = found.get_command(context, name)
            if child is not None:
                yield from walk(child, click.Context(child, parent=context, info_name=name))


def commands() -> list[tuple[str, click.Command]]:
    """All commands, each with the words that call it."""
    root = click.Context(command, info_name="dispatch")
    return [(context.command_path, found) for found, context in walk(command, root)]


def row(option: click.Option) -> str:
    """The row of an option: how it is written, what it means, its default."""
    names = ", ".join(option.opts)
    written = f"`{names}`" if option.is_flag else f"`{names} {value_of(option)}`"
    given = option.default
    plain = isinstance(given, str | int | float) and not isinstance(given, bool) and given != ""
    default = OF_THE_MACHINE.get(names) if plain else ""
    default = default or (f"`{given:g}`" if isinstance(given, float) else f"`{given}`" if plain else "")
    return f"| {written} | {escaped(option.help or '')} | {default} |"


def value_of(option: click.Option) -> str:
    """What the option takes, as its help shows it."""
    choices = getattr(option.type, "choices", None)
    return escaped(
        option.metavar or ("|".join(choices) if choices else option.type.name.removesuffix(" range").upper())
    )


def escaped(text: str) -> str:
    """Text for a cell of a table."""
    return text.replace("|", "\\|")


def argument(param: click.Argument) -> str:
    """How an argument is written, in brackets if it may be left out."""
    name = param.metavar or (param.name or "").upper()
    return name if param.required or name.startswith("[") else f"[{name}]"


def section(words: str, found: click.Command) -> str:
    """A command's section: its arguments, its help, its options, its example."""
    arguments = [argument(param) for param in found.params if isinstance(param, click.Argument)]
    options = [param for param in found.params if isinstance(param, click.Option) and not param.hidden]
    following = ["COMMAND"] if isinstance(found, click.Group) else arguments
    text = "\n\n".join(" ".join(part.split()) for part in inspect.cleandoc(found.help or "").split("\n\n"))
    parts = [f"## `{' '.join([words, *following])}`", text]
    if options:
        parts.append("\n".join(["| option | meaning | default |", "|---|---|---|", *map(row, options)]))
    if found.epilog:
        title, _, example = found.epilog.partition(": ")
        parts.append(f"{title}:\n\n```sh\n{example.replace('; ', chr(10)).replace(', then: ', chr(10))}\n```")
    return "\n\n".join(parts) + "\n"


def entry(name: str, facts: dict[str, Any]) -> str:
    """The row of a plugin."""
    listed = [", ".join(f"`{one}`" for one in facts.get(kind, ())) for kind in ("conventions", "hooks")]
    return f"| [{name}]({facts['repository']}) | {facts['does']} | {listed[0]} | {listed[1]} | {facts['licence']} |"


def listed() -> dict[str, dict[str, Any]]:
    """The plugins of the directory, by their names."""
    return tomllib.loads((DOCS / "plugins" / "directory.toml").read_text(encoding="utf-8"))


def pages() -> dict[Path, str]:
    """The pages, and what each has to be."""
    rows = "".join(f"{entry(name, facts)}\n" for name, facts in listed().items())
    return {
        DOCS / "reference" / "commands.md": "\n".join([COMMANDS, *(section(*one) for one in commands())]),
        DOCS / "plugins" / "directory.md": DIRECTORY + rows + ADD,
    }


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
