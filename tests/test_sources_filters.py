"""Event patterns: AWS's examples, what is refused, and moto's own implementation where it does what AWS documents."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.events.models import EventPattern

from runtime.local.source import BadMapping
from runtime.local.sources.sqs.filters import Filter


@pytest.mark.parametrize(
    ("rules", "matching", "others"),
    [
        (["BBBB"], ["BBBB", ["a", "BBBB"]], ["bbbb", "", None, 1, ["a"], {"a": "BBBB"}]),
        ([None], [None, [None]], ["", 0, False, []]),
        ([""], [""], [None, " "]),
        ([1], [1, 1.0], [True, "1", 2]),
        ([True], [True], [1, "true", False]),
        ([{"exists": True}], ["a", None, [1]], [{"a": 1}, []]),
        ([{"exists": False}], [{"a": 1}, []], ["a", None]),
        ([{"prefix": "ab"}], ["ab", "abc"], ["AB", "b", 1, None]),
        ([{"prefix": {"equals-ignore-case": "aB"}}], ["ABc"], ["bab"]),
        ([{"suffix": ".png"}], [".png", "a.png"], ["a.PNG", "png.a"]),
        ([{"suffix": {"equals-ignore-case": ".png"}}], ["a.PNG"], ["a.jpg"]),
        ([{"equals-ignore-case": "Alice"}], ["alice", "ALICE"], ["alic", None]),
        ([{"wildcard": "a*b*"}], ["ab", "axb", "aXbY"], ["a", "ba", "xab", 1]),
        ([{"wildcard": "*a*a"}], ["aa", "xaxa"], ["a", "ab"]),
        ([{"wildcard": r"\*\\*"}], ["*\\", "*\\x"], ["x\\", "*"]),
        ([{"numeric": ["=", 5]}], [5, 5.0], ["5", True, None]),
        ([{"numeric": [">", 0, "<=", 5]}], [0.5, 5, [9, 1]], [0, 6, "1"]),
        ([{"anything-but": ["a", "b"]}], ["c", 1, None], ["a", "b", {"x": 1}]),
        ([{"anything-but": 5}], [6, "5"], [5]),
        ([{"anything-but": {"prefix": "ab"}}], ["b", 1], ["abc"]),
        ([{"anything-but": {"suffix": ["x", "y"]}}], ["z"], ["ax", "ay"]),
        ([{"anything-but": {"wildcard": "*/lib/*"}}], ["lib"], ["a/lib/b"]),
        (["a", {"prefix": "x"}, {"numeric": ["<", 0]}], ["a", "xy", -1], ["b", 0]),
    ],
)
def test_rules(rules: list[Any], matching: list[Any], others: list[Any]) -> None:
    """What each operator matches in a field, and what it does not."""
    pattern = Filter.parse(json.dumps({"body": {"field": rules}}))
    for value in matching:
        assert pattern.matches_body(json.dumps({"field": value})), value
    for value in others:
        assert not pattern.matches_body(json.dumps({"field": value})), value


@pytest.mark.parametrize(
    ("pattern", "body", "matches"),
    [
        ({"body": {"a": ["x"], "b": ["y"]}}, '{"a": "x", "b": "y"}', True),
        ({"body": {"a": ["x"], "b": ["y"]}}, '{"a": "x"}', False),
        ({"body": {"$or": [{"a": ["x"]}, {"b": ["y"]}]}}, '{"b": "y"}', True),
        ({"body": {"$or": [{"a": ["x"]}, {"b": ["y"]}]}}, '{"b": "x"}', False),
        ({"$or": [{"body": {"a": [1]}}, {"body": {"b": [2]}}]}, '{"b": 2}', True),
        ({"body": {"a": {"b": [1]}}}, '{"a": {"b": 1}}', True),
        ({"body": {"a": {"b": [1]}}}, '{"a": 1}', False),
        ({"body": {"a": {"b": [{"exists": False}]}}}, '{"c": 1}', True),
        ({"body": {"a": {"b": [1], "c": [2]}}}, '{"a": [{"b": 1, "c": 1}, {"b": 1, "c": 2}]}', True),
        ({"body": {"a": {"b": [1], "c": [2]}}}, '{"a": [{"b": 1, "c": 1}, {"b": 2, "c": 2}]}', False),
        ({"body": [{"prefix": "Result: "}]}, "Result: 5", True),
        ({"body": [{"prefix": "Result: "}]}, '{"Result: ": 5}', False),
        ({"body": {"a": ["x"]}}, "x", False),
        ({"body": {"a": ["x"]}}, "[" * 100_000, False),
    ],
)
def test_patterns(pattern: Any, body: str, matches: bool) -> None:
    """Fields together, alternatives, nested ones, lists of objects, and bodies that are not objects."""
    assert matches == Filter.parse(json.dumps(pattern)).matches_body(body)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("{", "must be JSON"),
        ('{"body": ' + '{"a": ' * 300 + "[1]" + "}" * 301, "nested too deeply"),
        ("[]", "must be an object with keys"),
        ("{}", "must be an object with keys"),
        ('{"messageAttributes": {"a": ["b"]}}', "by its 'body' only, not by 'messageAttributes'"),
        ('{"body": "x"}', "'body' must be an object or a list that is not empty"),
        ('{"body": {"a": []}}', "'a' must be an object or a list that is not empty"),
        ('{"body": {"a": [["x"]]}}', "a rule must be a value or an operator"),
        ('{"body": {"a": [{"prefx": "x"}]}}', "unknown operator 'prefx' in a filter; known operators: exists, prefix"),
        ('{"body": {"a": [{"prefix": "x", "suffix": "y"}]}}', "a rule must have one operator"),
        ('{"body": {"a": [{"prefix": 5}]}}', "prefix must be a text, not 5"),
        ('{"body": {"a": [{"wildcard": 5}]}}', "wildcard must be a text, not 5"),
        ('{"body": {"a": [{"exists": 5}]}}', "exists must be true or false, not 5"),
        ('{"body": {"a": [{"numeric": [">"]}]}}', "numeric must be like"),
        ('{"body": {"a": [{"numeric": ["!", 5]}]}}', "numeric must be like"),
        ('{"body": {"a": [{"anything-but": {"exists": true}}]}}', "anything-but must have values or one of"),
        ('{"body": {"$or": {}}}', "$or must be a list of patterns"),
        ('{"body": {"$or": [5]}}', "a pattern must be an object, not 5"),
    ],
)
def test_patterns_that_are_refused(pattern: str, words: str) -> None:
    """A pattern that means nothing is refused, not ignored."""
    with pytest.raises(BadMapping) as refusal:
        Filter.parse(pattern)
    assert words in str(refusal.value)


TEXTS = st.text("abAB*\\", max_size=4)
#: Moto takes true for 1, so there are no booleans.
VALUES = TEXTS | st.integers(-3, 3) | st.none()
OBJECTS = st.recursive(
    st.dictionaries(st.sampled_from("xyz"), VALUES | st.lists(VALUES, min_size=1, max_size=3), max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("xyz"), VALUES | inner, max_size=3),
    max_leaves=4,
)
COMPARISON = st.tuples(st.sampled_from(["=", "<", "<=", ">", ">="]), st.integers(-3, 3)).map(list)
RULES = st.one_of(
    VALUES,
    st.booleans().map(lambda value: {"exists": value}),
    st.tuples(st.sampled_from(["prefix", "suffix", "equals-ignore-case", "wildcard"]), TEXTS).map(
        lambda one: dict([one])
    ),
    COMPARISON.map(lambda one: {"numeric": one}),
    st.lists(TEXTS, min_size=1, max_size=3).map(lambda one: {"anything-but": one}),
    TEXTS.map(lambda one: {"anything-but": {"prefix": one}}),
)
PATTERNS = st.recursive(
    st.dictionaries(st.sampled_from("xyz"), st.lists(RULES, min_size=1, max_size=3), min_size=1, max_size=3),
    lambda inner: (
        st.dictionaries(st.sampled_from("xyz"), inner, min_size=1, max_size=2)
        | st.lists(inner, min_size=1, max_size=2).map(lambda some: {"$or": some})
    ),
    max_leaves=4,
)


def has_empty_object(event: Any) -> bool:
    """Whether an event has an object without fields, which moto takes for a value."""
    return isinstance(event, dict) and (not event or any(has_empty_object(one) for one in event.values()))


@given(PATTERNS, OBJECTS)
def test_the_same_as_moto(pattern: Any, event: Any) -> None:
    """Random patterns match what they match with moto."""
    if any(has_empty_object(one) for one in event.values()):
        return
    ours = Filter(pattern).matches(event)
    assert EventPattern("", pattern).matches_event(event) == ours
