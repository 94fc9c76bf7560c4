"""`dispatch new`: a plugin or a function to start from."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from dispatch.discovery import BUILT_IN
from runtime.cli import interrupt, options
from runtime.cli.apart import apart
from runtime.cli.plugins import all_plugins
from runtime.scaffold import function, plugin
from runtime.scaffold.files import BadName, ScaffoldError, write


@click.group("new")
def command() -> None:
    """Create a plugin or a function, with tests, in a folder of its own.

    Example: dispatch new function orders --convention json
    """


@command.command("plugin", epilog="Example: dispatch new plugin acme-csv")
@click.argument("name")
@options.as_json
def plugin_command(name: str, as_json: bool) -> None:
    """Create the distribution NAME with a convention, tests, types, and a workflow that publishes it.

    The last part of the name is the convention's: acme-csv has the convention csv, in the module acme_csv. If that is
    the name of a built-in convention, the whole name is used. It exchanges lines of JSON until you change it.
    """
    with reported(as_json):
        create(name, plugin.files(name), ["pip install -e '.[test]'", "pytest"], as_json)


@command.command("function", epilog="Example: dispatch new function orders --convention json")
@click.argument("name")
@click.option(
    "--convention", metavar="NAME", default="json", show_default=True, help="A built-in convention of the handler."
)
@options.as_json
def function_command(name: str, convention: str, as_json: bool) -> None:
    """Create the function NAME: handler, event, test, dispatch.toml and a template for AWS SAM."""
    with reported(as_json):
        if convention not in BUILT_IN and (origin := plugin_of(convention)):
            raise BadName(
                f"the convention {convention!r} comes from the plugin {origin}, which has no template; create the "
                "function for a built-in convention, then replace its name in dispatch.toml, template.yaml and tests"
            )
        function.check(name, convention)
        create(name, function.files(name, convention), function.commands(convention)[:2], as_json)


@contextmanager
def reported(as_json: bool) -> Iterator[None]:
    """Errors in words and, if asked for, in JSON."""
    try:
        yield
    except BadName as error:
        raise click.UsageError(str(error)) from error
    except ScaffoldError as error:
        if as_json:
            click.echo(json.dumps({"error": str(error)}))
        raise click.ClickException(str(error)) from error


def create(name: str, files: dict[str, str], commands: Sequence[str], as_json: bool) -> None:
    """Write the files into the folder NAME; print them and the commands to go on with."""
    try:
        folder = Path.cwd() / name
    except FileNotFoundError as error:
        raise ScaffoldError("the current folder no longer exists; change to one that does") from error
    with interrupt.Held():
        write(folder, files)
    following = [f"cd {name}", *commands]
    if as_json:
        click.echo(json.dumps({"folder": str(folder), "files": list(files), "next": following}))
        return
    click.echo(f"Created {name}:")
    for path in files:
        click.echo(f"  {path}")
    click.echo("Next:")
    for line in following:
        click.echo(f"  {line}")


def plugin_of(convention: str) -> str:
    """The name of the plugin that offers a convention; empty if none does."""

    def facts() -> Iterator[dict[str, Any]]:
        sources = all_plugins(os.environ.get("HANDLER_PLUGINS", ""))
        yield {"plugin": next((str(source) for source in sources if convention in source.conventions), "")}

    return str(apart(facts).get("plugin", ""))
