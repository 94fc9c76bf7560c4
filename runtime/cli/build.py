"""`dispatch build`: layers, function archives, the self-contained bootstrap, and what would fail in an archive."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from runtime.cli import extras, options, terminal
from runtime.cli.options import F
from runtime.package.archive import Sizes, megabytes
from runtime.package.errors import PackageError
from runtime.package.progress import OnProgress
from runtime.package.target import MACHINES, MAX_UNZIPPED, MAX_ZIPPED, PYTHONS, RUNTIMES, BuildTarget

if TYPE_CHECKING:  # they import libraries of the extra `build`, which --help does without
    from runtime.package.check import CheckReport
    from runtime.package.staging import Built

FILE = click.Path(dir_okay=False, resolve_path=True, path_type=Path)
EXISTING = click.Path(exists=True, dir_okay=False, resolve_path=True, path_type=Path)


@click.group("build")
def command() -> None:
    """Build layers and function archives for AWS Lambda, on any machine.

    Example: dispatch build function hello.py -o hello.zip --standalone
    """


def target_options(function: F) -> F:
    """--python VERSION and --arch NAME, by default those of this machine."""
    usual = BuildTarget.here()
    python = click.option(
        "--python", type=click.Choice(PYTHONS), default=usual.python, show_default=True, help="The Python to build for."
    )
    arch = click.option(
        "--arch",
        type=click.Choice(list(MACHINES)),
        default=usual.arch,
        show_default=True,
        help="The processor to build for.",
    )
    return python(arch(function))


def output_option(function: F) -> F:
    """-o FILE."""
    return click.option("-o", "--output", "file", type=FILE, required=True, help="The output file.")(function)


def library_options(function: F) -> F:
    """--with REQUIREMENT and -r FILE."""
    library = click.option(
        "--with", "requirements", metavar="REQUIREMENT", multiple=True, help="A library to include; repeatable."
    )
    file = click.option(
        "-r",
        "--requirement",
        "files",
        type=EXISTING,
        multiple=True,
        help="A requirements file, lock file or pyproject.toml; repeatable.",
    )
    return library(file(function))


@command.command("layer", epilog="Example: dispatch build layer -o layer.zip --python 3.13 --arch arm64 --with numpy")
@output_option
@target_options
@library_options
@click.option("--interpreter", is_flag=True, help="Include a Python, for provided.al2023.")
@options.as_json
def layer_command(
    file: Path,
    python: str,
    arch: str,
    requirements: tuple[str, ...],
    files: tuple[Path, ...],
    interpreter: bool,
    as_json: bool,
) -> None:
    """Build a layer: the runtime, its requirements, and other libraries.

    AWS's Python runtimes start it if AWS_LAMBDA_EXEC_WRAPPER is /opt/dispatch. With --interpreter, provided.al2023
    starts its bootstrap.
    """
    with reported(as_json, "build") as progress:
        from runtime.package.layer import build_layer

        built = build_layer(
            file,
            BuildTarget(python, arch),
            requirements=requirements,
            files=files,
            with_interpreter=interpreter,
            progress=progress,
        )
    show_built(built, as_json)


@command.command("function", epilog="Example: dispatch build function hello.py -o hello.zip --standalone --arch arm64")
@click.argument("source", type=click.Path(exists=True, resolve_path=True, path_type=Path))
@output_option
@target_options
@library_options
@click.option(
    "--standalone", is_flag=True, help="Include the runtime and a Python, for provided.al2023 without layers."
)
@options.as_json
def function_command(
    source: Path,
    file: Path,
    python: str,
    arch: str,
    requirements: tuple[str, ...],
    files: tuple[Path, ...],
    standalone: bool,
    as_json: bool,
) -> None:
    """Build a function archive from SOURCE, a script, a module or a folder, with its requirements.

    Without -r, a folder's own requirements.txt counts; a script's inline metadata (# /// script) always counts. The
    output is a .zip, or a .pyz for a handler string to name.
    """
    with reported(as_json, "build") as progress:
        from runtime.package.function import build_function

        built = build_function(
            source,
            file,
            BuildTarget(python, arch),
            requirements=requirements,
            files=files,
            standalone=standalone,
            progress=progress,
        )
    show_built(built, as_json)


@command.command("bootstrap", epilog="Example: dispatch build bootstrap -o bootstrap")
@output_option
@target_options
@options.as_json
def bootstrap_command(file: Path, python: str, arch: str, as_json: bool) -> None:
    """Build the runtime with a Python inside, which needs only a C library and a shell.

    The output is one executable file. If its name ends in .zip, it is an archive with `bootstrap` at its top: a layer
    for provided.al2023, whose first start is faster.
    """
    with reported(as_json, "build") as progress:
        from runtime.package.bootstrap import build_bootstrap

        built = build_bootstrap(file, BuildTarget(python, arch), progress=progress)
    show_built(built, as_json)


@command.command(
    "check", epilog="Example: dispatch build check function.zip --handler app.handler --runtime python3.13"
)
@click.argument("archive", type=EXISTING)
@click.option(
    "--kind", type=click.Choice(["layer", "function"]), help="The archive's kind; by default, its contents decide."
)
@click.option("--python", type=click.Choice(PYTHONS), help="The Python that runs it.")
@click.option("--arch", type=click.Choice(list(MACHINES)), help="The processor that runs it.")
@click.option("--runtime", type=click.Choice(RUNTIMES), help="The Lambda runtime that runs it.")
@click.option("--handler", metavar="HANDLER", help="The handler string to look for.")
@options.convention
@options.as_json
def check_command(archive: Path, as_json: bool, **known: str | None) -> None:
    """Find what would fail on Lambda in ARCHIVE; the status is 1 if anything would.

    Any tool may have built ARCHIVE. Its contents decide what the options leave open.
    """
    with reported(as_json, "build"):
        from runtime.package.check import check_archive

        report = check_archive(archive, **{name: value for name, value in known.items() if value is not None})
    if as_json:
        click.echo(json.dumps(report.as_json()))
    else:
        show_report(report)
    sys.exit(0 if report.passed else 1)


@contextmanager
def reported(as_json: bool, *needed: str) -> Iterator[OnProgress]:
    """A progress bar on standard error, and errors in words and, if asked for, in JSON.

    Args:
        as_json: whether JSON was asked for.
        needed: the extras to require first.
    """
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True, **terminal.for_rich()),
        transient=True,
        disable=as_json or not sys.stderr.isatty(),
    )
    task = bar.add_task("starting", total=1)

    def progress(what: str, done: int, total: int) -> None:
        bar.update(task, description=what, completed=done, total=total)

    try:
        extras.require(*needed)
        with bar:
            yield progress
    except (PackageError, extras.MissingExtra) as error:
        if as_json:
            click.echo(json.dumps({"error": str(error)}))
        raise click.ClickException(str(error)) from error


def show_built(built: Built, as_json: bool) -> None:
    """Print the archive's contents, and its sizes beside Lambda's limits."""
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
        named = (
            f"{each} ({built.conventions[each]})" if each in built.conventions else each for each in built.handlers
        )
        click.echo("handlers: " + ", ".join(named))
    for note in built.notes:
        click.echo(click.style("note: ", fg="yellow") + note, err=True)


def show_sizes(sizes: Sizes) -> None:
    """Print sizes beside limits, as a table."""
    table = Table("", "size", "limit", "used")
    for name, size, limit in (("zipped", sizes.zipped, MAX_ZIPPED), ("unzipped", sizes.unzipped, MAX_UNZIPPED)):
        style = "red" if size > limit else None
        table.add_row(name, megabytes(size), megabytes(limit), f"{size / limit:.0%}", style=style)
    Console(**terminal.for_rich()).print(table)


def show_report(report: CheckReport) -> None:
    """Print the findings, errors first."""
    of = " ".join(part for part in (report.arch, report.python and f"Python {report.python}") if part)
    click.echo(f"{report.file}: a {report.kind or 'zip archive'}" + (f" for {of}" if of else ""))
    show_sizes(report.sizes)
    colours = {"error": "red", "warning": "yellow"}
    for finding in report.findings:
        click.echo(f"{click.style(f'{finding.level} ({finding.check}):', fg=colours[finding.level])} {finding}")
    if not report.findings:
        click.echo("found nothing that would fail")
