"""Route templates of Azure Functions: `orders/{id:int?}`, `{name}.{extension}`, `{*rest}`; case does not matter.

The host (azure-functions-host, `WebScriptHostHttpRoutesManager.cs`) matches them with the router of ASP.NET Core, whose
`RoutePatternParser.cs`, `RoutePatternMatcher.cs` and `RouteOptions.cs` (constraints) have the rules. Rarer forms of
templates, and constraints that depend on .NET (`regex`, `datetime`), are refused.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: A parameter: its stars, its name, its constraints, and the mark that it is optional.
_PARAMETER = re.compile(r"\{(\*{0,2})([^:=/{}?*]+)((?::\w+(?:\([^(){}]*\))?)*)(\??)\}")
_CONSTRAINT = re.compile(r":(\w+)(?:\(([^(){}]*)\))?")
_FORMS = "a route has {name}, {name:constraint}, text beside them, {name?} as its last segments, {*name} as its last"

_INTEGER = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_GUID = re.compile(r"[0-9a-f]{8}(-?)([0-9a-f]{4}\1){3}[0-9a-f]{12}", re.IGNORECASE)

#: The largest whole numbers of 32 and 64 bits.
_INT, _LONG = (1 << 31) - 1, (1 << 63) - 1


def _range(value: str, least: int, most: int) -> bool:
    return _INTEGER.fullmatch(value) is not None and least <= int(value) <= most


#: The constraints: whether a value is one, given the numbers in their parentheses.
_CONSTRAINTS: dict[str, Callable[..., bool]] = {
    "int": lambda value: _range(value, -_INT - 1, _INT),
    "long": lambda value: _range(value, -_LONG - 1, _LONG),
    "bool": lambda value: value.lower() in {"true", "false"},
    "guid": lambda value: _GUID.fullmatch(value) is not None,
    **dict.fromkeys(("decimal", "double", "float"), lambda value: _NUMBER.fullmatch(value) is not None),
    "alpha": lambda value: value.isascii() and value.isalpha(),
    "length": lambda value, least, most=None: least <= len(value) <= (least if most is None else most),
    "minlength": lambda value, least: len(value) >= least,
    "maxlength": lambda value, most: len(value) <= most,
    "min": lambda value, least: _range(value, least, _LONG),
    "max": lambda value, most: _range(value, -_LONG - 1, most),
    "range": _range,
}


class Route:
    """One route template. A template that is wrong raises ValueError with the reason."""

    def __init__(self, template: str) -> None:
        self._names: list[str] = []
        self._checks: list[tuple[str, Callable[[str], bool]]] = []
        segments = template.strip("/").split("/") if template.strip("/") else []
        patterns = [self._segment(each, number == len(segments)) for number, each in enumerate(segments, 1)]
        optional = [pattern.startswith("(") for pattern in patterns]
        if optional != sorted(optional):
            raise ValueError(_FORMS)
        self._pattern = re.compile(f"{''.join(patterns)}/?", re.IGNORECASE | re.DOTALL)

    def match(self, path: str) -> dict[str, str] | None:
        """The parameters that a decoded path has values for; None if it does not match."""
        found = self._pattern.fullmatch(path)
        if found is None:
            return None
        values = {name: value for name, value in zip(self._names, found.groups(), strict=True) if value is not None}
        return values if all(holds(values[name]) for name, holds in self._checks if name in values) else None

    def _segment(self, text: str, is_last: bool) -> str:
        """The pattern of a segment; it begins with a parenthesis if a path may end before it."""
        only = _PARAMETER.fullmatch(text)
        if only and only[1] and not only[4] and is_last:
            self._add(only)
            return "(?:/([^/].*)?)?"
        if only and only[4] and not only[1]:
            self._add(only)
            return "(?:/([^/]+))?"
        pattern, place = "/", 0
        for parameter in _PARAMETER.finditer(text):
            pattern += self._literal(text[place : parameter.start()]) + "([^/]+)"
            place = parameter.end()
            self._add(parameter)
            if parameter[1] or parameter[4]:
                raise ValueError(f"{parameter[0]} cannot be here; {_FORMS}")
        return pattern + self._literal(text[place:], required=not place)

    def _literal(self, text: str, required: bool = False) -> str:
        if not {*"{}?*"}.isdisjoint(text) or (required and not text):
            raise ValueError(f"{text!r} cannot be read; {_FORMS}")
        return re.escape(text)

    def _add(self, parameter: re.Match[str]) -> None:
        if parameter[2] in self._names:
            raise ValueError(f"the parameter {parameter[2]!r} is there twice")
        self._names.append(parameter[2])
        self._checks += [(parameter[2], _check(*found)) for found in _CONSTRAINT.findall(parameter[3])]


def _check(name: str, argument: str) -> Callable[[str], bool]:
    holds = _CONSTRAINTS.get(name.lower())
    if holds is None:
        raise ValueError(f"unknown constraint {name!r}; known: {', '.join(_CONSTRAINTS)}")
    try:
        numbers = [int(each) for each in argument.split(",")] if argument else []
        holds("0", *numbers)
    except (TypeError, ValueError):
        raise ValueError(f"the constraint {name}({argument}) has the wrong numbers") from None
    return lambda value: holds(value, *numbers)
