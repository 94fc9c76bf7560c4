"""The options' defaults for `dispatch serve` in a dispatch.toml, which can be read again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from runtime.local.config import dispatch_toml
from runtime.local.config.likely import unknown_key
from runtime.local.config.values import scalar_text, shown
from runtime.local.function import FunctionSettingError

#: The key of the command line's arguments in a context.
ARGUMENTS = "runtime.cli.serve_defaults.arguments"


def set_defaults(ctx: click.Context, _param: click.Parameter, path: Path | None) -> Path | None:
    """Take defaults of options from the file; the command line and variables win over them."""
    usual = Path("dispatch.toml")
    path = path or (usual.resolve() if usual.is_file() else None)
    if path is not None and path.suffix == ".toml":
        try:
            keys = {
                name.replace("-", "_"): value for name, value in dispatch_toml.read(path).items() if name != "functions"
            }
        except FunctionSettingError as error:
            raise click.BadParameter(str(error)) from error
        known = {param.name or "" for param in ctx.command.params} | {"functions"}
        unknown = sorted(set(keys) - known)
        if unknown:
            raise click.BadParameter(f"{path}: {unknown_key(unknown[0], sorted(known))}")
        if isinstance(keys.get("env"), dict):
            keys["env"] = [f"{name}={scalar_text(value)}" for name, value in keys["env"].items()]
        if isinstance(keys.get("plugins"), list):
            keys["plugins"] = " ".join(map(str, keys["plugins"]))
        for param in ctx.command.params:
            if param.name in keys:
                check_kind(path, param, keys[param.name])
        ctx.default_map = keys
    return path


def check_kind(path: Path, param: click.Parameter, value: Any) -> None:
    """Raise BadParameter for a key that has not the kind of value that its option takes."""
    if param.multiple:
        fits, kind = isinstance(value, list), "a list or a table"
    elif isinstance(param, click.Option) and param.is_bool_flag:
        fits, kind = isinstance(value, bool), "true or false"
    elif isinstance(param.type, click.types.IntParamType):
        fits, kind = isinstance(value, int) and not isinstance(value, bool), "a whole number"
    elif isinstance(param.type, click.types.FloatParamType):
        fits, kind = isinstance(value, int | float) and not isinstance(value, bool), "a number"
    else:
        fits, kind = isinstance(value, str) and "\0" not in value, "text"
    if not fits:
        raise click.BadParameter(f"{path}: {param.name} must be {kind}, not {shown(value)}")


class Rereadable(click.Command):
    """A command whose options can be parsed again, after the file with their defaults has changed."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments, and keep them."""
        ctx.meta[ARGUMENTS] = [*args]
        return super().parse_args(ctx, args)


def read_again(ctx: click.Context) -> dict[str, Any]:
    """Parse the options again."""
    try:
        return ctx.command.make_context(ctx.info_name, [*ctx.meta[ARGUMENTS]], ctx.parent).params
    except click.UsageError as error:
        raise FunctionSettingError(error.format_message()) from error
