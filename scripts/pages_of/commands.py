"""The pages of the commands, made from the commands themselves."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click

from runtime.cli.group import command

#: Options whose default depends on where the command runs.
OF_THE_MACHINE = {"--python": "the running one", "--arch": "this machine's"}

OVERVIEW = """\
# Commands

`dispatch COMMAND --help` prints the same as these pages, which `scripts/pages.py` generates from the commands.

| command | purpose |
|---|---|
"""

GENERAL = """
## Options

Each option has a variable, named after the command and the option: `DISPATCH_RUN_TIMEOUT` sets `--timeout` of
`dispatch run`. The command line overrides variables. `dispatch` itself has this option:

{options}

Options that several commands share mean the same in each: `--root`, `--convention`, `--plugins`, `--env`, `--timeout`,
`--memory`, and `--json`, which makes the command answer in JSON, for other programs.

## Exit statuses

| status | meaning |
|---|---|
| 0 | the command has succeeded |
| 1 | it has failed: the function, a build, an upload; or `explain` or `build check` has found an error |
| 2 | its arguments or a configuration are wrong; the last line says which |
| 130 | Ctrl-C |

## Errors of the command

Errors of functions [have pages of their own](../../errors/README.md). Errors of the command itself have no type; the
message names the value, and what to do or what is available instead:

```console
$ dispatch run len --timeout 1000 2>&1 | tail -n 1
Error: the timeout must be more than 0 and at most 900 seconds, not 1000
$ dispatch invoke len --endpoint http://127.0.0.1:9 2>&1 || true
no server is listening at http://127.0.0.1:9; start one with `dispatch serve`, or pass its --endpoint
$ printf 'prt = 9000\\n' > dispatch.toml; dispatch serve 2>&1 | tail -n 1 | grep -o 'unknown key.*? '
unknown key 'prt'; did you mean 'port'?
```

A port that another program uses:

```python
# taken.py
import socket
import subprocess

with socket.create_server(("127.0.0.1", 0)) as server:
    subprocess.run(["dispatch", "serve", "len", "--port", str(server.getsockname()[1])], check=False)
```

```console
$ rm dispatch.toml; python taken.py 2>&1 | tail -n 1 | cut -d : -f 2 | xargs
cannot listen on 127.0.0.1
```
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


def anchor(words: str, option: click.Option) -> str:
    """The address of an option on its page: its longest name, after that of a subcommand."""
    return " ".join(words.split()[2:]) + max(option.opts, key=len)


def row(words: str, option: click.Option) -> str:
    """The row of an option: how it is written, what it means, its default."""
    names = ", ".join(option.opts)
    written = f"`{names}`" if option.is_flag else f"`{names} {value_of(option)}`"
    given = option.default
    plain = isinstance(given, str | int | float) and not isinstance(given, bool) and given != ""
    default = OF_THE_MACHINE.get(names) if plain else ""
    default = default or (f"`{given:g}`" if isinstance(given, float) else f"`{given}`" if plain else "")
    return f'| <a id="{anchor(words, option)}"></a>{written} | {escaped(option.help or "")} | {default} |'


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


def text_of(found: click.Command) -> list[str]:
    """The paragraphs of a command's help, each as one line."""
    return [" ".join(part.split()) for part in inspect.cleandoc(found.help or "").split("\n\n")]


def filled(text: str) -> str:
    """A paragraph in lines of the usual length."""
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def options_of(words: str, found: click.Command) -> str:
    """The table of a command's options; empty if it has none."""
    options = [param for param in found.params if isinstance(param, click.Option) and not param.hidden]
    rows = [row(words, option) for option in options]
    return "\n".join(["| option | meaning | default |", "|---|---|---|", *rows]) if rows else ""


def section(words: str, found: click.Command) -> str:
    """What a page says about a command: its title, its arguments, its help, its options, its example."""
    level = "#" * (len(words.split()) - 1)
    arguments = [argument(param) for param in found.params if isinstance(param, click.Argument)]
    following = ["COMMAND"] if isinstance(found, click.Group) else [*arguments, "[OPTIONS]"]
    usage = f"```text\n{' '.join([words, *following])}\n```"
    texts = text_of(found)
    example = found.epilog or (texts.pop() if texts[-1].startswith("Example: ") else "")
    parts = [f"{level} `{words}`", usage, *map(filled, texts), options_of(words, found)]
    if example:
        title, _, example = example.partition(": ")
        parts.append(f"{title}:\n\n```sh\n{example.replace('; ', chr(10)).replace(', then: ', chr(10))}\n```")
    return "\n\n".join(filter(None, parts)) + "\n"


def entry(words: str, found: click.Command) -> str:
    """The row of a command in the overview; a subcommand is a part of its group's page."""
    _, name, *rest = words.split()
    place = f"{name}.md" + (f"#dispatch-{name}-{rest[0]}" if rest else "")
    return f"| [`{words}`]({place}) | {escaped(text_of(found)[0])} |"


def pages(docs: Path) -> dict[Path, str]:
    """The pages, and what each has to be: one for each command, with its subcommands, and an overview."""
    (root, dispatch), *others = commands()
    made: dict[str, list[str]] = {}
    for words, found in others:
        made.setdefault(words.split()[1], []).append(section(words, found))
    texts = {f"{name}.md": "\n".join(parts) for name, parts in made.items()}
    rows = "".join(f"{entry(words, found)}\n" for words, found in others)
    texts["README.md"] = OVERVIEW + rows + GENERAL.replace("{options}", options_of(root, dispatch))
    return {docs / "reference" / "commands" / name: text for name, text in texts.items()}
