"""The pages of the public API: the signature and the docstring of each name that public-api.md promises."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent

#: How long a line of a page may be.
WIDTH = 120

#: The pages: a title, a sentence below it, and the modules whose names it has.
PAGES = {
    "dispatch": ("For handlers and plugins", ["dispatch"]),
    "http": ("HTTP events", ["dispatch.http"]),
    "types": ("For type checkers", ["dispatch.types"]),
    "load": ("A function in your own program", ["dispatch.load", "dispatch.function"]),
    "testing": ("In tests", ["runtime.testing"]),
}

#: Classes whose objects come from Dispatch: nobody else calls them.
RETURNED = {
    "dispatch.function.Function",
    *(f"runtime.testing.{name}" for name in ("Chunk", "FunctionError", "Http", "LocalPlatform", "Result")),
}

#: The sections of docstrings, and how a page calls them.
SECTIONS = {"Args": "Arguments", "Attributes": "Attributes", "Raises": "Raises", "Returns": "Returns"}


class Docstring(NamedTuple):
    """A docstring: its paragraphs, and its sections, each a list of names and meanings."""

    paragraphs: list[str]
    sections: dict[str, list[tuple[str, str]]]


def read(text: str) -> Docstring:
    """Read a docstring of Google's style."""
    first, *rest = re.split(rf"^({'|'.join(SECTIONS)}):\n", inspect.cleandoc(text), flags=re.MULTILINE)
    sections = {}
    for title, part in zip(rest[::2], rest[1::2], strict=True):
        entries = re.findall(r"^(\S.*?): (.*(?:\n +.*)*)", textwrap.dedent(part), flags=re.MULTILINE)
        sections[title] = entries or [("", textwrap.dedent(part))]
    return Docstring([part for part in first.strip().split("\n\n") if part.strip()], sections)


