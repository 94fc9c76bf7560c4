"""`dispatch serve`: AWS Lambda on this machine, for real clients, with a page for people."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from runtime.cli import interrupt, options, terminal
from runtime.cli.mistyped import note_settings
from runtime.cli.pythons import Pythons
from runtime.cli.run_events import print_line
from runtime.cli.serve_banner import banner
from runtime.cli.serve_defaults import Rereadable, read_again, set_defaults
from runtime.cli.serve_files import functions_of, queue_file
from runtime.local.config.description import Description
from runtime.local.environments.log_lines import LogLine
from runtime.local.function import CONCURRENCY_DEFAULT, AsyncSettings, FunctionConfig, FunctionSettingError

DEBUG_PORT = 5678
#: How the names of files end that describe functions.
DESCRIPTIONS = (".toml", ".yaml", ".yml", ".json", ".template")
#: Characters that need no escaping in an address (RFC 3986, unreserved characters).
TOKEN = re.compile(r"[A-Za-z0-9._~-]+")


class Finite(click.FloatRange):
    """A finite number in a range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Convert a number; infinity and NaN are refused."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number", param, ctx)
        return number


def check_token(_ctx: click.Context, _param: click.Parameter, token: str | None) -> str:
    """Refuse a token that is not valid in addresses, headers and cookies alike."""
    if token is not None and not TOKEN.fullmatch(token):
        raise click.BadParameter("a token is one or more letters, digits, '-', '.', '_' and '~'")
    return token or ""


@click.command(
    "serve",
    cls=Rereadable,
    epilog="Example: dispatch serve app.handler, then: AWS_ENDPOINT_URL_LAMBDA=http://127.0.0.1:9000 "
    "aws lambda invoke --function-name function out.json",
)
@click.argument("handler", required=False)
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, resolve_path=True, path_type=Path),
    callback=set_defaults,
    is_eager=True,
    help="dispatch.toml or an AWS SAM template.yaml; by default, a dispatch.toml in the current folder.",
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="The address; beyond this machine, callers need a token."
)
@click.option(
    "--token",
    callback=check_token,
    help="The token that callers need; by default, a random one, or none if only this machine can call.",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=9000, show_default=True, help="The port; 0 picks a free one."
)
@click.option(
    "--parameter",
    "parameters",
    metavar="NAME=VALUE",
    multiple=True,
    callback=options.parse_pairs,
    help="The value of a template's parameter; repeatable.",
)
@click.option("--name", default="function", show_default=True, help="The function's name.")
@options.root
@options.convention
@options.plugins
@options.env
@options.timeout
@options.memory
@click.option(
    "--concurrency",
    metavar="N",
    type=int,
    default=CONCURRENCY_DEFAULT,
    show_default=True,
    help="How many environments run at once.",
)
@options.bootstrap
@options.python
@click.option("--no-reload", is_flag=True, help="Do not watch the function's folder for changes.")
@click.option(
    "--debug",
    metavar="[PORT]",
    type=int,
    is_flag=False,
    flag_value=DEBUG_PORT,
    help="Wait for a debugger (debugpy) on this port, by default 5678.",
)
@click.option(
    "--grace",
    metavar="SECONDS",
    type=Finite(0),
    default=10.0,
    show_default=True,
    help="How long events in progress may go on after SIGTERM.",
)
@click.option("--only-api", is_flag=True, help="Do not start a runtime; print the variables to start one with.")
@click.option(
    "--retries", type=click.IntRange(0, 2), default=2, show_default=True, help="How often to retry asynchronous events."
)
@click.option(
    "--maximum-age",
    metavar="SECONDS",
    type=Finite(0),
    default=21_600,
    show_default=True,
    help="How old asynchronous events may get.",
)
@click.option("--on-failure", metavar="WHERE", default="", help="Where failed ones go: a file, a URL, function:NAME.")
@click.option(
    "--time-scale", type=Finite(0), default=1.0, show_default=True, help="A factor for the queue's waits and ages."
)
@click.option("--queue", type=click.Path(dir_okay=False, path_type=Path), help="The file of the queue.")
def command(
    handler: str | None,
    config: Path | None,
    host: str,
    token: str,
    port: int,
    no_reload: bool,
    grace: float,
    only_api: bool,
    time_scale: float,
    queue: Path | None,
    parameters: dict[str, str],
    **settings: Any,
) -> None:
    """Serve HANDLER, or the functions of a file, as AWS Lambda does.

    It offers an Invoke API for boto3 and the AWS command line, function URLs at /lambda-url/NAME/, and a page at /.
    """
    from runtime.local.asynchronous.queue_file import QueueError
    from runtime.local.loop import new_loop
    from runtime.local.serve import ServeSettings, serve
    from runtime.local.web.server import CannotListen

    if settings["bootstrap"] and settings["python"]:
        raise click.UsageError("--bootstrap starts a runtime of its own, so it takes no --python")
    if settings["debug"] is not None and find_spec("debugpy") is None:
        raise click.UsageError("--debug needs debugpy; pip install 'handler-dispatch[debug]'")
    try:
        ctx = click.get_current_context()
        described = Description()
        again = reader(lambda: defaults(**read_again(ctx)), config, handler, parameters, described)
        pythons = ctx.with_resource(Pythons(settings["python"], tell=True))

        def read() -> list[FunctionConfig]:
            return again() if only_api else [pythons.chosen(function) for function in again()]

        functions = read()
    except FunctionSettingError as error:
        raise click.UsageError(str(error)) from error
    work = ServeSettings(
        functions=functions,
        queue=queue or queue_file(config or settings["root"]),
        host=host,
        port=port,
        token=token,
        reload=not no_reload,
        grace=grace,
        only_api=only_api,
        time_scale=time_scale,
        config=config,
        described=described,
        volatile=queue is None,
        read_again=read,
        notify=lambda text: terminal.tell(f"dispatch: {text}"),
        write_log=print_line if len(functions) == 1 else print_named_line,
    )
    try:
        interrupted = interrupt.run_on_loop(
            serve(work, lambda address, asked: banner(address, asked, functions, described, given=bool(token))),
            new_loop,
        )
    except (CannotListen, QueueError) as error:
        raise click.ClickException(str(error)) from error
    if interrupted:
        sys.exit(interrupt.STATUS)


