"""`dispatch plugins`: lists every plugin with its origin, what it offers, and its state."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import click

from dispatch.discovery import Source, installed, requested
from dispatch.plugins import load_plugins
from runtime.cli import options
from runtime.cli.apart import apart

#: The width of a table that another program reads, which must not find a name in two lines.
_WIDEST = 1000


@click.command(epilog="Example: dispatch plugins --json")
@options.root
@click.option("--plugins", "plugin_setting", metavar="NAMES", help="The plugins, instead of HANDLER_PLUGINS.")
@options.as_json
def command(root: Path, plugin_setting: str | None, as_json: bool) -> None:
    """List every plugin with its distribution, version, conventions, hooks and state."""
    setting = os.environ.get("HANDLER_PLUGINS", "") if plugin_setting is None else plugin_setting
    facts = apart(lambda: _facts(str(root), setting))
    if "error" in facts:
        raise click.ClickException("{type}: {message}".format(**facts["error"]))
    if as_json:
        click.echo(json.dumps(facts["rows"]))
    else:
        _print(facts["rows"])
    if facts["missing"]:
        raise click.ClickException("; ".join(facts["missing"]))


def _facts(root: str, setting: str) -> Iterator[dict[str, Any]]:
    sys.path.insert(0, root)
    asked, blocked = requested(setting)
    # Treated as installed ones, so that a broken one is listed, not raised.
    named = [Source(name, name) for name in asked]
    sources = load_plugins([*installed(sys.path), *named], (), blocked).sources
    missing = [one for one in sources if one.reference in asked and one.state.startswith("broken")]
    yield {
        "rows": [_row(source) for source in sources],
        "missing": [f"HANDLER_PLUGINS asks for {one.reference}, which is {one.state}" for one in missing],
    }


def _row(source: Source) -> dict[str, Any]:
    name, version = source.distribution, source.version
    try:
        found = distribution(name) if name else None
    except PackageNotFoundError:
        found = None
    return {
        "name": source.name,
        "distribution": found.metadata["Name"] if found else name,
        "version": found.version if found else version,
        "conventions": source.conventions,
        "hooks": source.hooks,
        "state": source.state,
    }


def _print(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("plugin", "distribution", "version", "conventions", "hooks", "state"):
        table.add_column(title, overflow="fold", no_wrap=title == "plugin")
    for row in rows:
        hooks = ", ".join(hook.removeprefix("dispatch_") for hook in row["hooks"])
        table.add_row(
            row["name"], row["distribution"], row["version"], ", ".join(row["conventions"]), hooks, row["state"]
        )  # fmt: skip
    console = Console()
    if not console.is_terminal:
        console.width = _WIDEST
    console.print(table)
