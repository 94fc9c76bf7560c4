"""Event patterns: which messages a source hands on, by the rules of Lambda's event filtering and EventBridge.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html has the operators and
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html their details.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from runtime.local.source import BadMapping
from runtime.local.values import parse_json

#: The key for alternatives that are not in one field.
OR: Final = "$or"
#: The one key of a message of SQS that Lambda filters by.
BODY: Final = "body"
#: Stands for a field that is missing.
MISSING: Final = object()

Test = Callable[[Any], bool]


class Filter:
    """One pattern."""

    def __init__(self, pattern: Mapping[str, Any]) -> None:
        """Create it. Raises BadMapping for an operator or a value that there is not."""
        self._matches = _node(pattern)

    @classmethod
    def parse(cls, text: str) -> Filter:
        """Read a pattern for messages of SQS.

        Raises:
            BadMapping: it is not JSON, or not a pattern.
        """
        try:
            pattern = parse_json(text)
        except ValueError as error:
            raise BadMapping(f"a filter's pattern must be JSON: {text!r:.80}: {error}") from error
        if not isinstance(pattern, dict) or not pattern:
            raise BadMapping(f"a filter's pattern must be an object with keys, not {text!r:.80}")
        for key in _keys(pattern):
            if key != BODY:
                raise BadMapping(f"a message can be filtered by its {BODY!r} only, not by {key!r}")
        try:
            found = cls(pattern)
            found.matches({})  # which looks as deep as any message makes it look
        except RecursionError as error:
            raise BadMapping(f"a filter's pattern is nested too deeply: {text!r:.80}") from error
        return found

    def matches(self, event: Any) -> bool:
        """Return whether an event matches."""
        return any(self._matches(one) for one in _objects(event))

    def matches_body(self, body: str) -> bool:
        """Return whether a message matches: as JSON if it is an object, and as text otherwise."""
        try:
            parsed = parse_json(body)
        except ValueError:
            parsed = None
        return self.matches({BODY: parsed if isinstance(parsed, dict) else body})


def _keys(pattern: Mapping[str, Any]) -> Iterator[str]:
    for key, value in pattern.items():
        if key == OR and isinstance(value, list):
            for one in value:
                yield from _keys(one) if isinstance(one, dict) else ()
        else:
            yield key


def _node(pattern: Any) -> Test:
    """The test of an object by a pattern: every key has to match, and one of each list of alternatives."""
    if not isinstance(pattern, dict):
        raise BadMapping(f"a pattern must be an object, not {pattern!r:.80}")
    tests = [_alternatives(value) if key == OR else _field(key, value) for key, value in pattern.items()]
    return lambda event: all(test(event) for test in tests)


def _alternatives(patterns: Any) -> Test:
    if not isinstance(patterns, list) or not patterns:
        raise BadMapping(f"{OR} must be a list of patterns, not {patterns!r:.80}")
    tests = [_node(pattern) for pattern in patterns]
    return lambda event: any(test(event) for test in tests)


def _field(key: str, rule: Any) -> Test:
    """The test of one field of an object."""
    if isinstance(rule, dict):
        inner = _node(rule)
        return lambda event: any(inner(one) for one in _objects(event.get(key)))
    if not isinstance(rule, list) or not rule:
        raise BadMapping(f"{key!r} must be an object or a list that is not empty, not {rule!r:.80}")
    tests = [_rule(one) for one in rule]
    return lambda event: any(test(value) for test in tests for value in _values(event.get(key, MISSING)))


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    """The objects that a nested pattern looks into; one without fields where there is none, for `exists`."""
    found = [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)]
    yield from found or [{}]


def _values(value: Any) -> Iterator[Any]:
    """The values that a rule looks at; an object is none, and an empty list neither."""
    found = value if isinstance(value, list) else [value]
    leaves = [one for one in found if not isinstance(one, dict)]
    yield from leaves or [MISSING]


def _rule(rule: Any) -> Test:
    """The test of a value."""
    if isinstance(rule, dict):
        if len(rule) != 1:
            raise BadMapping(f"a rule must have one operator, not {rule!r:.80}")
        name, argument = next(iter(rule.items()))
        if name not in OPERATORS:
            raise BadMapping(f"unknown operator {name!r} in a filter; known operators: {', '.join(OPERATORS)}")
        return OPERATORS[name](argument)
    if isinstance(rule, list):
        raise BadMapping(f"a rule must be a value or an operator, not {rule!r:.80}")
    return lambda value: _same(value, rule)


def _same(value: Any, other: Any) -> bool:
    """Whether two values of JSON are the same; true is not 1."""
    return isinstance(value, bool) is isinstance(other, bool) and value == other


def _exists(wanted: Any) -> Test:
    if not isinstance(wanted, bool):
        raise BadMapping(f"exists must be true or false, not {wanted!r:.80}")
    return lambda value: (value is not MISSING) is wanted


def _text(compare: Callable[[str, str], bool], name: str) -> Callable[[Any], Test]:
    """An operator on texts, which `{"equals-ignore-case": …}` makes blind to case."""

    def make(argument: Any) -> Test:
        ignore = isinstance(argument, dict) and [*argument] == [IGNORE_CASE]
        wanted = argument[IGNORE_CASE] if ignore else argument
        if not isinstance(wanted, str):
            raise BadMapping(f"{name} must be a text, not {argument!r:.80}")
        fold = str.lower if ignore or name == IGNORE_CASE else str
        return lambda value: isinstance(value, str) and compare(fold(value), fold(wanted))

    return make


IGNORE_CASE: Final = "equals-ignore-case"


def _wildcard(argument: Any) -> Test:
    """Texts with `*` for any characters between; a backslash before a star or a backslash stands for itself."""
    if not isinstance(argument, str):
        raise BadMapping(f"wildcard must be a text, not {argument!r:.80}")
    first, *others = _literals(argument)
    return lambda value: isinstance(value, str) and _in_order(value, first, others)


def _literals(pattern: str) -> list[str]:
    """The texts between the stars of a pattern."""
    found = [""]
    for part in re.findall(r"\\[*\\]|.", pattern, re.DOTALL):
        if part == "*":
            found.append("")
        else:
            found[-1] += part[-1]
    return found


def _in_order(value: str, first: str, others: list[str]) -> bool:
    """Whether a text begins with the first literal, ends with the last one, and has the others between."""
    if not others:
        return value == first
    *middle, last = others
    place = len(first)
    for literal in middle:
        found = value.find(literal, place)
        if found < 0:
            return False
        place = found + len(literal)
    return value.startswith(first) and value.endswith(last) and place <= len(value) - len(last)


def _numeric(argument: Any) -> Test:
    """Comparisons, such as `[">", 0, "<=", 5]`."""
    if not isinstance(argument, list) or not argument or len(argument) % 2:
        raise BadMapping(f"numeric must be like ['>', 0, '<=', 5], not {argument!r:.80}")
    pairs = [*zip(argument[::2], argument[1::2], strict=True)]
    for sign, number in pairs:
        if not isinstance(sign, str) or sign not in COMPARISONS or not _is_number(number):
            raise BadMapping(f"numeric must be like ['>', 0, '<=', 5], not {argument!r:.80}")
    return lambda value: _is_number(value) and all(COMPARISONS[sign](value, number) for sign, number in pairs)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _anything_but(argument: Any) -> Test:
    """Any value that is there, except these."""
    if isinstance(argument, dict):
        if len(argument) != 1 or not argument.keys() <= NEGATABLE:
            known = ", ".join(sorted(NEGATABLE))
            raise BadMapping(f"anything-but must have values or one of {known}, not {argument!r:.80}")
        name, inner = next(iter(argument.items()))
        tests = [OPERATORS[name](one) for one in (inner if isinstance(inner, list) else [inner])]
    else:
        tests = [_rule(one) for one in (argument if isinstance(argument, list) else [argument])]
    return lambda value: value is not MISSING and not any(test(value) for test in tests)


COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

OPERATORS: Final[Mapping[str, Callable[[Any], Test]]] = {
    "exists": _exists,
    "prefix": _text(str.startswith, "prefix"),
    "suffix": _text(str.endswith, "suffix"),
    IGNORE_CASE: _text(operator.eq, IGNORE_CASE),
    "wildcard": _wildcard,
    "numeric": _numeric,
    "anything-but": _anything_but,
}
#: The operators that `anything-but` takes.
NEGATABLE: Final = frozenset({"prefix", "suffix", IGNORE_CASE, "wildcard"})
