"""The reference pages have every hook, attribute, variable, option and error type that the code has, and no others."""

from __future__ import annotations

import ast
import inspect
import keyword
import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from dispatch import hookspecs
from dispatch.discovery import BUILT_IN
from runtime.testing import Invoker
from runtime.testing.promises import broken_promises

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = runpy.run_path(str(ROOT / "scripts" / "pages.py"))

#: Every module of ours.
SOURCES = {
    path: ast.parse(path.read_text())
    for package in ("dispatch", "conventions", "runtime")
    for path in sorted((ROOT / package).rglob("*.py"))
}

HOOKS = {name: hook for name, hook in vars(hookspecs).items() if name.startswith("dispatch_")}

#: Names that are surely environment variables, wherever they occur.
OURS = re.compile(r"_?HANDLER|(_?HANDLER|_?LAMBDA|AWS_LAMBDA|DISPATCH)_[A-Z_]*[A-Z]")

#: Variables of Python and of the shell, which mean here what they mean everywhere.
COMMON = {"PATH", "PYTHONPATH", "PYTHONUNBUFFERED", "PYTHONUSERBASE", "PYTHONDONTWRITEBYTECODE"}

#: Variables that only functions-framework's own package reads.
OF_PACKAGES = {"ENTRY_POINT", "LOG_EXECUTION_ID"}

#: Error types: those of Lambda and ours have a dot.
ERROR_TYPE = re.compile(r"(Runtime|Function|Sandbox|Extension)\.[A-Z]\w+")


def page(name: str) -> str:
    """A page's text."""
    return (DOCS / name).read_text()


def part(text: str, title: str) -> str:
    """The text below a heading, up to the next one of its level."""
    level = title.partition(" ")[0]
    return f"{text}\n{level} ".partition(f"\n{title}\n")[2].partition(f"\n{level} ")[0]


def first_cells(text: str) -> set[str]:
    """What is in backticks in the first column of the tables."""
    rows = [line.split(" | ")[0] for line in text.splitlines() if line.startswith("| ")]
    return {name for cell in rows for name in re.findall(r"`([^`]+)`", cell)}


def constants() -> Iterator[str]:
    """Every string in our modules that is not a docstring, also those within longer names of attributes."""
    for tree in SOURCES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes):
                yield node.value if isinstance(node.value, str) else node.value.decode("latin-1")


