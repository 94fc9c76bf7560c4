"""`dispatch plugins`: lists every plugin with its origin, what it offers, what its import costs, and its state."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dispatch import __version__, variables
from dispatch.discovery import DISTRIBUTION, Source, installed, requested
from dispatch.plugins import load_plugins
from runtime.cli import options, terminal
from runtime.cli.apart import apart
from runtime.cli.extras import require

if TYPE_CHECKING:
    from importlib.metadata import Distribution

#: The columns of the table, and the key of each in a row.
COLUMNS = {
    "plugin": "name",
    "distribution": "distribution",
    "version": "version",
    "conventions": "conventions",
    "hooks": "hooks",
    "import ms": "importMs",
    "state": "state",
}

#: Plugins whose import takes at least this many milliseconds are shown in bold: it is the cost of pluggy, which every
#: plugin adds to a cold start anyway (dispatch/load.py).
HEAVY = 15


@click.command(epilog="Example: dispatch plugins --json")
@options.root
@options.plugins
@options.as_json
def command(root: Path, plugins: str | None, as_json: bool) -> None:
    """List every plugin with its distribution, version, conventions, hooks, cost and state.

    The cost is the time that the plugin's import takes, including the libraries that it is the first to import.
    """
    require("local")
    setting = os.environ.get("HANDLER_PLUGINS", "") if plugins is None else plugins
    facts = apart(lambda: _facts(str(root), setting))
    if "error" in facts:
        raise click.ClickException("{type}: {message}".format(**facts["error"]))
    if as_json:
        click.echo(json.dumps(facts["rows"]))
    else:
        _print(facts["rows"])
    if facts["missing"]:
        raise click.ClickException("; ".join(facts["missing"]))


def all_plugins(setting: str) -> list[Source]:
    """Load all plugins, those of `HANDLER_PLUGINS` too; a broken one is among them, and raises nothing."""
    asked, blocked = requested(setting)
    named = [Source(name, name) for name in asked]
    return load_plugins([*installed(sys.path), *named], (), blocked, traced=variables.traces_plugins()).sources


def _facts(root: str, setting: str) -> Iterator[dict[str, Any]]:
    sys.path.insert(0, root)
    sources, (asked, _) = all_plugins(setting), requested(setting)
    missing = [one for one in sources if one.reference in asked and one.state.startswith("broken")]
    yield {
        "rows": [_row(source) for source in sources],
        "missing": [f"HANDLER_PLUGINS asks for {one.reference}, which is {one.state}" for one in missing],
    }


def _row(source: Source) -> dict[str, Any]:
    found = _distribution(source.distribution)
    unmet = _unmet(found) if found else ""
    return {
        "name": source.name,
        "distribution": found.metadata["Name"] if found else source.distribution,
        "version": found.version if found else source.version,
        "conventions": source.conventions,
        "hooks": source.hooks,
        "importMs": None if source.import_time is None else round(source.import_time * 1000, 3),
        "state": source.state if not unmet else _with(source.state, f"requires {unmet}; this is {__version__}"),
    }


def _with(state: str, problem: str) -> str:
    return f"{state}, but {problem}" if state == "ok" else f"{state}; {problem}"


def _distribution(name: str) -> Distribution | None:
    # Imported after the plugins, as packaging is: otherwise their own imports of it would seem to cost nothing.
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        return distribution(name) if name else None
    except PackageNotFoundError:
        return None


def _unmet(found: Distribution) -> str:
    """What a distribution requires of this project, in its dependencies or any extra, that this version is not."""
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    unmet = {}
    for line in found.requires or ():
        try:
            one = Requirement(line)
        except InvalidRequirement:
            continue
        if canonicalize_name(one.name) != DISTRIBUTION or one.specifier.contains(__version__, prereleases=True):
            continue
        extras = ["", *(found.metadata.get_all("Provides-Extra") or ())]
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras):
            unmet[f"{DISTRIBUTION}{one.specifier}"] = True
    return " and ".join(unmet)


def _print(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in COLUMNS:
        is_number = title == "import ms"
        table.add_column(
            title, overflow="fold", no_wrap=is_number or title == "plugin", justify="right" if is_number else "left"
        )
    for row in rows:
        # What dispatch_conventions returns has a column of its own.
        hooks = [hook.removeprefix("dispatch_") for hook in row["hooks"] if hook != "dispatch_conventions"]
        cells = [_cell({**row, "hooks": hooks}[key]) for key in COLUMNS.values()]
        table.add_row(*cells, style="bold" if (row["importMs"] or 0) >= HEAVY else None)
    # Without markup: a state may have brackets.
    console = Console(markup=False, emoji=False, highlight=False, **terminal.for_rich())
    if console.is_terminal:
        console.print(table)
        return
    # Another program reads it, which must not find a row in two lines.
    console.width = console.measure(table, options=console.options.update(max_width=sys.maxsize)).maximum
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def _cell(value: Any) -> str:
    """A value in one line."""
    if isinstance(value, list):
        return ", ".join(value)
    if isinstance(value, float):
        return f"{value:.1f}"
    return " ".join((value or "").split())