def print_named_line(line: LogLine) -> None:
    """Print one line of the log, after the name of its function."""
    terminal.tell(terminal.styled(f"{line.function} | ", fg="blue"), end="")
    print_line(line)


def defaults(handler: str | None, **settings: Any) -> FunctionConfig:
    """The function of the command line, which supplies what the functions of a file leave open."""
    handler, debug = handler or "", settings["debug"]
    return FunctionConfig(
        name=settings["name"],
        handler=handler,
        root=settings["root"],
        convention=settings["convention"],
        environment=options.environment(settings["env"], handler, settings["convention"], settings["plugins"]),
        timeout=settings["timeout"],
        memory=settings["memory"],
        concurrency=1 if debug is not None else settings["concurrency"],
        command=(settings["bootstrap"],) if settings["bootstrap"] else (),
        asynchronous=AsyncSettings(settings["retries"], settings["maximum_age"], settings["on_failure"]),
        debug_port=debug,
    )


def reader(
    base: Callable[[], FunctionConfig],
    config: Path | None,
    handler: str | None,
    parameters: Mapping[str, str],
    described: Description,
) -> Callable[[], list[FunctionConfig]]:
    """A reader of the functions: the one of the command line, or those of the file, which `described` then is."""
    if parameters and (handler or config is None or config.suffix == ".toml"):
        raise FunctionSettingError("--parameter is for a template; pass --config with a template.yaml, and no HANDLER")
    if handler and handler.endswith(DESCRIPTIONS) and Path(handler).is_file():
        raise FunctionSettingError(
            f"{handler} is a file that describes functions, not a handler; pass --config {handler}"
        )

    def read() -> list[FunctionConfig]:
        default = base()
        is_file = not handler and not (default.command and config is None)
        new = functions_of(config, default, parameters) if is_file else Description([default])
        found = new.functions
        names = {function.name for function in found}
        for function in found:
            note_settings(function.environment)
            kind, _, target = function.asynchronous.on_failure.partition(":")
            if kind == "function" and target not in names:
                raise FunctionSettingError(
                    f"on failure: unknown function {target!r}; known functions: {', '.join(names)}"
                )
        described.become(new)
        return found

    return read