def read_variables() -> set[str]:
    """Every variable that our modules read by its name from a mapping called `environ`."""
    found: set[str] = set()
    for tree in SOURCES.values():
        names = {
            target.id: node.value.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            read: ast.expr | None = None
            if isinstance(node, ast.Call) and node.args:
                read = (
                    node.args[0]
                    if ast.unparse(node.func).endswith(("environ", "environ.get", "environ.pop", "getenv"))
                    else None
                )
            elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
                read = node.slice if ast.unparse(node.value).endswith("environ") else None
            if isinstance(read, ast.Constant):
                found.add(str(read.value))
            elif isinstance(read, ast.Name) and read.id in names:
                found.add(str(names[read.id]))
    return found


def read_attributes(owner: str) -> set[str]:
    """The attributes that the runtime reads of a convention or of a handler, with `getattr`."""
    return {
        node.args[1].value
        for path, tree in SOURCES.items()
        if "conventions" not in path.parts
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "getattr" and len(node.args) == 3
        if re.fullmatch(rf"(\w+\.)*{owner}", ast.unparse(node.args[0]))
        if isinstance(node.args[1], ast.Constant) and isinstance(node.args[1].value, str)
        if not node.args[1].value.startswith("__")
    }


@pytest.mark.parametrize("name", HOOKS)
def test_hooks(name: str) -> None:
    """Each hook is a heading with its exact arguments, and each argument has a line, on the page and in the code."""
    arguments = [*inspect.signature(HOOKS[name]).parameters]
    text = part(page("reference/hooks.md"), f"### `{name}({', '.join(arguments)})`").partition("\n## ")[0]

    assert text.strip()
    assert arguments == re.findall(r"^- `(\w+)`: \S", text, re.MULTILINE)
    assert arguments == re.findall(
        r"^    (\w+): \S", (inspect.getdoc(HOOKS[name]) or "").partition("Args:")[2], re.MULTILINE
    )


def test_no_other_hooks() -> None:
    """The page has no hook that there is not."""
    assert [*HOOKS] == re.findall(r"^### `(dispatch_\w+)\(", page("reference/hooks.md"), re.MULTILINE)


@pytest.mark.parametrize("owner", ["convention", "handler"])
def test_attributes(owner: str) -> None:
    """The page and the docstring of the hooks have the attributes of conventions and handlers that the code reads."""
    table = part(page("reference/hooks.md"), "## Conventions").partition(f"| attribute of the {owner}")[2]
    shown = {name.split("(")[0].split(" ")[0] for name in first_cells(table.partition("\n\n")[0])}
    _, of_conventions, of_handlers = re.split(r"may have these", hookspecs.__doc__ or "")
    stated = of_conventions if owner == "convention" else of_handlers

    assert shown
    assert read_attributes(owner) == shown
    assert shown == set(re.findall(r"^- `(\w+)", stated, re.MULTILINE))


def test_variables() -> None:
    """The page of the settings has every variable that the code reads, and no others."""
    shown = first_cells(page("reference/settings.md"))
    named = {text for text in constants() if OURS.fullmatch(text)}

    assert set() == (read_variables() | named) - shown - COMMON
    assert OF_PACKAGES == shown - set(constants())


def test_commands() -> None:
    """The page of the commands is what the commands make of it: `python scripts/pages.py` writes it."""
    assert PAGES["pages"]()[DOCS / "reference" / "commands.md"] == page("reference/commands.md")


def test_options() -> None:
    """Each option has a meaning, and its row has its names and its default."""
    for words, command in PAGES["commands"]():
        text = re.search(
            rf"^## `{re.escape(words)}(?= [A-Z\[]|`).*?(?=^## |\Z)",
            page("reference/commands.md"),
            re.MULTILINE | re.DOTALL,
        )
        assert text, words
        options = [param for param in command.params if isinstance(param, click.Option)]
        assert [] == [option.name for option in options if not option.help]
        rows = [row for row in text[0].splitlines() if row.startswith("| `-")]
        assert len(options) == len(rows)
        for option, row in zip(options, rows, strict=True):
            assert all(name in row for name in option.opts)
            if isinstance(option.default, int) and not option.is_flag:
                assert row.endswith(f"| `{option.default}` |")


def test_error_types() -> None:
    """Each error type has its meaning: those of functions on one page, those of the platform on the other."""
    shown = first_cells(part(page("guides/handlers.md"), "## Errors")) | first_cells(
        part(page("guides/local-platform.md"), "## Errors")
    )
    declared = {
        str(node.value.value)
        for tree in SOURCES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        if [ast.unparse(target) for target in node.targets] == ["error_type"]
    }
    used = {text for text in constants() if ERROR_TYPE.fullmatch(text)}

    assert set() == (declared | used) - shown - {"Runtime.Unknown"}  # what only a class without a type would have
    assert set() == shown - declared - set(constants())


def test_directory() -> None:
    """The directory's page is made from its list, whose entries are in order and complete."""
    assert PAGES["pages"]()[DOCS / "plugins" / "directory.md"] == page("plugins/directory.md")
    plugins = PAGES["listed"]()
    assert sorted(plugins) == [*plugins]
    for facts in plugins.values():
        assert (
            {"does", "repository", "licence"}
            <= facts.keys()
            <= {"does", "repository", "licence", "conventions", "hooks"}
        )
        assert facts.get("conventions") or facts.get("hooks")
        assert {f"dispatch_{hook}" for hook in facts.get("hooks", ())} <= HOOKS.keys()


def test_directory_has_the_examples() -> None:
    """Every plugin among the examples is in the directory, under the name of its distribution."""
    names = [
        re.search(r'^name = "(.*)"', path.read_text(), re.MULTILINE)
        for path in ROOT.glob("examples/plugin-*/pyproject.toml")
    ]

    assert names
    assert set() == {name[1] for name in names if name} - PAGES["listed"]().keys()


def test_modules_of_conventions() -> None:
    """A built-in convention is in the module of its name, where plugins that build on it import it."""
    modules = {name: f"{name.replace('-', '_')}{'_' * keyword.iskeyword(name)}" for name in BUILT_IN}
    places = {name: (f"conventions.{module}", f"conventions.ports.{module}") for name, module in modules.items()}

    assert [] == [name for name, module in BUILT_IN.items() if module not in places[name]]


def test_fixtures() -> None:
    """The pages about tests have each fixture with its arguments, and each marker."""
    pages = page("guides/testing.md") + page("plugins/testing.md")
    source = (ROOT / "pytest_handler_dispatch.py").read_text()
    fixtures = [
        node.name
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
        if any("pytest.fixture" in ast.unparse(decorator) for decorator in node.decorator_list)
    ]
    markers = re.findall(r'"markers", "(\w+)', source)

    assert fixtures
    assert markers
    assert [] == [name for name in fixtures if f"`{name}(" not in pages]
    assert [] == [name for name in markers if f"`@pytest.mark.{name}`" not in pages]


def test_promises() -> None:
    """The page about tests of plugins has each promise of a convention."""
    with Invoker() as invoke, pytest.raises(ValueError, match="known: ") as refused:
        broken_promises(invoke, "standard", event="a", answer="b", bad=["c"], except_for=["nosuch"])
    names = str(refused.value).partition("known: ")[2].split(", ")
    assert [] == [name for name in names if f"`{name}`" not in page("plugins/testing.md")]
