"""A template's parameters: the values that are passed, the defaults, and what a parameter allows."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

from runtime.local.config.template_file import TemplateError
from runtime.local.config.values import scalar_text, shown

#: Parameters of these types have the name of an entry in the Parameter Store as their value.
STORED: Final = "AWS::SSM::Parameter::Value<"
#: Seconds for comparing values with a pattern; some patterns need more than a lifetime.
PATTERN_PATIENCE: Final = 2.0
#: Compares texts with a pattern, and ends with `MISMATCH` if one does not match.
MISMATCH: Final = 3
MATCHER: Final = f"""
import json, re, sys
pattern, texts = json.load(sys.stdin)
sys.exit(0 if all(re.fullmatch(pattern, text) for text in texts) else {MISMATCH})
"""


class Unknown(str):
    """A value that cannot be known without an account, as a text that names it."""

    __slots__ = ()


def check_names(section: Mapping[str, Any], given: Mapping[str, str]) -> None:
    """Raise TemplateError for a value that is passed for a parameter which the template does not have."""
    for name in given:
        if name not in section:
            known = f"known parameters: {', '.join(sorted(section))}" if section else "the template has none"
            raise TemplateError(f"unknown parameter {name!r}; {known}")


def values(section: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the value of each parameter: the one that is passed, or its default, or an `Unknown`.

    Raises:
        TemplateError: a value that is passed is not one that the parameter allows.
    """
    found: dict[str, Any] = {}
    for name, item in section.items():
        parameter = item if isinstance(item, dict) else {}
        if name in given:
            found[name] = _converted(parameter, given[name])
            for fault in _faults(parameter, found[name]):
                raise TemplateError(f"the parameter {name} must {fault}, not {given[name]!r}")
        elif "Default" not in parameter:
            found[name] = Unknown(name)
        elif scalar_text(parameter.get("Type")).startswith(STORED):
            found[name] = Unknown(_text(parameter["Default"]))
        else:
            found[name] = _converted(parameter, parameter["Default"])
    return found


def broken_defaults(section: Mapping[str, Any], given: Mapping[str, Any], used: Mapping[str, Any]) -> Iterator[str]:
    """Return a note for each default that is used and that its own parameter does not allow."""
    for name, item in section.items():
        if name not in given and isinstance(item, dict) and "Default" in item:
            for fault in _faults(item, used[name]):
                yield f"the parameter {name} must {fault}, not {shown(item['Default'])}, its default"


def _converted(parameter: Mapping[str, Any], value: Any) -> Any:
    """Return text, or a list of texts for the types that are lists."""
    kind = scalar_text(parameter.get("Type"))
    if isinstance(value, Unknown):
        return value
    if isinstance(value, list):
        return [_text(item) for item in value]
    text = _text(value)
    if kind == "CommaDelimitedList" or kind.removeprefix(STORED).startswith("List<"):
        return [item.strip() for item in text.split(",")] if text else []
    return text


def _text(value: Any) -> str:
    return "" if isinstance(value, dict | list) else scalar_text(value)


def _faults(parameter: Mapping[str, Any], value: Any) -> Iterator[str]:
    """What the value breaks, as the end of a sentence that begins with "must"."""
    if isinstance(value, Unknown):
        return
    each = value if isinstance(value, list) else [value]
    allowed = parameter.get("AllowedValues")
    if isinstance(allowed, list):
        texts = [_text(item) for item in allowed]
        if any(item not in texts for item in each):
            yield f"be one of {', '.join(texts)}"
    pattern = parameter.get("AllowedPattern")
    if isinstance(pattern, str):
        yield from _mismatch(pattern, each)
    kind = scalar_text(parameter.get("Type"))
    for item in each:
        if kind in {"Number", "List<Number>"}:
            if _number(item) is None:
                yield "be a number"
            yield from _outside(parameter, "Value", _number(item), "be")
        elif kind == "String":
            yield from _outside(parameter, "Length", len(item), "have a length of")


def _mismatch(pattern: str, texts: list[str]) -> Iterator[str]:
    """Compare texts with a pattern; all texts match one that Python cannot read, because it is Java's.

    In a process of its own, because nothing else can interrupt `re`.
    """
    command, data = [sys.executable, "-IS", "-c", MATCHER], json.dumps([pattern, texts]).encode()
    try:
        done = subprocess.run(  # noqa: S603 - a program of ours
            command, input=data, timeout=PATTERN_PATIENCE, capture_output=True, check=False
        )
    except subprocess.TimeoutExpired:
        yield f"match {pattern}, which takes too long to find out"
    else:
        if done.returncode == MISMATCH:
            yield f"match {pattern}"


def _outside(parameter: Mapping[str, Any], what: str, value: float | None, verb: str) -> Iterator[str]:
    low, high = _number(parameter.get(f"Min{what}")), _number(parameter.get(f"Max{what}"))
    if value is not None and low is not None and value < low:
        yield f"{verb} at least {low:g}"
    if value is not None and high is not None and value > high:
        yield f"{verb} at most {high:g}"


def _number(value: Any) -> float | None:
    try:
        return None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
