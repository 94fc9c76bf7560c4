"""A new plugin: a distribution with one convention, its tests, and a workflow that publishes it."""

from __future__ import annotations

import keyword
import re
import sys
from importlib.util import find_spec
from typing import Final

from dispatch import __version__
from dispatch.discovery import AUTO, BUILT_IN, DISTRIBUTION
from dispatch.shadowing import OUR_PACKAGES
from runtime.scaffold.files import TEMPLATES, BadName, fill_in

#: Names of distributions (packaging.python.org, "Names and normalization") that begin like the name of a module.
_NAME: Final = re.compile(r"[a-z]([a-z0-9._-]*[a-z0-9])?", re.IGNORECASE)


def files(name: str) -> dict[str, str]:
    """The files of the plugin `name`, by their paths.

    Raises:
        BadName: the name cannot be that of a distribution and its module.
    """
    distribution = _distribution(name)
    values = {
        "distribution": distribution,
        "module": distribution.replace("-", "_"),
        "convention": convention_of(distribution),
        "version": __version__,
        "dispatch": DISTRIBUTION,
    }
    return fill_in(TEMPLATES / "plugin", values)


def convention_of(distribution: str) -> str:
    """The name of a plugin's convention: the last part of the distribution's, unless a built-in one has that name."""
    last = distribution.rpartition("-")[2]
    return distribution if last in {*BUILT_IN, AUTO} else last


def _distribution(name: str) -> str:
    """The normalized name of a distribution."""
    if not _NAME.fullmatch(name):
        raise BadName(
            f"not a name for a plugin: {name!r}; start with a letter, continue with letters, digits, '-', '_' and '.', "
            "and end with a letter or a digit"
        )
    distribution = re.sub(r"[-_.]+", "-", name).lower()
    module = distribution.replace("-", "_")
    if distribution == DISTRIBUTION or module in OUR_PACKAGES:
        raise BadName(f"the name is one of Dispatch's own: {name!r}; add a prefix, such as acme-{name}")
    if module in sys.stdlib_module_names or keyword.iskeyword(module) or module == "tests":
        raise BadName(f"the name is a module or keyword of Python: {name!r}; add a prefix, such as acme-{name}")
    if distribution in {*BUILT_IN, AUTO}:
        raise BadName(f"a built-in convention has this name: {name!r}; add a prefix, such as acme-{name}")
    if find_spec(module) is not None:
        raise BadName(f"a module of this name is installed: {module!r}; add a prefix, such as acme-{name}")
    return distribution
