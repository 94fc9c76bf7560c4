"""Checks of Python's own things: wheels, names, bytecode, the handler."""

from __future__ import annotations

import builtins
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

from packaging.tags import Tag, parse_tag

from dispatch.discovery import BUILT_IN, OF_A_PROGRAM, built_in
from dispatch.errors import DispatchError
from dispatch.expressions import uses_only_the_event
from dispatch.locate import Target, locate
from dispatch.shadowing import OUR_PACKAGES
from runtime.package import handlers, own_runtime, source
from runtime.package.inspected import Finding, Inspected

#: More tags than any wheel has.
_MANY = 20
_TAG = re.compile(r"^tag[ \t]*:[ \t]*(?P<tags>\S+)", re.MULTILINE | re.IGNORECASE)
_PACKED = (".whl", ".tar.gz", ".egg")
#: The number in a bytecode file's first two bytes, of each version's releases (CPython's pycore_magic_number.h).
_MAGIC = {3495: "3.11", 3531: "3.12", 3571: "3.13", 3627: "3.14"}


def unusable_wheels(inspected: Inspected) -> Iterator[Finding]:
    """A distribution that is still packed, or that was not a wheel for Lambda's systems."""
    for member in inspected.members:
        if member.filename.endswith(_PACKED) and member.filename.count("/") <= 1:
            message = "a distribution that was never installed, so Python imports nothing from it; install it instead"
            yield Finding("error", "wheels", member.filename, message)
    for file in sorted(inspected.root.rglob("*.dist-info/WHEEL")):
        name = file.parent.relative_to(inspected.root).as_posix()
        tags = _tags(source.text(file)) if file.is_file() else []
        yield from _foreign_wheel(name, sorted({tag.platform for tag in tags}))
        yield from _foreign_version(name, tags, inspected.python)


def _tags(wheel: str) -> list[Tag]:
    """The tags in a wheel's metadata file WHEEL."""
    found: list[Tag] = []
    for field in islice(_TAG.finditer(wheel), _MANY):
        # `parse_tag` makes each combination of what is between dots.
        if field["tags"].count(".") <= _MANY:
            with suppress(ValueError):
                found += parse_tag(field["tags"])
    return found


def _foreign_version(name: str, tags: list[Tag], python: str) -> Iterator[Finding]:
    """A wheel with compiled parts for another Python."""
    exact = {f"3.{found[1]}" for tag in tags if (found := re.fullmatch(r"cp3(\d+t?)", tag.abi))}
    if python and exact and len(exact) == len({tag.abi for tag in tags}) and python not in exact:
        message = f"from a wheel for Python {', '.join(sorted(exact))}, but the archive is for {python}"
        yield Finding("error", "wheels", name, message)


def _foreign_wheel(name: str, platforms: list[str]) -> Iterator[Finding]:
    if not platforms or any(platform == "any" or platform.startswith("manylinux") for platform in platforms):
        return
    if all(platform.startswith("linux_") for platform in platforms):
        message = (
            f"built from a source distribution on some machine (its wheel is tagged {platforms[0]}, not manylinux), so "
            "it is only as portable as that machine's libraries"
        )
        yield Finding("warning", "wheels", name, message)
        return
    yield Finding("error", "wheels", name, f"from a wheel for {', '.join(platforms)}, not for Lambda's Linux")


def hidden_packages(inspected: Inspected) -> Iterator[Finding]:
    """Packages or modules that have the names of our packages and are not ours."""
    folder = inspected.modules
    if any(folder.glob(f"{own_runtime.STEM}-*.dist-info")):
        return
    for name in OUR_PACKAGES:
        found = next((path for path in (folder / name, folder / f"{name}.py") if path.exists()), None)
        if found is None:
            continue
        where = found.relative_to(inspected.root).as_posix()
        if inspected.kind == "layer":
            message = f"hides the runtime's package {name}, so the runtime cannot start; rename it"
            yield Finding("error", "names", where, message)
        else:
            message = f"same name as the runtime's package {name}; the function's own code imports this one"
            yield Finding("warning", "names", where, message)


