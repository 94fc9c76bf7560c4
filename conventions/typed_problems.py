"""What is wrong with a typed event, in words: each problem with its path in the JSON."""

from __future__ import annotations

from conventions.json_values import as_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: How many problems of an event are named; how many characters each may have, and how many a value in it.
_MOST, _LONGEST, _SHORT = 20, 200, 40


def in_words(problems: list[Any], event: Any) -> str:
    """All problems of an event, each with its path; several at one path are the members of a union."""
    by_path: dict[str, list[Any]] = {}
    left = len(problems)
    for problem in problems:
        path = _path(problem, event)
        if path not in by_path and len(by_path) == _MOST:
            break
        by_path.setdefault(path, []).append(problem)
        left -= 1
    described = [f"{_shortened(path, _LONGEST)}: {_described(at_path)}" for path, at_path in by_path.items()]
    return "; ".join(described) + (f"; and {left} more" if left else "")


def _described(problems: list[Any]) -> str:
    first, *others = dict.fromkeys(problem["msg"] for problem in problems)
    text = ", or ".join([first, *(other[:1].lower() + other[1:] for other in others)])
    value = problems[0]["input"]
    if value is None or isinstance(value, str | int | float):
        text += f" (it is {_shortened(repr(value), _SHORT)})"
    return _shortened(text, _LONGEST)


def _shortened(text: str, size: int) -> str:
    return text if len(text) <= size else f"{text[:size]}…"


def _path(problem: Any, event: Any) -> str:
    """The path of a problem in the event, followed by the union's member that does not fit."""
    steps, members, value = [], [], event
    location = problem["loc"]
    for place, step in enumerate(location, 1):
        is_last = place == len(location)
        if isinstance(step, int) if isinstance(value, list) else isinstance(value, dict) and step in value:
            steps.append(step)
            value = value[step] if isinstance(value, dict) or step < len(value) else None
        elif is_last and problem["type"].startswith("missing"):
            steps.append(step)
        elif not is_last and str(step).isidentifier():
            members.append(step)
    return (as_path(steps) or "the event") + "".join(f" (as {member})" for member in members)
