"""docs/reference/public-api.md has every name that is promised, and promises nothing that is not there."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "reference" / "public-api.md").read_text()

#: Each section's modules and its rows: the names, and the attributes that they have.
SECTIONS = [
    (re.findall(r"`(\w+(?:\.\w+)*)`", title), [tuple(row.strip("|").split("|")) for row in rows.splitlines()[2:]])
    for title, rows in re.findall(r"^## .*?: (`.*)\n\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
]


def quoted(cell: str) -> list[str]:
    """The names in a cell of the page."""
    return re.findall(r"`(\w+)`", cell)


ROWS = [(modules, quoted(names)[0], quoted(attributes)) for modules, rows in SECTIONS for names, _, attributes in rows]


def test_the_page_is_read() -> None:
    """Every section has modules and rows."""
    modules = [modules for modules, _ in SECTIONS]
    assert ["dispatch", "dispatch.http", "dispatch.types", "dispatch.load", "runtime.testing"] == [
        each[0] for each in modules
    ]


@pytest.mark.parametrize(("modules", "rows"), SECTIONS, ids=[modules[0] for modules, _ in SECTIONS])
def test_names(modules: list[str], rows: list[tuple[str, str, str]]) -> None:
    """The page has the names that the modules export, no more and no less."""
    exported = [name for module in modules for name in import_module(module).__all__]
    assert sorted(exported) == sorted(name for names, _, _ in rows for name in quoted(names))


@pytest.mark.parametrize(("modules", "name", "attributes"), [row for row in ROWS if row[2]], ids=str)
def test_attributes(modules: list[str], name: str, attributes: list[str]) -> None:
    """A class has the attributes that the page promises."""
    found: Any = next(getattr(module, name) for module in map(import_module, modules) if hasattr(module, name))
    there = {*dir(found), *getattr(found, "__annotations__", {})}
    if issubclass(found, Exception):
        there |= vars(found("message")).keys()
    assert [] == [attribute for attribute in attributes if attribute not in there]
