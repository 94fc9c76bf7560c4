"""`dispatch run`: sends one event through the real runtime and the local platform."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType

import click

from runtime.cli import interrupt, options
from runtime.cli.pythons import Pythons
from runtime.local.environments.launch import started_early
from runtime.local.function import FunctionConfig, FunctionSettingError


@click.command(
    "run",
    epilog='Examples: dispatch run app.handler -e \'{"name": "Ada"}\'; dispatch run hello.py -f event.json',
)
@click.argument("handler")
@click.argument("source", required=False, type=click.Choice(["-"]), metavar="[-]")
@click.option("-e", "event", metavar="JSON", help="The event, sent as it is: for a script, any text.")
@click.option("-f", "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A file with the event.")
@options.root
@options.convention
@options.plugins
@options.env
@options.timeout
@options.memory
@options.bootstrap
@options.python
@click.option(
    "--repeat", metavar="N", type=click.IntRange(1), default=1, help="Handle the event N times, one after another."
)
@click.option("-v", "--verbose", is_flag=True, help="Show the START, END and REPORT lines of Lambda's log, too.")
@options.as_json
def command(
    handler: str,
    source: str | None,
    event: str | None,
    file: Path | None,
    root: Path,
    convention: str,
    plugins: str | None,
    env: dict[str, str],
    timeout: float,
    memory: int,
    bootstrap: str | None,
    python: str | None,
    repeat: int,
    verbose: bool,
    as_json: bool,
) -> None:
    """Run HANDLER for one event; print the answer to standard output and the function's log to standard error.

    The event comes from -e, -f or - (standard input). Without these, it is standard input unless that is a terminal or
    empty, else {}. The status is 1 if the function fails.
    """
    if bootstrap and python:
        raise click.UsageError("--bootstrap starts a runtime of its own, so it takes no --python")
    body = read_event(source, event, file)
    try:
        function = FunctionConfig(
            handler=handler,
            root=root,
            convention=convention,
            environment=options.environment(env, handler, convention, plugins),
            timeout=timeout,
            memory=memory,
            command=(bootstrap,) if bootstrap else (),
        )
    except FunctionSettingError as error:
        raise click.UsageError(str(error)) from error
    try:
        with Pythons(python, tell=verbose) as pythons:
            function = pythons.chosen(function)
            with interrupt.Raised(), started_early(function) as early:
                run_events = import_platform()
                work = run_events.run(function, early, body, repeat, verbose=verbose, as_json=as_json)
                failed = interrupt.run_on_loop(work)
    except FunctionSettingError as error:
        raise click.UsageError(str(error)) from error
    except BrokenPipeError:
        # No one reads the answer any more; without this, the interpreter would flush it again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    sys.exit(1 if failed else 0)


def import_platform() -> ModuleType:
    """Import what sends events, and with it the local platform, while the function starts on another processor.

    asyncio is imported without ssl, which it takes only if there is one, and which nothing here needs.
    """
    is_needless = not {"asyncio", "ssl"} & sys.modules.keys()
    if is_needless:
        sys.modules["ssl"] = None  # type: ignore[assignment]
    try:
        from runtime.cli import run_events
    finally:
        if is_needless:
            del sys.modules["ssl"]
    return run_events


def read_event(source: str | None, event: str | None, file: Path | None) -> bytes:
    """The bytes of the event, from the one place that the user named."""
    if sum(given is not None for given in (source, event, file)) > 1:
        raise click.UsageError("more than one event; pass one of -e, -f and -")
    if event is not None:
        return os.fsencode(event)
    try:
        if file is not None:
            return file.read_bytes()
        if source is not None:
            return sys.stdin.buffer.read()
        return b"{}" if sys.stdin.isatty() else sys.stdin.buffer.read() or b"{}"
    except OSError as error:
        raise click.UsageError(f"cannot read the event from {file or 'standard input'}: {error.strerror}") from error
