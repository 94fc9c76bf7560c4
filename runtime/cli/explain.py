"""`dispatch explain`: shows what a handler string names, and which convention takes it and why, or why none does."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from dispatch import load, locate
from dispatch.discovery import AUTO
from runtime.cli import interrupt, options
from runtime.cli.apart import apart
from runtime.cli.pythons import is_tool
from runtime.local.config import dispatch_toml
from runtime.local.environments.variables import variables
from runtime.local.function import FunctionConfig, FunctionSettingError
from runtime.package.recognition import recognised
from runtime.settings import Settings


@click.command(epilog="Example: dispatch explain app.handler --convention json")
@click.argument("handler")
@options.root
@options.convention
@options.env
@options.plugins
@click.option("--imports", is_flag=True, help="Start the runtime and show the cost of each import of a cold start.")
@options.as_json
@click.pass_context
def command(
    ctx: click.Context,
    handler: str,
    root: Path,
    convention: str,
    env: dict[str, str],
    plugins: str | None,
    imports: bool,
    as_json: bool,
) -> None:
    """Show what HANDLER names, which convention calls it, and why.

    This imports the plugins, then the handler's own module to see whether it loads; it handles no event. The status is
    1 if the handler cannot be used.
    """
    environment = options.environment(env, handler, convention, plugins)
    try:
        function = FunctionConfig(handler=handler, root=root, convention=convention, environment=environment)
    except FunctionSettingError as error:
        raise click.UsageError(str(error)) from error
    if imports:
        sys.exit(0 if _show_imports(function, as_json) else 1)
    if is_tool():
        click.echo(
            f"dispatch: explained on {sys.executable}, which has this command's libraries; `dispatch run` runs the "
            "function on the project's Python",
            err=True,
        )
    facts = explain(function, named_by(ctx, env))
    click.echo(json.dumps(facts) if as_json else _in_words(facts))
    sys.exit(0 if facts["usable"] else 1)


def named_by(ctx: click.Context, env: Mapping[str, str]) -> str:
    """The flag or the variable that names the convention, in the order in which they count; empty if none does."""
    source = ctx.get_parameter_source("convention")
    if ctx.params["convention"]:
        return (
            "--convention"
            if source is ParameterSource.COMMANDLINE
            else f"the variable {ctx.auto_envvar_prefix}_CONVENTION"
        )
    if env.get("HANDLER_CONVENTION"):
        return "--env HANDLER_CONVENTION"
    return "the variable HANDLER_CONVENTION" if os.environ.get("HANDLER_CONVENTION") else ""


def served_by(file: Path, function: FunctionConfig) -> list[dict[str, str]]:
    """The functions of the file that `dispatch serve` would find, with this handler and a convention of their own."""
    try:
        listed = dispatch_toml.functions(
            dispatch_toml.read(file), file.resolve().parent, replace(function, convention="")
        )
    except FunctionSettingError:  # there is no such file, or `serve` says what is wrong with it
        return []
    return [
        {"function": one.name, "file": file.name, "convention": one.convention}
        for one in listed
        if one.convention and (one.handler, one.folder) == (function.handler, function.folder)
    ]


def explain(function: FunctionConfig, named: str = "") -> dict[str, Any]:
    """All facts about a handler string, as plain values; `named` is the setting that names the convention."""
    environment, root = variables(function, "", ""), str(function.root)
    facts: dict[str, Any] = {
        "handler": function.handler,
        "root": root,
        "asked": environment.get("HANDLER_CONVENTION") or AUTO,
        "plugins": [],
        "usable": False,
        **apart(lambda: _facts(function.handler, environment, named)),
    }
    facts["served"] = served_by(Path("dispatch.toml"), function)
    facts.setdefault("names", locate.locate(function.handler, root).description)
    if facts["asked"] == AUTO:
        written_for = recognised(function.handler, root)
        if written_for is not None:
            facts["looksLike"] = asdict(written_for)
            facts["advice"] = written_for.advice(function.handler)
    return facts


def _facts(handler: str, environment: dict[str, str], named: str) -> Iterator[dict[str, Any]]:
    """The facts that each step of the runtime's own start brings out."""
    os.environ.clear()
    os.environ.update(environment)
    settings = Settings.from_environ(os.environ, handler)
    concurrent = import_module("runtime.concurrent") if settings.concurrency else None
    os.chdir(settings.root)
    choice = load.choose(settings.handler, settings.root, settings.convention, settings.plugins)
    yield {
        "plugins": [{"plugin": name, "says": claim.description if claim else None} for name, claim in choice.claims],
        "names": choice.target.description,
        "convention": choice.name,
        "why": choice.chosen_by or f"{named} names it",
        "events": "any" if getattr(choice.convention, "accepts_any_event", False) else "",
    }
    loaded = choice.load()
    if concurrent:
        concurrent.check(loaded)
    yield {"usable": True}


def _show_imports(function: FunctionConfig, as_json: bool) -> bool:
    """Print the imports of a start; return whether the runtime started."""
    from runtime.cli.run_events import print_error
    from runtime.local.environments.import_times import measure

    imports, log, failure = interrupt.run_on_loop(measure(function))
    if as_json:
        click.echo(json.dumps([entry._asdict() for entry in imports]))
    else:
        click.echo(f"{'itself':>8} {'with imports':>14}  module (milliseconds)")
        for entry in sorted(imports, key=lambda entry: -entry.alone):
            click.echo(f"{entry.alone / 1000:8.2f} {entry.with_others / 1000:14.2f}  {entry.module}")
        click.echo(f"{sum(entry.alone for entry in imports) / 1000:8.2f} {'':14}  {len(imports)} modules in all")
    if log:
        click.echo(log, err=True)
    if failure:
        print_error(failure, log, function)
    return failure is None


def _in_words(facts: dict[str, Any]) -> str:
    lines = [f"{facts['handler']!r} in {facts['root']}"]
    lines += [f"  plugin      {said['plugin']}: {said['says'] or 'does not claim it'}" for said in facts["plugins"]]
    if "names" in facts:
        lines.append(f"  names       {facts['names']}")
    if "convention" in facts:
        lines.append(f"  convention  {facts['convention']}: {facts['why']}")
    for one in facts["served"]:
        lines.append(
            "  in file     {convention} in `dispatch serve`: [functions.{function}] in {file} names it".format(**one)
        )
    if facts.get("events"):
        lines.append(
            f"  events      {facts['events']}; Lambda's Invoke accepts only JSON, so send others through "
            "a function URL or S3"
        )
    if "advice" in facts:
        lines.append(f"  looks like  {facts['looksLike']['convention']}: {facts['advice']}")
    if "error" in facts:
        lines.append(f"  usable      no, {facts['error']['type']}: {facts['error']['message']}")
    else:
        lines.append("  usable      yes")
    return "\n".join(lines)
