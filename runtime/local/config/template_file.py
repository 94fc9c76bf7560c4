"""Reads the file of a template, YAML or JSON, into plain values; CloudFormation's short tags become mappings."""

from __future__ import annotations

import codecs
import datetime as dt
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from runtime.local.config.values import scalar_text
from runtime.local.function import FunctionSettingError

#: Bytes of a template; CloudFormation's own limit is 1 MB.
SIZE_LIMIT: Final = 5_000_000
#: Values in a template, with those that an alias repeats; a small file with aliases of aliases can stand for millions.
VALUES_LIMIT: Final = 200_000
#: Bits of a number; Python refuses to write much larger ones.
BITS_LIMIT: Final = 4096
#: Short tags whose long form has no `Fn::`.
BARE: Final = frozenset({"Ref", "Condition"})


class TemplateError(FunctionSettingError):
    """A template, or a value in one, that cannot be used."""


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short tags: `!Sub x` becomes `{"Fn::Sub": "x"}`."""


def _short_tag(loader: Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    name = suffix if suffix in BARE else f"Fn::{suffix}"
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = str(value).split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    elif isinstance(node, yaml.MappingNode):
        value = loader.construct_mapping(node, deep=True)
    else:
        raise TypeError(node)
    return {name: value}


def _as_written(loader: Loader, node: yaml.ScalarNode) -> str:
    return loader.construct_scalar(node)


Loader.add_multi_constructor("!", _short_tag)
# A date stays what it is in the file, as in AWS SAM; `Version: 2012-10-17` is one.
Loader.add_constructor("tag:yaml.org,2002:timestamp", _as_written)


def load(path: Path) -> dict[str, Any]:
    """Read a file whose outermost value is a mapping. The keys of every mapping in it are text.

    Raises:
        TemplateError: it cannot be read, or is not such a file.
    """
    try:
        value = _Plain().value(_parse(_text(_read(path))))
    except RecursionError as error:
        raise TemplateError(f"{path} is nested too deeply, or has an alias that contains itself") from error
    except (OSError, ValueError, OverflowError, TypeError, yaml.YAMLError) as error:
        raise TemplateError(f"{path}: {_in_one_line(error)}") from error
    if not isinstance(value, dict):
        raise TemplateError(f"{path} is not a template: it is not a mapping")
    return value


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise TemplateError("it is not a file" if path.exists() else "there is no such file")
    with path.open("rb") as file:
        content = file.read(SIZE_LIMIT + 1)
    if len(content) > SIZE_LIMIT:
        raise TemplateError(f"it has more than {SIZE_LIMIT} bytes")
    return content


def _text(content: bytes) -> str:
    is_utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if is_utf_16 else "utf-8-sig")


def _parse(text: str) -> Any:
    """Parse JSON or YAML. JSON may be indented with tabs, which YAML forbids."""
    if text.lstrip()[:1] == "{":
        try:
            return json.loads(text)
        except ValueError as error:
            if "\t" in text:
                raise TemplateError(f"not JSON: {error}") from error
    try:
        return yaml.load(text, Loader)  # noqa: S506 - it is a safe loader
    except (LookupError, AttributeError) as error:  # what PyYAML raises for `!!bool x` and the like
        raise TemplateError(f"a value does not fit its tag: {error}") from error


class _Plain:
    """Makes a tree of mappings with text as keys, lists and scalars."""

    def __init__(self) -> None:
        self._count = 0

    def value(self, value: Any) -> Any:
        self._count += 1
        if self._count > VALUES_LIMIT:
            raise TemplateError(f"it has more than {VALUES_LIMIT} values, counting those that aliases repeat")
        if isinstance(value, Mapping):
            return {scalar_text(key): self.value(item) for key, item in value.items()}
        if isinstance(value, list | tuple | set):
            return [self.value(item) for item in value]
        if isinstance(value, int) and value.bit_length() > BITS_LIMIT:
            raise TemplateError("it has a number of more than a thousand digits")
        if isinstance(value, bytes | dt.date):
            return value.decode("latin-1") if isinstance(value, bytes) else str(value)
        return value


def section(template: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a section of a template, or any other mapping in a mapping; empty if it is anything else."""
    found = template.get(name)
    return found if isinstance(found, dict) else {}


def _in_one_line(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        what = ", ".join(filter(None, (error.context, error.problem)))
        return f"line {mark.line + 1}, column {mark.column + 1}: {what}"
    return " ".join(str(error).split())