def paragraph(text: str, indent: str = "") -> str:
    """A paragraph, filled; one that is indented is code."""
    if text.startswith("    "):
        return f"```py\n{textwrap.dedent(text)}\n```"
    lines = textwrap.wrap(
        " ".join(text.split()), WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(lines)


def item(names: str, meaning: str, anchor: str = "") -> str:
    """An entry of a list."""
    shown = ", ".join(f"`{name}`" for name in names.split(", "))
    return paragraph(f"- {anchor}{shown}: {meaning.strip()}" if names else meaning, "  ")


def text_of(found: Docstring, leaving_out: str = "") -> Iterator[str]:
    """The parts of a page for a docstring."""
    code: list[str] = []
    for part in found.paragraphs:
        code = [*code, part] if part.startswith("    ") else code
        if code and not part.startswith("    "):
            yield paragraph("\n\n".join(code))
            code = []
        if not part.startswith("    "):
            yield paragraph(part)
    if code:
        yield paragraph("\n\n".join(code))
    for title, entries in found.sections.items():
        if title != leaving_out:
            yield f"**{SECTIONS[title]}**"
            yield "\n".join(item(*entry) for entry in entries)


def signature(name: str, found: Any) -> str:
    """A signature as in the code, with a line for each parameter if it is long."""
    signed = inspect.signature(found)
    kinds = inspect.Parameter
    parts: list[str] = []
    for index, (each, param) in enumerate(signed.parameters.items()):
        if each in {"self", "cls"} and index == 0:
            continue
        if param.kind == kinds.KEYWORD_ONLY and not any(part.startswith("*") for part in parts):
            parts.append("*")
        stars = "*" * ((param.kind == kinds.VAR_POSITIONAL) + 2 * (param.kind == kinds.VAR_KEYWORD))
        typed = "" if param.annotation is kinds.empty else f": {annotation(param.annotation)}"
        plain = isinstance(param.default, str | int | float | bytes | tuple | None)
        default = "" if param.default is kinds.empty else f" = {written(param.default)}" if plain else " = …"
        parts.append(f"{stars}{each}{typed}{default}")
    returned = annotation(signed.return_annotation)
    arrow = "" if isinstance(found, type) else f" -> {returned}"
    line = f"{name}({', '.join(parts)}){arrow}"
    return line if len(line) < WIDTH - 20 else f"{name}(\n" + "".join(f"    {part},\n" for part in parts) + f"){arrow}"


def written(value: object) -> str:
    """A value as our code has it."""
    return repr(value) if '"' in repr(value) else repr(value).replace("'", '"')


def annotation(given: Any) -> str:
    """A type as it is written."""
    text = given if isinstance(given, str) else getattr(given, "__name__", str(given))
    return text.strip("'").replace("FunctionConfig", "Function")


def attributes(name: str, found: type, promised: list[str]) -> Iterator[str]:
    """The attributes of a class that are promised: a list of values, then a section for each method."""
    stated: dict[str, str] = {}
    for base in reversed(found.__mro__):
        stated |= {
            each: meaning
            for names, meaning in read(vars(base).get("__doc__") or "").sections.get("Attributes", [])
            for each in names.split(", ")
        }
    values, methods = [], []
    for each in promised:
        there = inspect.getattr_static(found, each, None)
        if isinstance(there, classmethod) or inspect.isfunction(there):
            methods.append(each)
        else:
            of_its_own = read(inspect.getdoc(there) or "") if isinstance(there, property) else None
            meaning = " ".join(of_its_own.paragraphs[0].split()) if of_its_own else stated[each]
            plain = meaning if meaning[:2].isupper() else meaning[:1].lower() + meaning[1:]
            values.append(item(each, plain, f'<a id="{name}.{each}"></a>'))
    if values:
        yield "**Attributes**"
        yield "\n".join(values)
    for each in methods:
        method = getattr(found, each)
        yield f'### `{name}.{each}`<a id="{name}.{each}"></a>'
        yield f"```py\n{signature(f'{name}.{each}', method)}\n```"
        yield from text_of(read(inspect.getdoc(method) or ""))


def constant(module: ModuleType, name: str) -> tuple[str, str]:
    """The value of a constant as it is written, and the comment above it."""
    imported = (each for each in vars(module).values() if inspect.ismodule(each))
    for source in (module, *(each for each in imported if hasattr(each, "__file__"))):
        lines = inspect.getsource(source).splitlines()
        for node in ast.parse("\n".join(lines)).body:
            target = getattr(node, "target", None) or next(iter(getattr(node, "targets", [])), None)
            if isinstance(target, ast.Name) and target.id == name and isinstance(node, ast.Assign | ast.AnnAssign):
                above = node.lineno - 1
                first = next(at for at in range(above, -1, -1) if not lines[at - 1].startswith("#:"))
                comment = " ".join(line.removeprefix("#:").strip() for line in lines[first:above])
                return ast.get_source_segment("\n".join(lines), node.value) or "" if node.value else "", comment
    raise LookupError(f"{name} is not assigned in {module.__name__} or in what it imports")


def entry(module: ModuleType, name: str, promised: list[str]) -> Iterator[str]:
    """What a page says about a name."""
    found = getattr(module, name)
    whole = f"{module.__name__}.{name}"
    yield f'## `{whole}`<a id="{name}"></a>'
    if inspect.ismodule(found):
        yield f"The module [`{whole}`]({name}.md)."
        return
    if not (inspect.isclass(found) or inspect.isfunction(found)):
        value, comment = constant(module, name)
        yield f"```py\n{name} = {value}\n```"
        yield paragraph(comment)
        return
    shown = f"class {name}" if whole in RETURNED else signature(name, found)
    yield f"```py\n{shown}\n```"
    text = read(inspect.getdoc(found) or "")
    yield from text_of(text, "Attributes")
    bases = [base.__name__ for base in found.__bases__] if inspect.isclass(found) else []
    if bases[:1] == ["DispatchError"]:
        yield f"Its arguments and attributes are those of [`{bases[0]}`](#{bases[0]})."
    elif inspect.isclass(found):
        if whole not in RETURNED and inspect.isfunction(vars(found).get("__init__")):
            made = read(vars(found)["__init__"].__doc__ or "").sections
            yield from text_of(Docstring([], {title: made[title] for title in ("Args", "Raises") if title in made}))
        yield from attributes(name, found, promised)
        if inspect.isfunction(called := vars(found).get("__call__")):
            yield f'### Calling it<a id="{name}.__call__"></a>'
            yield f"```py\n{signature('', called)}\n```"
            yield from text_of(read(called.__doc__ or ""))


def promises(docs: Path) -> dict[str, list[str]]:
    """The names that public-api.md promises, after their modules, each with its attributes."""
    page = (docs / "reference" / "public-api.md").read_text(encoding="utf-8")
    return {
        f"{module}.{name}": re.findall(r"`(\w+)`", row.split(" | ")[2])
        for title, rows in re.findall(r"^## .*?: (`.*)\n\n((?:\|.*\n)+)", page, re.MULTILINE)
        for module in re.findall(r"`([\w.]+)`", title)
        for row in rows.splitlines()[2:]
        for name in re.findall(r"`(\w+)`", row.split(" | ")[0])
    }


def fixtures() -> str:
    """The page of the fixtures for pytest."""
    tree = ast.parse((ROOT / "pytest_handler_dispatch.py").read_text(encoding="utf-8"))
    parts = [
        "# Fixtures for pytest",
        paragraph(f"The extra `pytest` makes these fixtures available in every test, without an import. {MADE}"),
    ]
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
            continue
        if any("pytest.fixture" in ast.unparse(decorator) for decorator in node.decorator_list):
            parts += [f"## `{node.name}`", *text_of(read(ast.get_docstring(node) or ""))]
    more = "[Tests](../../guides/testing.md) and [tests of plugins](../../plugins/testing.md) show how to use them."
    return "\n\n".join([*parts, more]) + "\n"


MADE = "This page is generated from the code by `scripts/pages.py`."


def pages(docs: Path) -> dict[Path, str]:
    """The pages, and what each has to be."""
    promised, folder = promises(docs), docs / "reference" / "api"
    made = {folder / "fixtures.md": fixtures()}
    for page, (title, modules) in PAGES.items():
        names = ", ".join(f"`{module}`" for module in modules)
        parts = [f"# {title}: {names}", f"{MADE} [The public API](../public-api.md) lists all names."]
        for module in map(import_module, modules):
            for name in sorted(module.__all__, key=str.lower):
                parts += entry(module, name, promised[f"{module.__name__}.{name}"])
        made[folder / f"{page}.md"] = "\n\n".join(parts) + "\n"
    return made
