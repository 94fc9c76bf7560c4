"""The reference pages have every hook, attribute, variable, option and error type that the code has, and no others."""

from __future__ import annotations

import ast
import asyncio
import inspect
import keyword
import re
import runpy
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from dispatch import hookspecs
from dispatch.discovery import BUILT_IN, OF_ANY
from runtime.local.environments import import_times
from runtime.local.function import FunctionConfig
from runtime.local.function_error import UNHANDLED
from runtime.testing import Invoker
from runtime.testing.promises import broken_promises

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"

#: The script that makes pages, and the pages that it makes.
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "pages.py"))
MADE: dict[Path, str] = SCRIPT["pages"]()
commands, directory = SCRIPT["commands"], SCRIPT["directory"]

#: The pages of the error types.
ERRORS = sorted(path for path in (DOCS / "errors").glob("*.md") if path.stem != "README")

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
    anchor = f'<a id="{name}"></a>' if arguments else ""  # without arguments, the heading's own address is the name
    title = f"### `{name}({', '.join(arguments)})`{anchor}"
    text = part(page("reference/hooks.md"), title).partition("\n## ")[0]

    assert text.strip()
    assert arguments == re.findall(r"^- `(\w+)`: \S", text, re.MULTILINE)
    assert arguments == re.findall(
        r"^    (\w+): \S", (inspect.getdoc(HOOKS[name]) or "").partition("Args:")[2], re.MULTILINE
    )


def test_no_other_hooks() -> None:
    """The page has no hook that there is not."""
    assert [*HOOKS] == re.findall(r"^### .*?`(dispatch_\w+)\(", page("reference/hooks.md"), re.MULTILINE)


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


def test_addresses_of_variables() -> None:
    """Each variable is on the page once, with an address of its name."""
    rows = [line.split(" | ")[0] for line in page("reference/settings.md").splitlines() if line.startswith("| ")]
    named = [name for row in rows for name in re.findall(r"`(\w+)`", row)]

    assert [] == [name for name in named if named.count(name) > 1]
    assert named == re.findall(r'<a id="(\w+)"></a>`\1`', "\n".join(rows))


@pytest.mark.parametrize("path", MADE, ids=lambda path: str(path.relative_to(DOCS)))
def test_pages_that_are_made(path: Path) -> None:
    """A page that is made from something else is what `python scripts/pages.py` makes, and not too long."""
    assert MADE[path] == path.read_text()
    assert len(MADE[path].splitlines()) <= 250


@pytest.mark.parametrize("folder", ["reference/api", "reference/commands"])
def test_no_page_is_left_over(folder: str) -> None:
    """A folder of such pages has no others."""
    assert {path for path in MADE if path.parent == DOCS / folder} == {*(DOCS / folder).glob("*.md")}


def test_options() -> None:
    """Each option has a meaning; its row has its address, its names and its default."""
    for words, command in commands.commands():
        _, name, *rest = [*words.split(), "README"][:3]
        text = page(f"reference/commands/{name if words != 'dispatch' else 'README'}.md")
        own = part(text, f"## `{words}`") if rest and rest != ["README"] else text.partition("\n## `")[0]
        options = [param for param in command.params if isinstance(param, click.Option)]
        assert [] == [option.name for option in options if not option.help]
        rows = [row for row in own.splitlines() if row.startswith("| <a id=")]
        assert len(options) == len(rows), words
        for option, row in zip(options, rows, strict=True):
            assert all(name in row for name in option.opts)
            assert row.startswith(f'| <a id="{"".join(words.split()[2:])}{max(option.opts, key=len)}"></a>`-')
            if isinstance(option.default, int) and not option.is_flag:
                assert row.endswith(f"| `{option.default}` |")


def error_types() -> set[str]:
    """Each error type that the code has: as an attribute of a class, or as a string."""
    declared = {
        str(node.value.value)
        for tree in SOURCES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        if [ast.unparse(target) for target in node.targets] == ["error_type"]
    }
    used = {text for text in constants() if ERROR_TYPE.fullmatch(text)}
    return {*declared, *used, UNHANDLED} - {"Runtime.Unknown"}  # what only a class without a type would have


def test_error_types() -> None:
    """Each error type has a page and a row, which links to it; there are no others."""
    linked = re.findall(r"^\| \[`([\w.]+)`\]\(([\w.]+)\.md\) \|", page("errors/README.md"), re.MULTILINE)

    assert [] == [row for row in linked if row[0] != row[1]]
    assert error_types() == {name for name, _ in linked}
    assert error_types() == {path.stem for path in ERRORS}


@pytest.mark.parametrize("path", ERRORS, ids=lambda path: path.stem)
def test_pages_of_errors(path: Path) -> None:
    """A page is named after its type, and has the message, the causes and the cure, in this order."""
    text = path.read_text()
    titles = re.findall(r"^##? (.*)", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)

    assert [path.stem, "Message"] == titles[:2]
    assert titles[2] in {"Cause", "Causes"}
    assert "Cure" == titles[3]
    assert 25 <= len(text.splitlines()) <= 90


def test_the_message_that_takes_a_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page of Runtime.Timedout, which no example can provoke in time, has the message that a start has that hangs."""
    (tmp_path / "app.py").write_text("import select\nselect.select([], [], [])\n")
    monkeypatch.setattr(import_times, "LIMIT", 0.5)
    *_, failure = asyncio.run(import_times.measure(FunctionConfig(handler="app.handler", root=tmp_path)))

    assert failure is not None
    message = failure.message.replace("0.5", "60")
    assert f"\n{failure.type}: {message}\n" in page("errors/Runtime.Timedout.md")


#: The sections of each convention's page, in order; a page may have others between them.
SECTIONS = ("Example", "Signature", "Events", "Answers", "Errors", "Streaming", "Tests", "Cost")


@pytest.mark.parametrize("name", BUILT_IN)
def test_page_of_a_convention(name: str) -> None:
    """Each convention has one page, named after it, with the same sections in the same order."""
    pages = [path for folder in ("conventions", "ports") if (path := DOCS / folder / f"{name}.md").is_file()]

    assert 1 == len(pages)
    text = pages[0].read_text()
    headings = re.findall(r"^## (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    assert text.startswith(f"# `{name}`\n")
    assert [*SECTIONS] == [heading for heading in headings if heading in SECTIONS]


@pytest.mark.parametrize("name", BUILT_IN)
def test_way_to_a_convention(name: str) -> None:
    """The table that leads from code to a convention has each of them, with its page and what to set."""
    table = part(page("conventions/README.md"), "## From what you have to a name")
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    found = [row for row in rows if re.fullmatch(rf"\[`{name}`\]\((\.\./ports/)?{name}\.md\)", row[1])]

    assert found
    assert (name in OF_ANY) == any(row[2].startswith("nothing: `auto` chooses it") for row in found)
    assert (name not in OF_ANY or len(found) > 1) == any(row[2] == f"`HANDLER_CONVENTION={name}`" for row in found)


def test_directory() -> None:
    """The entries of the directory's list are in order and complete."""
    plugins = directory.listed(DOCS)
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
    assert set() == {name[1] for name in names if name} - directory.listed(DOCS).keys()


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


def test_extras() -> None:
    """The page about the installation has each extra that is not for development."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = [name for name, of in pyproject["project"]["optional-dependencies"].items() if "==" not in str(of)]

    assert extras
    assert set(extras) == first_cells(part(page("guides/install.md"), "## Extras"))
