"""The group of subcommands. The subcommand NAME is `command` in the module `runtime.cli.NAME`."""

from __future__ import annotations

import errno
import importlib
from collections.abc import Mapping
from typing import Any, Final

import click

from dispatch import __version__
from dispatch.shadowing import OUR_PACKAGES
from runtime.cli import interrupt, mistyped, terminal
from runtime.cli.extras import MissingExtra

#: The subcommands with their help, in the order of the help page.
COMMANDS: Final[Mapping[str, str]] = {
    "run": "Run a handler for one event and print its answer.",
    "serve": "Serve functions as AWS Lambda does: Invoke API, function URLs, a page.",
    "invoke": "Invoke a function of `serve`, a function URL or any Lambda endpoint.",
    "explain": "Show what a handler string names and which convention takes it.",
    "plugins": "List the plugins and where they come from.",
    "build": "Build layers and function archives for AWS Lambda.",
    "publish": "Publish layers and functions to AWS Lambda.",
    "new": "Create a plugin or a function, with tests.",
}
#: What the variable of each option begins with.
PREFIX: Final = "DISPATCH"
#: Errors of a standard output that takes no more.
UNWRITABLE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})


class Lazy(click.Group):
    """A group that imports a subcommand only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all subcommands."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a subcommand; a missing library is an error that names its extra."""
        if cmd_name not in COMMANDS:
            return None
        try:
            module = importlib.import_module(f"runtime.cli.{cmd_name}")
        except ModuleNotFoundError as error:
            library = (error.name or "").partition(".")[0]
            if library in OUR_PACKAGES:
                raise
            raise MissingExtra(f"{ctx.command_path} {cmd_name}", {library: "local"}) from error
        command: click.Command = module.command
        _name_variables(command, f"{PREFIX}_{cmd_name}")
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, and note a --json: once an argument is wrong, click does not pass on the others."""
        ctx.obj = "--json" in args
        try:
            return super().parse_args(ctx, args)  # it prints the help and the version
        except OSError as error:
            _refuse_unwritable(error)
            raise

    def invoke(self, ctx: click.Context) -> Any:
        """Run a subcommand; with --json, a wrong call is answered in JSON too; Ctrl-C ends it without a word."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            if ctx.obj:
                import json

                click.echo(json.dumps({"error": error.format_message()}))
            raise
        except KeyboardInterrupt:
            interrupt.end()
        except OSError as error:
            _refuse_unwritable(error)
            raise
        finally:
            terminal.let_go()
            interrupt.ends_at_once()

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the subcommands without importing them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _refuse_unwritable(error: OSError) -> None:
    """Report that standard output takes no more, if that is the error."""
    if error.errno in UNWRITABLE and not error.filename:
        # Otherwise the interpreter would try to write the rest as it exits.
        terminal.give_up(1)
        raise click.ClickException(f"cannot write the output: {error.strerror}") from error


def _name_variables(command: click.Command, name: str) -> None:
    """Name the variable of each option after the option, not, as click does, after the parameter of the function."""
    for option in command.params:
        long = max(option.opts, key=len).removeprefix("--")
        if isinstance(option, click.Option) and not option.envvar and f"--{long}" in option.opts:
            option.envvar = f"{name}_{long}".upper().replace("-", "_")
    for child, subcommand in command.commands.items() if isinstance(command, click.Group) else ():
        _name_variables(subcommand, f"{name}_{child}")


@click.group(
    cls=Lazy,
    context_settings={"auto_envvar_prefix": PREFIX, "help_option_names": ["-h", "--help"]},
    epilog='Example: dispatch run app.handler -e \'{"name": "Ada"}\'',
)
@click.version_option(__version__, prog_name="dispatch")
@click.pass_context
def command(ctx: click.Context) -> None:
    """Write a handler the way that suits you; run it on AWS Lambda, or on your machine.

    A variable can set each option: DISPATCH_RUN_TIMEOUT sets `--timeout` of `dispatch run`.
    """
    interrupt.raises()
    if terminal.wants_plain():
        ctx.color = False
    mistyped.note_variables(ctx)
