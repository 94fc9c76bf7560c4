"""Reading, without running it, what a module offers as handlers and asks to be installed."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.files import write

from runtime.package import handlers
from runtime.package.errors import PackageError


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("def f(): inner = 1\nasync def g(): ...\nclass C: attribute = 1", {"f", "g", "C"}),
        ("import os.path\nimport a.b as c\nfrom d import e, f as g", {"os", "c", "e", "g"}),
        ("x = y = 1\na, (b, *c) = z\nd: int = 1\nfor i in r: j = 1", {"x", "y", "a", "b", "c", "d", "i", "j"}),
        ("if a:\n  x = 1\nelse:\n  y = 1", {"x", "y"}),
        ("try:\n  import fast as json\nexcept ImportError:\n  import json", {"json"}),
        ("with open(f) as g:\n  x = (y := 1)", {"g", "x", "y"}),
        ("match a:\n  case 1:\n    x = 1", {"x"}),
        ("raise SystemExit", set()),
        ("from a import *", None),
        ("def __getattr__(name): ...", None),
        ("def f(:", None),
    ],
)
def test_bound(tmp_path: Path, source: str, names: set[str] | None) -> None:
    """What a module binds at its top level, None where only running it would tell."""
    assert names == handlers.bound_names(write(tmp_path, {"m.py": source}) / "m.py")


OFFERED = """
import typing
from helpers import imported
def process(event, context): ...
async def work(event, headers): ...
def greet(event): ...
def any_of_them(*args): ...
def with_more(event, context, retries=3): ...
short = lambda event, context: event
my_handler = imported
def main(): ...
if typing.TYPE_CHECKING:
    def nested(event, context): ...
def _private(event, context): ...
def helper(text): ...
def three(a, b, c): ...
def keyword(event, context, *, needed): ...
@app.get("/users")
def route(event, context): ...
@logged
def decorated(event, context): ...
x = 1
"""


def test_offered(tmp_path: Path) -> None:
    """Each module as a script, its public functions that are called as handlers are, and what is named as one."""
    folder = write(tmp_path, {"b.py": "def main(): ...", "a.py": OFFERED})
    names = "any_of_them decorated greet main my_handler nested process short with_more work"
    assert handlers.handler_strings(folder.glob("*.py")) == [
        "a.py",
        *(f"a.{name}" for name in names.split()),
        "b.py",
        "b.main",
    ]


def test_not_too_many_are_offered(tmp_path: Path) -> None:
    """A generated module does not fill the screen."""
    many = "".join(f"def f{number}(event, context): ...\n" for number in range(1000))
    folder = write(tmp_path, {"a.py": many})
    assert 100 == len(handlers.handler_strings(folder.glob("*.py")))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("print(1)", []),
        ('# /// script\n# dependencies = ["one", "two>=2"]\n# ///\n', ["one", "two>=2"]),
        ('#!/usr/bin/env python3\n# /// script\n#\n# dependencies = [\n#   "one",\n# ]\n# ///\nimport one\n', ["one"]),
        ('# /// script\n# requires-python = ">=3.11"\n# ///\n', []),
        ('# /// other\n# dependencies = ["one"]\n# ///\n', []),
    ],
)
def test_script_requirements(tmp_path: Path, source: str, expected: list[str]) -> None:
    """The inline metadata of scripts, as pip's and uv's users write it."""
    assert expected == handlers.script_requirements(write(tmp_path, {"m.py": source}) / "m.py")


def test_broken_metadata_is_said(tmp_path: Path) -> None:
    """Metadata that is not TOML is an error with the script's name."""
    path = write(tmp_path, {"m.py": "# /// script\n# dependencies = [\n# ///\n"}) / "m.py"
    with pytest.raises(PackageError, match=r"m\.py is not valid TOML"):
        handlers.script_requirements(path)
