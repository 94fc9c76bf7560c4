"""Route templates as the host of Azure Functions matches them: `orders/{id:int?}`, `{*rest}`, `{name}.{extension?}`.

The host (azure-functions-host, `WebScriptHostHttpRoutesManager.cs`) maps every HTTP function with the router of ASP.NET
Core: the rules are those of its `RoutePatternParser.cs`, `RouteParameterParser.cs`, `RoutePatternMatcher.cs`,
`PathTokenizer.cs` and of the classes that `RouteOptions.cs` lists as constraints. Case does not matter.
"""

from __future__ import annotations

import re
from time import strptime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: A parameter, a literal or a slash; braces inside the first two are doubled.
_TOKEN = re.compile(r"\{((?:[^{}]|\{\{|\}\})+)\}|((?:[^{}/]|\{\{|\}\})+)|(/)")

#: The name of a parameter, its constraints and its default.
_PARAMETER = re.compile(r"([^:=/{}?*]+)((?::[^:=(]*(?:\(.*?\)(?=[:=]|$))?)*)(?:=(.*))?", re.DOTALL)
_CONSTRAINT = re.compile(r":([^:=(]*)(?:\((.*?)\)(?=[:=]|$))?", re.DOTALL)

_INTEGER = re.compile(r"\s*([+-]?)(?=\d)0*(\d{,20})\s*", re.ASCII)
_DECIMAL = re.compile(r"\s*[+-]?(?:\d[\d,]*\.?\d*|\.\d+)[+-]?\s*", re.ASCII)
_FLOAT = re.compile(r"\s*[+-]?(?:(?:\d[\d,]*\.?\d*|\.\d+)(?:e[+-]?\d+)?|NaN|Infinity)\s*", re.ASCII | re.IGNORECASE)
_GUID = re.compile(r"[0-9a-f]{32}|([{(]?)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}[)}]?", re.IGNORECASE)
_DATES = ("%Y-%m-%d", "%m/%d/%Y")
_TIMES = ("", "T%H:%M", "T%H:%M:%S", "T%H:%M:%SZ", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")

#: The largest whole number of 64 bits.
_MOST = (1 << 63) - 1


def _number(value: str, bits: int = 64) -> int | None:
    """The whole number of so many bits that a text is; None if it is not one."""
    found = _INTEGER.fullmatch(value)
    number = int(f"{found[1]}{found[2] or 0}") if found else _MOST + 1
    return number if -(1 << bits - 1) <= number < 1 << bits - 1 else None


def _is_date(value: str) -> bool:
    for form in (date + time for date in _DATES for time in _TIMES):
        try:
            strptime(value.strip(), form)
        except ValueError:
            continue
        return True
    return False


def _between(least: str, most: str) -> Callable[[str], bool]:
    low, high = int(least), int(most)
    return lambda value: (number := _number(value)) is not None and low <= number <= high


def _length(least: str, most: str | None = None) -> Callable[[str], bool]:
    low, high = int(least), int(least if most is None else most)
    return lambda value: low <= len(value) <= high


def _matches(pattern: str) -> Callable[[str], bool]:
    found = re.compile(pattern, re.IGNORECASE)
    return lambda value: found.search(value) is not None


def _is_file(value: str) -> bool:
    name = value.rpartition("/")[2]
    return 0 <= name.rfind(".") < len(name) - 1


#: The constraints, each a function of its arguments; a constraint is checked after the path has matched.
_CONSTRAINTS: dict[str, Callable[..., Callable[[str], bool]]] = {
    "int": lambda: lambda value: _number(value, 32) is not None,
    "long": lambda: lambda value: _number(value) is not None,
    "bool": lambda: lambda value: value.strip().lower() in {"true", "false"},
    "guid": lambda: lambda value: _GUID.fullmatch(value.strip()) is not None,
    "decimal": lambda: lambda value: _DECIMAL.fullmatch(value) is not None,
    "double": lambda: lambda value: _FLOAT.fullmatch(value) is not None,
    "float": lambda: lambda value: _FLOAT.fullmatch(value) is not None,
    "datetime": lambda: _is_date,
    "length": _length,
    "minlength": lambda least: _length(least, str(_MOST)),
    "maxlength": lambda most: _length("0", most),
    "min": lambda least: _between(least, str(_MOST)),
    "max": lambda most: _between(str(-_MOST - 1), most),
    "range": _between,
    "alpha": lambda: _matches("^[a-z]*$"),
    "regex": _matches,
    "required": lambda: lambda value: value != "",
    "file": lambda: _is_file,
    "nonfile": lambda: lambda value: not _is_file(value),
}
#: Their argument may have commas.
_WHOLE = "regex"


class Route:
    """One route template. Creating it raises ValueError, which says what is wrong with the template."""

    def __init__(self, template: str) -> None:
        self._defaults: dict[str, str] = {}
        self._checks: list[tuple[str, bool, Callable[[str], bool]]] = []
        self._names: set[str] = set()
        self._segments = [self._segment(parts) for parts in _split(template)]
        if any(each.catch_all for each in self._segments[:-1]):
            raise ValueError("a catch-all parameter must be the last segment")

    def match(self, path: str) -> dict[str, str] | None:
        """The parameters that a decoded path has values for; None if it does not match."""
        rest = path.removeprefix("/")
        found: dict[str, str] = {}
        texts = rest.removesuffix("/").split("/") if rest else []
        for number, text in enumerate(texts):
            if not text or number == len(self._segments):
                return None
            segment = self._segments[number]
            if segment.catch_all:
                found[segment.catch_all] = rest.split("/", number)[number]
                break
            if not segment.match(text, found):
                return None
        if not all(segment.may_be_absent for segment in self._segments[len(texts) :]):
            return None
        found = {**self._defaults, **found}
        for name, optional, holds in self._checks:
            value = found.get(name)
            if not (optional if value is None else holds(value)):
                return None
        return found

    def _segment(self, parts: list[str | list[str]]) -> _Segment:
        segment = _Segment()
        for number, part in enumerate(parts):
            if isinstance(part, str):
                segment.add(re.escape(part))
                continue
            stars, text, optional = _outer(part[0])
            name = self._parameter(text, optional)
            if len(parts) > 1 and (stars or (number and not isinstance(parts[number - 1], str))):
                raise ValueError(f"the parameter {name!r} must be separated from what is beside it by text")
            if optional and len(parts) > 1 and (number < len(parts) - 1 or parts[number - 1] != "."):
                raise ValueError(f"the optional parameter {name!r} must be last, after a period or a slash")
            segment.catch_all = name if stars else ""
            segment.may_be_absent = bool(stars) or (len(parts) == 1 and (optional or name in self._defaults))
            if optional and len(parts) > 1:
                segment.without_last()
            segment.add("(.+)", name)
        return segment

    def _parameter(self, text: str, optional: bool) -> str:
        parsed = _PARAMETER.fullmatch(text)
        if parsed is None or parsed[1].lower() in self._names:
            raise ValueError(f"{text!r} is not the name of a parameter, or is there twice")
        name, constraints, default = parsed.groups()
        self._names.add(name.lower())
        if default is not None:
            if optional:
                raise ValueError(f"the optional parameter {name!r} cannot have a default")
            self._defaults[name] = default
        for key, argument in _CONSTRAINT.findall(constraints):
            if key:
                self._checks.append((name, optional, _check(key, argument)))
        return name


class _Segment:
    """What is between two slashes of a template.

    Attributes:
        catch_all: the name of its parameter if that takes the rest of the path.
        may_be_absent: whether a path matches that ends before it.
    """

    def __init__(self) -> None:
        self.catch_all = ""
        self.may_be_absent = False
        self._names: list[str] = []
        self._patterns = [""]

    def add(self, pattern: str, name: str = "") -> None:
        self._patterns[0] += pattern
        self._names += [name] if name else []

    def without_last(self) -> None:
        """From here on, the segment may also end before the period that is last now."""
        self._patterns.append(self._patterns[0].removesuffix(r"\.") + r"(?<!\.)")

    def match(self, text: str, found: dict[str, str]) -> bool:
        for pattern in self._patterns:
            matched = re.fullmatch(pattern, text, re.IGNORECASE | re.DOTALL)
            if matched:
                found.update(zip(self._names, matched.groups(), strict=False))
                return True
        return False


def _split(template: str) -> list[list[Any]]:
    """The segments, each a list of its literals, as text, and its parameters, as lists of their text."""
    segments: list[list[Any]] = [[]]
    text = template[2:] if template.startswith("~/") else template.removeprefix("/")
    place = 0
    while place < len(text):
        token = _TOKEN.match(text, place)
        if token is None:
            raise ValueError(f"a brace is not closed, or not opened: {text[place:]!r}")
        place = token.end()
        parameter, literal, slash = token.groups()
        if slash:
            if not segments[-1]:
                raise ValueError("two slashes follow each other")
            segments.append([])
        elif literal and "?" in literal:
            raise ValueError(f"a question mark is outside of a parameter: {literal!r}")
        else:
            inner = (parameter or literal).replace("{{", "{").replace("}}", "}")
            segments[-1].append([inner] if parameter else inner)
    return segments if segments[-1] else segments[:-1]


def _outer(text: str) -> tuple[str, str, bool]:
    stars = "**" if text.startswith("**") else "*" if text.startswith("*") else ""
    optional = text.endswith("?")
    if stars and optional:
        raise ValueError(f"a catch-all parameter cannot be optional: {text!r}")
    return stars, text[len(stars) :].removesuffix("?"), optional


def _check(key: str, argument: str) -> Callable[[str], bool]:
    make = _CONSTRAINTS.get(key.lower())
    if make is None:
        raise ValueError(f"unknown constraint {key!r}; known: {', '.join(_CONSTRAINTS)}")
    arguments = [argument] if key.lower() == _WHOLE else [each.strip() for each in argument.split(",")]
    try:
        return make(*(arguments if argument else []))
    except (TypeError, ValueError, re.error) as error:
        raise ValueError(f"the constraint {key}({argument}) cannot be used: {error}") from None
