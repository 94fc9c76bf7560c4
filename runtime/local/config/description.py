"""What a file describes: functions, the routes of their APIs, and what to say about the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Final

from runtime.local.function import FunctionConfig

#: A route's method that stands for all.
ANY: Final = "ANY"
#: The route of an HTTP API for requests that no other route takes, and the stage without a name in the path.
DEFAULT: Final = "$default"


@dataclass(frozen=True, slots=True)
class ApiRoute:
    """A route of an API, and the function that it leads to.

    Attributes:
        api: the API's logical id.
        function: the function's name.
        method: in upper case, or `ANY`.
        path: as in a template: `/users/{id}`, `/{proxy+}`, or `$default`.
        stage: the API's stage.
        rest: whether it belongs to a REST API, not to an HTTP API.
        payload: the version of the payload format, `1.0` or `2.0`.
        cors: cross-origin rules with the keys of a function URL's.
    """

    api: str
    function: str
    method: str = ANY
    path: str = DEFAULT
    stage: str = DEFAULT
    rest: bool = False
    payload: str = "2.0"
    cors: Mapping[str, object] = field(default_factory=dict)


@dataclass(slots=True)
class Description:
    """What a file describes.

    Attributes:
        notes: what the developer should know.
        missing: the template's parameters that have no value.
        files: the other files that were read: a change of one is a change of the description.
        names: the functions' names, of which each is given once.
    """

    functions: list[FunctionConfig] = field(default_factory=list)
    routes: list[ApiRoute] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    files: set[Path] = field(default_factory=set)
    names: set[str] = field(default_factory=set)

    def become(self, other: Description) -> None:
        """Take over what another description has, so that everyone who uses this one sees it."""
        for one in fields(self):
            setattr(self, one.name, getattr(other, one.name))
