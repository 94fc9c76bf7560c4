"""Finds the route that a request takes, by the rules of API Gateway.

The most specific path wins: fixed parts before variables, variables before `{name+}`, and `$default` last; then a
method of its own before `ANY`.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import unquote

from runtime.local import addresses
from runtime.local.config.description import ANY, DEFAULT, ApiRoute

#: How specific a part of a route's path is.
FIXED, VARIABLE, GREEDY, ANYTHING = range(4)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request leads.

    Attributes:
        path: the path without the API's address and the stage, as it was sent.
        has_stage: whether the stage was in the path.
        route: the route that it takes; None if there is none.
        values: the values of the variables in the route's path, as they were sent.
        candidates: the routes of this path for any method.
        rest: whether it leads to a REST API.
    """

    path: str
    has_stage: bool = False
    route: ApiRoute | None = None
    values: dict[str, str] = field(default_factory=dict)
    candidates: Sequence[ApiRoute] = ()
    rest: bool = False


def find(routes: Sequence[ApiRoute], method: str, path: str) -> Place:
    """Return where a request leads; `path` is percent-encoded, and may begin with the address of an API."""
    if not path.startswith(f"{addresses.API}/"):
        return _find(routes, method, path)
    name, _, rest = path.removeprefix(f"{addresses.API}/").partition("/")
    own = [route for route in routes if route.api.lower() == name.lower()]
    stage, _, below = rest.partition("/")
    staged = [route for route in own if route.stage == unquote(stage) and route.stage != DEFAULT]
    if staged:
        return _find(staged, method, f"/{below}", has_stage=True)
    place = _find([route for route in own if route.stage == DEFAULT], method, f"/{rest}")
    return place if place.route else Place(place.path, rest=any(route.rest for route in own))


def _find(routes: Sequence[ApiRoute], method: str, path: str, *, has_stage: bool = False) -> Place:
    found = [(one, route) for route in routes if (one := _match(route.path, path)) is not None]
    found.sort(key=lambda one: (one[0][0], one[1].method == ANY))
    candidates = [route for _, route in found]
    for (_, values), route in found:
        if route.method in {method, ANY}:
            return Place(path, has_stage, route, values, candidates, route.rest)
    return Place(path, has_stage, candidates=candidates, rest=any(route.rest for route in candidates or routes))


def _match(pattern: str, path: str) -> tuple[list[int], dict[str, str]] | None:
    """Return how specific each part of a route's path is, and its variables; None if it does not match."""
    if pattern == DEFAULT:
        return [ANYTHING], {}
    wanted, sent = pattern.split("/"), path.split("/")
    ranks: list[int] = []
    values: dict[str, str] = {}
    for number, part in enumerate(wanted):
        if number >= len(sent):
            return None
        if part.startswith("{") and part.endswith("+}"):
            values[part[1:-2]] = "/".join(sent[number:])
            return ([*ranks, GREEDY], values) if values[part[1:-2]] else None
        if part.startswith("{") and part.endswith("}"):
            if not sent[number]:
                return None
            values[part[1:-1]] = sent[number]
            ranks.append(VARIABLE)
        elif part == unquote(sent[number]):
            ranks.append(FIXED)
        else:
            return None
    return (ranks, values) if len(sent) == len(wanted) else None
