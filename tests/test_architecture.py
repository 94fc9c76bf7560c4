"""What docs/architecture.md promises of the source: who imports whom, and what is written down once."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

from dispatch.discovery import BUILT_IN, OF_A_PROGRAM
from dispatch.shadowing import OUR_PACKAGES

ROOT = Path(__file__).resolve().parents[1]

#: What each part may import besides itself; the first of the names that a module's own starts with is its part.
LAYERS = {
    "dispatch": set(),
    "conventions": {"dispatch"},
    "runtime.cli": {"dispatch", "runtime", "runtime.local", "runtime.package", "runtime.scaffold", "runtime.testing"},
    "runtime.testing": {"dispatch", "runtime", "runtime.local"},
    "runtime.local": {"dispatch", "runtime"},
    "runtime.package": {"dispatch", "runtime"},
    "runtime.scaffold": {"dispatch"},
    "runtime": {"dispatch"},
}


#: The local platform from its roof to its ground; what stands on one floor knows nothing of each other.
FLOORS = [
    {"serve"},
    {"reload", "web"},
    {"config"},
    {"asynchronous", "handler_check", "sources"},
    {"environments"},
    {"runtime_api"},
    {"addresses", "function", "function_name", "invocation", "samples"},
    {"source"},
    {"answer", "feed"},
    {"function_error"},
    {"gates", "loop", "plain_parser", "values"},
]


@cache
def trees() -> Mapping[str, ast.Module]:
    """The source of every module of ours, by its name."""
    files = [file for package in OUR_PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]
    return {module_name(file): ast.parse(file.read_text(), str(file)) for file in files}


def module_name(file: Path) -> str:
    """The dotted name of a file's module."""
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported(name: str) -> Iterator[str]:
    """Our modules that one imports, at once, later, or for the sake of type checkers."""
    for node in ast.walk(trees()[name]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in trees())
        elif isinstance(node, ast.ImportFrom) and node.module and node.module in trees():
            for alias in node.names:
                inside = f"{node.module}.{alias.name}"
                yield inside if inside in trees() else node.module


def part(name: str) -> str:
    """The part of the architecture that a module belongs to."""
    return next(key for key in LAYERS if f"{name}.".startswith(f"{key}."))


def circle(arrows: Mapping[str, set[str]]) -> list[str]:
    """The modules of which each is in a circle of imports."""
    left = dict(arrows)
    while True:
        ends = [name for name, targets in left.items() if not targets & left.keys() - {name}]
        if not ends:
            return sorted(left)
        for name in ends:
            del left[name]


def test_no_circle() -> None:
    """No module imports itself by way of others, not even for type checking."""
    assert [] == circle({name: set(imported(name)) for name in trees()})


def test_circles_are_seen() -> None:
    """The test above can fail."""
    assert ["a", "b"] == circle({"a": {"b"}, "b": {"a", "c"}, "c": set()})


def test_layers() -> None:
    """Nothing imports upwards, and what stands side by side knows nothing of each other."""
    arrows = {(name, target) for name in trees() for target in imported(name)}
    assert [] == sorted(
        (name, target) for name, target in arrows if part(target) not in LAYERS[part(name)] | {part(name)}
    )


def test_floors_of_the_local_platform() -> None:
    """Each wing of `runtime/local` has its floor and imports only from floors below."""
    floors = {wing: number for number, floor in enumerate(FLOORS) for wing in floor}
    wings = {name: name.split(".")[2] for name in trees() if name.startswith("runtime.local.")}
    assert set(wings.values()) == floors.keys()
    arrows = {(wings[name], wings[target]) for name in wings for target in imported(name) if target in wings}
    assert [] == sorted((wing, target) for wing, target in arrows if wing != target and floors[wing] >= floors[target])


def compared(tree: ast.AST) -> Iterator[str]:
    """The texts that code compares with, matches, or looks things up by."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare | ast.MatchValue):
            parts: list[ast.AST] = [node]
        elif isinstance(node, ast.Subscript):
            parts = [node.slice]
        elif isinstance(node, ast.Dict):
            parts = [key for key in node.keys if key]
        else:
            continue
        constants = (inner for each in parts for inner in ast.walk(each) if isinstance(inner, ast.Constant))
        yield from (constant.value for constant in constants if isinstance(constant.value, str))


@pytest.mark.parametrize("name", [name for name in trees() if name != "dispatch.discovery"])
def test_no_convention_is_privileged(name: str) -> None:
    """No convention's name is compared outside `conventions` and the table of built-in ones."""
    if part(name) != "conventions":
        assert set() == {*BUILT_IN, OF_A_PROGRAM} & set(compared(trees()[name]))


@pytest.mark.parametrize("source", ["x == 'lambda'", "x in ('a', 'script')", "{'json': 1}", "table['stream']"])
def test_comparisons_are_seen(source: str) -> None:
    """The test above can fail."""
    assert BUILT_IN.keys() & set(compared(ast.parse(source)))


def texts(name: str) -> set[str]:
    """The texts in a module, without its docstrings."""
    tree = trees()[name]
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {id(node.body[0].value) for node in ast.walk(tree)
                  if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)}  # fmt: skip
    constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docstrings)
    return {node.value for node in constants if isinstance(node.value, str)}


def test_module_names_stand_once() -> None:
    """The built-in conventions' modules are named in one place."""
    modules = set(BUILT_IN.values())
    assert {"dispatch.discovery"} == {name for name in trees() if modules & texts(name)}