def foreign_bytecode(inspected: Inspected) -> Iterator[Finding]:
    """A module that exists only as bytecode of another Python."""
    for path in sorted(inspected.modules.rglob("*.pyc")):
        if (
            path.parent.name == "__pycache__"
            or path.with_suffix(".py").exists()
            or not (inspected.python and path.is_file())
        ):
            continue
        with path.open("rb") as file:
            version = _MAGIC.get(int.from_bytes(file.read(2), "little"), "another version")
        if version != inspected.python:
            message = f"bytecode of Python {version} without its source, but the archive is for {inspected.python}"
            yield Finding("error", "bytecode", path.relative_to(inspected.root).as_posix(), message)


def missing_handler(inspected: Inspected) -> Iterator[Finding]:
    """A handler string that names nothing in the archive."""
    spec, root = inspected.handler, os.path.realpath(inspected.root)
    if not inspected.is_named or inspected.kind == "layer":
        return
    reason = _unusable(spec, root, inspected.convention)
    if reason:
        yield Finding("error", "handler", spec, reason.replace(root, "the archive"))


def _unusable(spec: str, root: str, convention: str) -> str:
    """Why a handler string names nothing in the archive; "" if it may name something."""
    own = getattr(built_in(convention), "locate", None) if convention in BUILT_IN else None
    try:
        target = (own and own(spec, root)) or locate(spec, root)
    except DispatchError as error:
        return str(error)
    if own is not None and target.convention == OF_A_PROGRAM:
        # Without a slash it may be on PATH, which is not that of this machine.
        return _refusal(target) if target.path is None and "/" in spec.split(maxsplit=1)[0] else ""
    return _unusable_target(target, spec, root)


def _unusable_target(target: Target, spec: str, root: str) -> str:
    if not target.convention:
        return _refusal(target)
    if target.path is not None:
        return _missing_shell_function(Path(target.path), spec, root)
    if uses_only_the_event(spec):
        return ""
    is_file = os.path.isfile(os.path.join(root, spec))
    if target.module:
        reason = _missing(target.module, spec.rpartition(".")[2], Path(root))
        return handlers.unusable_file(spec, root) if reason and is_file else reason
    return handlers.unusable_file(spec, root) if is_file else _no_source(spec)


def _refusal(target: Target) -> str:
    """The runtime's own message on a handler string that it refuses; no user code runs for it."""
    try:
        target.find()
    except DispatchError as error:
        return str(error)
    return ""


def _missing(module: str, name: str, root: Path) -> str:
    """Why a module or its function is not in the archive; "" if it may be."""
    base = root / module.replace(".", "/")
    files = [base.with_name(base.name + ".py"), base / "__init__.py"]
    found = next((file for file in files if file.is_file()), None)
    if found is None:
        compiled = [*base.parent.glob(f"{base.name}.pyc"), *base.parent.glob(f"{base.name}.*.so")]
        return "" if compiled else f"no module {module} in the archive; looked for {module.replace('.', '/')}.py"
    bound = handlers.bound_names(found)
    if bound is None or name in bound:
        return ""
    return f"no {name!r} in {found.relative_to(root)}; it has: {', '.join(sorted(bound)) or 'nothing'}"


def _missing_shell_function(path: Path, spec: str, root: str) -> str:
    """Why a shell file does not have the function that a handler string names; "" if it may have it."""
    is_file = os.path.isfile(os.path.join(root, spec))
    if path.suffix != ".sh" or (is_file and os.access(path, os.X_OK)):
        return ""
    functions, name = handlers.shell_functions(path), spec.rpartition(".")[2]
    if functions is None or name in functions:
        return ""
    if is_file:
        return "neither Python nor executable; chmod +x makes it a program"
    return f"no {name!r} in {path.relative_to(root)}; it has: {', '.join(functions) or 'no functions'}"


def _no_source(spec: str) -> str:
    """Why a handler string that names no file is not Python source either; "" if it may be."""
    if spec.isidentifier() and not hasattr(builtins, spec):
        return f"{spec!r} is neither a file in the archive nor a module.function"
    try:
        compile(spec, "<handler>", "exec")
    except SyntaxError as error:
        return f"neither a file in the archive nor a module.function, and not valid Python: {error.msg}"
    return ""
