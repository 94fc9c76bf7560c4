"""`dispatch.toml`: many functions in one file, and settings for the server.

port = 9000                       # every option of `dispatch serve` is a key

[functions.hello]
handler = "app.handler"
convention = "json"
environment = { GREETING = "Hello" }
url = { streaming = true, cors = { AllowOrigins = ["http://localhost:3000"] } }
asynchronous = { retries = 0, on_failure = "failed.jsonl" }

[[functions.hello.sources]]
sqs = "greetings"
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from runtime.local.config.likely import unknown_key
from runtime.local.config.source_tables import sources
from runtime.local.config.toml_values import as_table, is_a, read_keys
from runtime.local.config.values import scalar_text, shown
from runtime.local.function import AsyncSettings, FunctionConfig, FunctionSettingError, UrlSettings
from runtime.local.source import Source

T = TypeVar("T")

#: The keys of a function URL's cross-origin rules (botocore's service model, shape Cors).
CORS: Final = ("AllowCredentials", "AllowHeaders", "AllowMethods", "AllowOrigins", "ExposeHeaders", "MaxAge")


def read(path: Path) -> dict[str, Any]:
    """Read the file.

    Raises:
        FunctionSettingError: it is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise FunctionSettingError(f"{path}: {error}") from error


def functions(settings: Mapping[str, Any], folder: Path, defaults: FunctionConfig) -> list[FunctionConfig]:
    """Return the functions that a file describes.

    Args:
        settings: the file as `read` returns it.
        folder: the file's folder, to which paths are relative.
        defaults: the settings that a function's table leaves out.

    Raises:
        FunctionSettingError: a key or a value is wrong; the message names its place.
    """
    tables = settings.get("functions", {})
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise FunctionSettingError("[functions] must have a table for each function: [functions.NAME]")
    return [_function(name, table, folder, defaults) for name, table in tables.items()]


def _function(name: str, table: Mapping[str, Any], folder: Path, defaults: FunctionConfig) -> FunctionConfig:
    unknown = sorted(set(table) - set(READERS))
    if unknown:
        raise FunctionSettingError(f"[functions.{name}]: {unknown_key(unknown[0], READERS)}")
    changes: dict[str, Any] = {"name": name}
    for key, value in table.items():
        setting, read_value = READERS[key]
        try:
            changes[setting] = read_value(value, folder)
        except (TypeError, ValueError) as error:
            raise FunctionSettingError(f"[functions.{name}] {key}: {error}") from error
    if "environment" in changes:
        changes["environment"] = {**defaults.environment, **changes["environment"]}
    try:
        function = replace(defaults, **changes)
    except FunctionSettingError as error:
        raise FunctionSettingError(f"[functions.{name}]: {error}") from error
    if not function.handler and not function.command:
        raise FunctionSettingError(f"[functions.{name}] has no handler")
    return function


def _is(kind: type) -> Callable[[Any, Path], Any]:
    check = is_a(kind)
    return lambda value, _folder: check(value)


def _folder(value: Any, folder: Path) -> Path:
    return (folder / _text(value)).resolve()


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise TypeError(f"must be text, not {shown(value)}")
    return value


def _command(value: Any, folder: Path) -> tuple[str, ...]:
    path = _folder(value, folder)
    if not path.is_file():
        raise ValueError(f"no such file: {path}")
    return (str(path),)


def _object(kind: type[T], value: Any, kinds: Mapping[str, type]) -> T:
    """Make an object from the keys of a table, which have values of these kinds, if it names one."""
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    unknown = [key for key in as_table(value) if key not in known]
    if unknown:
        raise TypeError(unknown_key(unknown[0], known))
    read_keys(value, {key: is_a(one) for key, one in kinds.items()})
    return kind(**value)


def _environment(value: Any, _folder: Path) -> dict[str, str]:
    for key, item in as_table(value).items():
        if isinstance(item, dict | list):
            raise TypeError(f"{key} must be text, not {shown(item)}")
    return {key: scalar_text(item) for key, item in value.items()}


def _url(value: Any, _folder: Path) -> UrlSettings | None:
    if isinstance(value, bool):
        return UrlSettings() if value else None
    found = _object(UrlSettings, value, {"streaming": bool})
    unknown = [key for key in as_table(found.cors) if key not in CORS]
    if unknown:
        raise TypeError(f"cors: {unknown_key(unknown[0], CORS)}")
    return found


def _asynchronous(value: Any, _folder: Path) -> AsyncSettings:
    return _object(AsyncSettings, value, {"retries": int, "maximum_age": float, "on_failure": str})


def _sources(value: Any, _folder: Path) -> tuple[Source, ...]:
    return sources(value)


#: The setting of each key, and the function that reads its value.
READERS: Final[Mapping[str, tuple[str, Callable[[Any, Path], Any]]]] = {
    "handler": ("handler", _is(str)),
    "root": ("root", _folder),
    "convention": ("convention", _is(str)),
    "environment": ("environment", _environment),
    "timeout": ("timeout", _is(float)),
    "memory": ("memory", _is(int)),
    "concurrency": ("concurrency", _is(int)),
    "bootstrap": ("command", _command),
    "initialization": ("initialization", _is(str)),
    "description": ("description", _is(str)),
    "url": ("url", _url),
    "asynchronous": ("asynchronous", _asynchronous),
    "sources": ("sources", _sources),
}
