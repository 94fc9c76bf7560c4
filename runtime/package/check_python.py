"""Checks of what is Python: requirements, wheels, names, bytecode, the handler."""

from __future__ import annotations

import builtins
import os
import re
from collections.abc import Iterator
from pathlib import Path

from dispatch.expressions import uses_only_the_event
from dispatch.locate import locate
from runtime.package import handlers, own
from runtime.package.inspected import Finding, Inspected

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_PACKED = (".whl", ".tar.gz", ".egg")
# The number in a bytecode file's first two bytes, of each version's releases (CPython's pycore_magic_number.h).
_MAGIC = {3495: "3.11", 3531: "3.12", 3571: "3.13", 3627: "3.14"}


def requirements(inspected: Inspected) -> Iterator[Finding]:
    """A requirement that is listed, and not inside."""
    for file in (
        inspected.root / "requirements.txt",
        inspected.modules / "requirements.txt",
    ):
        if not file.is_file():
            continue
        installed = {_normal(path.name.partition("-")[0]) for path in inspected.root.rglob("*.dist-info")}
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            named = _REQUIREMENT.match(line)
            if named and ";" not in line and _normal(named.group(1)) not in installed:
                message = f"lists {named.group(1)}, which is not in the archive: Lambda installs nothing"
                yield Finding("error", "requirements", file.name, message)
        return


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def wheels(inspected: Inspected) -> Iterator[Finding]:
    """A distribution that was never a wheel for Lambda's systems: still packed, or built where it was installed."""
    for member in inspected.members:
        if member.filename.endswith(_PACKED) and member.filename.count("/") <= 1:
            message = "is a distribution that was never installed: Python imports nothing from it"
            yield Finding("error", "wheels", member.filename, message)
    for file in sorted(inspected.root.rglob("*.dist-info/WHEEL")):
        tags = re.findall(
            r"^Tag: (\S+)",
            file.read_text(encoding="utf-8", errors="replace"),
            re.MULTILINE,
        )
        name = file.parent.relative_to(inspected.root).as_posix()
        yield from _foreign(name, [tag.rpartition("-")[2] for tag in tags])


def _foreign(name: str, platforms: list[str]) -> Iterator[Finding]:
    if not platforms or any(platform == "any" or platform.startswith("manylinux") for platform in platforms):
        return
    if all(platform.startswith("linux_") for platform in platforms):
        message = (
            "was built from a source distribution on some machine (its wheel says "
            f"{platforms[0]}, not manylinux): it is as portable as that machine's libraries"
        )
        yield Finding("warning", "wheels", name, message)
        return
    yield Finding(
        "error",
        "wheels",
        name,
        f"comes from a wheel for {', '.join(platforms)}, not for Lambda's Linux",
    )


def names(inspected: Inspected) -> Iterator[Finding]:
    """Packages or modules that have our packages' names and are not ours."""
    folder = inspected.modules
    if any(folder.glob(f"{own.DISTRIBUTION.replace('-', '_')}-*.dist-info")):
        return
    for name in own.PACKAGES:
        found = next(
            (path for path in (folder / name, folder / f"{name}.py") if path.exists()),
            None,
        )
        if found is None:
            continue
        where = found.relative_to(inspected.root).as_posix()
        if inspected.kind == "layer":
            message = (
                f"has the name of the runtime's package {name}; in a layer it hides it, so the runtime can't start"
            )
            yield Finding("error", "names", where, message)
        else:
            message = f"has the name of the runtime's package {name}: the function's own code imports this one"
            yield Finding("warning", "names", where, message)


def bytecode(inspected: Inspected) -> Iterator[Finding]:
    """A module that exists only as bytecode of another Python."""
    for path in sorted(inspected.modules.rglob("*.pyc")):
        if path.parent.name == "__pycache__" or path.with_suffix(".py").exists() or not inspected.python:
            continue
        version = _MAGIC.get(int.from_bytes(path.read_bytes()[:2], "little"), "another version")
        if version != inspected.python:
            message = f"is bytecode of Python {version} without its source, and the archive is for {inspected.python}"
            yield Finding(
                "error",
                "bytecode",
                path.relative_to(inspected.root).as_posix(),
                message,
            )


def handler(inspected: Inspected) -> Iterator[Finding]:
    """A handler string that names nothing in the archive."""
    spec, root = inspected.handler, os.path.realpath(inspected.root)
    if not inspected.is_named or inspected.kind == "layer":
        return
    reason = _unusable(spec, root)
    if reason:
        yield Finding("error", "handler", spec, reason.replace(root, "the archive"))


def _unusable(spec: str, root: str) -> str:
    """Why a handler string names nothing in the archive; "" if it may name something."""
    target = locate(spec, root)
    if not target.convention:
        return target.description.partition(": ")[2]
    if target.path is not None or uses_only_the_event(spec):
        return ""
    is_file = os.path.isfile(os.path.join(root, spec))
    if target.convention == "standard":
        reason = _missing(spec, Path(root))
        return handlers.unusable_file(spec, root) if reason and is_file else reason
    return handlers.unusable_file(spec, root) if is_file else _no_source(spec)


def _missing(spec: str, root: Path) -> str:
    module, _, name = spec.rpartition(".")
    base = root / module.replace(".", "/")
    files = [base.with_name(base.name + ".py"), base / "__init__.py"]
    source = next((file for file in files if file.is_file()), None)
    if source is None:
        compiled = [
            *base.parent.glob(f"{base.name}.pyc"),
            *base.parent.glob(f"{base.name}.*.so"),
        ]
        return "" if compiled else f"no module {module} in the archive: looked for {module.replace('.', '/')}.py"
    bound = handlers.bound(source)
    if bound is None or name in bound:
        return ""
    return f"no {name!r} in {source.relative_to(root)}; it has: {', '.join(sorted(bound)) or 'nothing'}"


def _no_source(spec: str) -> str:
    if spec.isidentifier() and not hasattr(builtins, spec):
        return f"{spec!r} names no file of the archive, and no module.function"
    try:
        compile(spec, "<handler>", "exec")
    except SyntaxError as error:
        return f"it names no file and no module.function, and is no Python: {error.msg}"
    return ""
