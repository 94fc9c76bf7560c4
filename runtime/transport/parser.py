"""httptools' parser of responses, without the typing module, which is a tenth of a cold start.

Of typing httptools takes two names, for the benefit of type checkers. Where nobody has imported typing yet, a stand-in
has them for as long as httptools is being imported; whatever else is asked of it comes from the real module.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

__all__ = ["HttpParserError", "HttpParserUpgrade", "HttpResponseParser"]


class _Typing(ModuleType):
    """What httptools takes of typing: a base class, and what is written ``Optional[...]``."""

    Protocol = object
    Optional = list

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        _forget(self)
        return getattr(import_module("typing"), name)


def _forget(stand_in: _Typing) -> None:
    if sys.modules.get("typing") is stand_in:
        del sys.modules["typing"]


def _httptools() -> Any:
    # Another thread, of sitecustomize say, might import typing meanwhile.
    if "typing" in sys.modules or len(sys._current_frames()) > 1:  # noqa: SLF001
        return import_module("httptools")
    sys.modules["typing"] = stand_in = _Typing("typing")
    try:
        return import_module("httptools")
    finally:
        _forget(stand_in)


if not TYPE_CHECKING:
    _found = _httptools()
    HttpParserError, HttpParserUpgrade = _found.HttpParserError, _found.HttpParserUpgrade
    HttpResponseParser = _found.HttpResponseParser
