"""`dispatch build`: layers, function archives, the self-contained bootstrap, and what would fail in an archive."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from runtime.cli import options
from runtime.package import bootstrap as bootstraps
from runtime.package import check as checks
from runtime.package import function as functions
from runtime.package import layer as layers
from runtime.package.archive import Sizes, megabytes
from runtime.package.errors import PackageError
from runtime.package.target import MACHINES, MAX_UNZIPPED, MAX_ZIPPED, PYTHONS, RUNTIMES, Target, here
from runtime.package.work import Built

F = TypeVar("F", bound=Callable[..., Any])
FILE = click.Path(dir_okay=False, resolve_path=True, path_type=Path)
EXISTING = click.Path(exists=True, dir_okay=False, resolve_path=True, path_type=Path)


@click.group("build")
def command() -> None:
    """Make layers and function archives for AWS Lambda, on any machine.

    Example: dispatch build function hello.py -o hello.zip --standalone
    """


def target(function: F) -> F:
    """--python VERSION and --arch NAME; by default those of this machine."""
    usual = here()
    python = click.option(
        "--python", type=click.Choice(PYTHONS), default=usual.python, show_default=True, help="The Python it is for."
    )
    arch = click.option(
        "--arch", type=click.Choice(list(MACHINES)), default=usual.arch, show_default=True, help="The processor."
    )
    return python(arch(function))


def output(function: F) -> F:
    """-o FILE."""
    return click.option("-o", "--output", "file", type=FILE, required=True, help="The file to make.")(function)


def requirement_files(function: F) -> F:
    """-r FILE."""
    return click.option(
        "-r", "--requirement", "files", type=EXISTING, multiple=True, help="A requirements file; repeatable."
    )(function)


def requirements(function: F) -> F:
    """--with REQUIREMENT."""
    return click.option(
        "--with", "requirements", metavar="REQUIREMENT", multiple=True, help="A library to put in; repeatable."
    )(function)


@command.command("layer", epilog="Example: dispatch build layer -o layer.zip --python 3.13 --arch arm64 --with numpy")
@output
@target
@requirements
@requirement_files
@click.option("--interpreter", is_flag=True, help="Put a Python in as well, for provided.al2023.")
@options.as_json
def layer(
    file: Path,
    python: str,
    arch: str,
    requirements: tuple[str, ...],
    files: tuple[Path, ...],
    interpreter: bool,
    as_json: bool,
) -> None:
    """Make a layer: the runtime, what it requires, and other libraries.

    On AWS's Python runtimes it is used by the variable AWS_LAMBDA_EXEC_WRAPPER=/opt/dispatch; with --interpreter also
    on provided.al2023, by its bootstrap.
    """
    with reported(as_json) as progress:
        built = layers.build(
            file,
            Target(python, arch),
            requirements=requirements,
            files=files,
            with_interpreter=interpreter,
            progress=progress,
        )
        show_built(built, as_json)


@command.command("function", epilog="Example: dispatch build function hello.py -o hello.zip --standalone --arch arm64")
@click.argument("source", type=click.Path(exists=True, resolve_path=True, path_type=Path))
@output
@target
@requirements
@requirement_files
@click.option(
    "--standalone", is_flag=True, help="Put runtime and Python in as well, for provided.al2023 without layers."
)
@options.as_json
def function(
    source: Path,
    file: Path,
    python: str,
    arch: str,
    requirements: tuple[str, ...],
    files: tuple[Path, ...],
    standalone: bool,
    as_json: bool,
) -> None:
    """Make a function archive from SOURCE: a script, a module or a folder, with what it requires.

    Without -r, a folder's own requirements.txt counts; a script's inline metadata (# /// script) always does. FILE may
    be a .zip, or a .pyz for a handler string to name.
    """
    with reported(as_json) as progress:
        built = functions.build(
            source,
            file,
            Target(python, arch),
            requirements=requirements,
            files=files,
            standalone=standalone,
            progress=progress,
        )
        show_built(built, as_json)


@command.command("bootstrap", epilog="Example: dispatch build bootstrap -o bootstrap")
@output
@target
@options.as_json
def bootstrap(file: Path, python: str, arch: str, as_json: bool) -> None:
    """Make the runtime with a Python inside, which needs nothing of the system but its C library and a shell.

    FILE is one executable file; with a name that ends in .zip it is an archive with `bootstrap` at its top, a layer for
    provided.al2023, whose first start is faster.
    """
    with reported(as_json) as progress:
        show_built(bootstraps.build(file, Target(python, arch), progress=progress), as_json)


@command.command(
    "check", epilog="Example: dispatch build check function.zip --handler app.handler --runtime python3.13"
)
@click.argument("archive", type=EXISTING)
@click.option("--kind", type=click.Choice(["layer", "function"]), help="What it is; by default what it looks like.")
@click.option("--python", type=click.Choice(PYTHONS), help="The Python it is to run on.")
@click.option("--arch", type=click.Choice(list(MACHINES)), help="The processor it is to run on.")
@click.option("--runtime", type=click.Choice(RUNTIMES), help="Lambda's runtime it is to run on.")
@click.option("--handler", metavar="HANDLER", help="The handler string to look for.")
@options.as_json
def check(archive: Path, as_json: bool, **told: str | None) -> None:
    """Say what in ARCHIVE would fail in Lambda; the status is 1 if anything would.

    ARCHIVE may be made by anything. What is not told is taken from what is inside.
    """
    with reported(as_json):
        report = checks.check(archive, **{name: value for name, value in told.items() if value is not None})
    if as_json:
        click.echo(json.dumps(report.as_json()))
    else:
        show_report(report)
    sys.exit(0 if report.passed else 1)


@contextmanager
def reported(as_json: bool) -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar on standard error, and errors for people, and for programs if they asked."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=as_json or not sys.stderr.isatty(),
    )
    task = bar.add_task("starting", total=1)

    def progress(what: str, done: int, total: int) -> None:
        bar.update(task, description=what, completed=done, total=total)

    try:
        with bar:
            yield progress
    except PackageError as error:
        if as_json:
            click.echo(json.dumps({"error": str(error)}))
        raise click.ClickException(str(error)) from error


def show_built(built: Built, as_json: bool) -> None:
    """What was made, and what it weighs against Lambda's limits."""
    if as_json:
        click.echo(json.dumps(built.as_json()))
        return
    click.echo(f"{built.file}: {built.sizes.files} files, {built.compiled} modules compiled")
    if built.interpreter:
        click.echo(f"Python {built.interpreter.version} inside")
    show_sizes(built.sizes)
    if built.libraries:
        click.echo("inside: " + ", ".join(built.libraries))
    if built.handlers:
        click.echo("handlers: " + ", ".join(built.handlers))
    for note in built.notes:
        click.echo(click.style("note: ", fg="yellow") + note, err=True)


def show_sizes(sizes: Sizes) -> None:
    """Sizes beside limits, as a table."""
    table = Table("", "size", "limit", "used")
    for name, size, limit in (("zipped", sizes.zipped, MAX_ZIPPED), ("unzipped", sizes.unzipped, MAX_UNZIPPED)):
        style = "red" if size > limit else None
        table.add_row(name, megabytes(size), megabytes(limit), f"{size / limit:.0%}", style=style)
    Console().print(table)


def show_report(report: checks.Report) -> None:
    """What was found, errors first."""
    of = " ".join(part for part in (report.arch, report.python and f"Python {report.python}") if part)
    click.echo(f"{report.file}: a {report.kind}" + (f" for {of}" if of else ""))
    show_sizes(report.sizes)
    colours = {"error": "red", "warning": "yellow"}
    for finding in report.findings:
        where = f"{finding.where} " if finding.where else ""
        level = click.style(f"{finding.level} ({finding.check}): ", fg=colours[finding.level])
        click.echo(f"{level}{where}{finding.message}")
    if not report.findings:
        click.echo("nothing found that would fail")
