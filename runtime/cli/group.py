"""The group of subcommands. A subcommand NAME is `command` in the module `runtime.cli.NAME`."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from typing import Any, Final

import click

#: Subcommands in the order of the help page, with what it says of them.
COMMANDS: Final[Mapping[str, str]] = {
    "run": "Run a handler for one event and print its answer.",
    "serve": "Serve functions as AWS Lambda does: Invoke API, function URLs, a page.",
    "invoke": "Invoke what `serve`, a function URL or any Lambda endpoint offers.",
    "explain": "Say what a handler string names and which convention takes it.",
    "plugins": "List the plugins and where they come from.",
    "build": "Make layers and function archives for AWS Lambda.",
    "publish": "Publish layers and functions.",
}
#: Which extra brings a library along; what is not named comes with `local`.
EXTRAS: Final[Mapping[str, str]] = {"boto3": "aws", "botocore": "aws", "debugpy": "debug", "elftools": "build"}
OURS: Final = frozenset({"runtime", "dispatch", "conventions"})


class Lazy(click.Group):
    """A group that imports a subcommand only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All subcommands."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one; a missing library is an error that names its extra."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        try:
            module = importlib.import_module(f"runtime.cli.{cmd_name}")
        except ModuleNotFoundError as error:
            name = (error.name or "").partition(".")[0]
            if name in OURS:
                raise
            extra = EXTRAS.get(name, "local")
            message = f"`dispatch {cmd_name}` needs {name}: pip install 'handler-dispatch[{extra}]'"
            raise click.ClickException(message) from error
        command: click.Command = module.command
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Note whether JSON is asked for: where an argument is wrong, click tells of no other."""
        ctx.obj = "--json" in args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a subcommand; how it was called wrongly is said in JSON as well to whoever asked for JSON."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            if ctx.obj:
                click.echo(json.dumps({"error": error.format_message()}))
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List them without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=Lazy,
    context_settings={"auto_envvar_prefix": "DISPATCH", "help_option_names": ["-h", "--help"]},
    epilog='Example: dispatch run app.handler -e \'{"name": "Ada"}\'',
)
@click.version_option(package_name="handler-dispatch", prog_name="dispatch")
def command() -> None:
    """Write a handler the way that suits you; run it on AWS Lambda, or here.

    Each option is a variable too: `--timeout` of `dispatch run` is DISPATCH_RUN_TIMEOUT.
    """
