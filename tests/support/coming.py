"""The pages below docs/coming-from: their files, their rows, and the tests that show each row."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

TESTS = Path(__file__).parents[1]
FOLDER = TESTS.parent / "docs" / "coming-from"
#: Pages without claims of their own: the list of the pages, and one whose rows have tests of their own.
OTHERS = ("README", "differences")

Test = TypeVar("Test")

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEAD = re.compile(r"^\|.*\n\|[ |-]+\n", re.MULTILINE)
_FIRST_CELL = re.compile(r"^\| ?(.*?) ?\|", re.MULTILINE)
_NAME = re.compile(r"(?:#|//) (\S+\.\w+)\n")


def claim(page: str, row: str) -> Callable[[Test], Test]:
    """Mark a test as one that shows a row: `page` is the page's file name without `.md`, `row` the row's first cell."""
    assert (FOLDER / f"{page}.md").exists(), row
    return lambda test: test


def pages() -> list[str]:
    """The names of the pages that have claims."""
    return sorted(path.stem for path in FOLDER.glob("*.md") if path.stem not in OTHERS)


def rows(page: str) -> list[str]:
    """The first cells of a page's tables, without the heads of the tables."""
    return _FIRST_CELL.findall(_HEAD.sub("", (FOLDER / f"{page}.md").read_text()))


def claims() -> Iterator[tuple[str, str]]:
    """What the tests claim: a page and a row each, read off their source."""
    for path in sorted(TESTS.glob("test_coming_from*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "claim":
                page, row = (ast.literal_eval(argument) for argument in node.args)
                yield page, row


def defined(test: str) -> bool:
    """Whether a test exists: `test_file.py::test_name`."""
    file, _, name = test.partition("::")
    nodes = ast.parse((TESTS / file).read_text()).body if (TESTS / file).exists() else []
    return any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name for node in nodes)


def blocks(page: str, language: str) -> list[str]:
    """The page's blocks in a language."""
    return [text for found, text in _BLOCK.findall((FOLDER / f"{page}.md").read_text()) if found == language]


def write_page(page: str, folder: Path) -> Path:
    """Write the files that a page shows, each from a block whose first line names it; the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for _, text in _BLOCK.findall((FOLDER / f"{page}.md").read_text()):
        if name := _NAME.match(text):
            (folder / name[1]).write_text(text)
    return folder
