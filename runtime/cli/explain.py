"""`dispatch explain`: what a handler string names, which convention takes it and why, or why not."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from dispatch import load, locate
from dispatch.errors import DispatchError
from runtime.cli import options


@click.command(epilog="Example: dispatch explain app.handler --convention json")
@click.argument("handler")
@options.root
@options.convention
@options.env
@click.option("--plugins", "plugin_setting", metavar="NAMES", help="As HANDLER_PLUGINS; wins over it.")
@click.option("--imports", is_flag=True, help="Start the runtime and show what each import of a cold start costs.")
@options.as_json
def command(
    handler: str,
    root: Path,
    convention: str,
    env: dict[str, str],
    plugin_setting: str | None,
    imports: bool,
    as_json: bool,
) -> None:
    """Say what HANDLER names, which convention takes it and why.

    Only plugins are imported, and then the handler's own module, to see whether it can be loaded; no event is handled.
    """
    if imports:
        settings = {"HANDLER_CONVENTION": convention, "HANDLER_PLUGINS": plugin_setting or ""}
        _show_imports(
            handler, str(root), {**env, **{name: value for name, value in settings.items() if value}}, as_json
        )
        return
    os.environ.update(env)
    convention = convention or os.environ.get("HANDLER_CONVENTION") or load.AUTO
    setting = os.environ.get("HANDLER_PLUGINS", "") if plugin_setting is None else plugin_setting
    facts = explain(handler, str(root), convention, setting)
    click.echo(json.dumps(facts) if as_json else _in_words(facts))
    sys.exit(0 if facts["usable"] else 1)


def explain(handler: str, root: str, convention: str, setting: str) -> dict[str, Any]:
    """What there is to say, as plain values."""
    facts: dict[str, Any] = {"handler": handler, "root": root, "asked": convention, "plugins": [], "usable": False}
    os.chdir(root)
    try:
        choice = load.choose(handler, root, convention, setting)
        facts["plugins"] = [
            {"plugin": name, "says": claim.description if claim else None} for name, claim in choice.said
        ]
        facts["names"] = choice.target.description
        facts["convention"] = choice.name
        facts["why"] = _why(choice, convention)
        choice.load()
        facts["usable"] = True
    except DispatchError as error:
        facts.setdefault("names", locate.locate(handler, root).description)
        facts["error"] = {"type": error.error_type, "message": str(error)}
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's module may raise anything while it is imported
        facts["error"] = {"type": type(error).__name__, "message": str(error)}
    return facts


def _why(choice: load.Choice, asked: str) -> str:
    if asked != load.AUTO:
        return "it was asked for"
    claimed = next((name for name, claim in choice.said if claim is not None), None)
    if claimed is not None:
        return f"the plugin {claimed} claims the handler string"
    return f"auto takes it for {_KINDS.get(choice.target.convention, choice.target.description)}"


def _show_imports(handler: str, root: str, environment: dict[str, str], as_json: bool) -> None:
    from runtime.local.imports import measure

    imports, log = measure(handler, root, environment)
    if as_json:
        click.echo(json.dumps([entry._asdict() for entry in imports]))
    else:
        click.echo(f"{'alone':>8} {'with its own':>14}  module (milliseconds)")
        for entry in sorted(imports, key=lambda entry: -entry.alone):
            click.echo(f"{entry.alone / 1000:8.2f} {entry.with_others / 1000:14.2f}  {entry.module}")
        click.echo(f"{sum(entry.alone for entry in imports) / 1000:8.2f} {'':14}  {len(imports)} modules in all")
    if log:
        click.echo(log, err=True)


_KINDS = {
    "script": "an existing script file",
    "process": "an executable file",
    "standard": "a dotted name",
    "expression": "anything else",
}


def _in_words(facts: dict[str, Any]) -> str:
    lines = [f"{facts['handler']!r} in {facts['root']}"]
    lines += [f"  the plugin {said['plugin']} says: {said['says'] or 'not mine'}" for said in facts["plugins"]]
    if "names" in facts:
        lines.append(f"  names       {facts['names']}")
    if "convention" in facts:
        lines.append(f"  convention  {facts['convention']}, because {facts['why']}")
    if "error" in facts:
        lines.append(f"  not usable  {facts['error']['type']}: {facts['error']['message']}")
    else:
        lines.append("  usable      yes")
    return "\n".join(lines)
