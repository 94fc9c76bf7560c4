"""Checks of the files as such: links, permissions, places, the bootstrap."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from zipfile import ZipInfo

from runtime.package.archive import UNIX
from runtime.package.inspected import Finding, Inspected

#: Lambda starts these itself, so they need the run bit.
_STARTED = ("bootstrap", "dispatch")


def foreign_links(inspected: Inspected) -> Iterator[Finding]:
    """A link to something outside the archive, or to nothing."""
    home = os.path.realpath(inspected.root)
    for member in inspected.members:
        path = inspected.root / member.filename
        if not path.is_symlink():
            continue
        destination = os.readlink(path)
        if os.path.isabs(destination) or not os.path.realpath(path).startswith(home + os.sep):
            yield Finding("error", "links", member.filename, f"link out of the archive, to {destination}")
        elif not path.exists():
            yield Finding("error", "links", member.filename, f"link to {destination}, which is not in the archive")


def wrong_permissions(inspected: Inspected) -> Iterator[Finding]:
    """A file that Lambda's user cannot read, or a program that it cannot run."""
    for member in inspected.members:
        mode = member.external_attr >> 16
        if member.create_system == UNIX and mode and not member.is_dir() and not mode & stat.S_IROTH:
            message = (
                f"not readable by Lambda's user, who owns no file: the permissions are {stat.filemode(mode)}; "
                "chmod a+r it"
            )
            yield Finding("error", "permissions", member.filename, message)
        if _is_started(member, inspected) and not mode & stat.S_IXOTH:
            message = (
                "no run bit for all, so Lambda cannot start it; chmod 755 it, and zip it on a system with run bits"
            )
            yield Finding("error", "permissions", member.filename, message)


def _is_started(member: ZipInfo, inspected: Inspected) -> bool:
    name = member.filename
    if member.is_dir():
        return False
    if name in _STARTED:
        return name == "bootstrap" or inspected.kind == "layer"
    extension = name.startswith("extensions/") and name.count("/") == 1
    return extension or name in ("dispatch-runtime/python/python3", _handler_program(inspected))


def _handler_program(inspected: Inspected) -> str:
    """The handler, if it is a program; else ""."""
    handler = inspected.handler
    is_program = not handler.endswith((".py", ".pyc", ".pyz", ".zip")) and os.access(inspected.root / handler, os.X_OK)
    return handler if is_program else ""


def misplaced_modules(inspected: Inspected) -> Iterator[Finding]:
    """Modules in a place that no import looks in."""
    names = [member.filename for member in inspected.members if not member.is_dir()]
    if not names:
        yield Finding("error", "layout", "", "the archive has no files")
        return
    at_top = [name for name in names if "/" not in name and name.endswith((".py", ".pyc", ".so"))]
    if inspected.kind == "layer" and at_top:
        message = f"a layer's modules belong in its folder python/, but these are at its top: {', '.join(at_top[:5])}"
        yield Finding("error", "layout", at_top[0], message)
    tops = {name.partition("/")[0] for name in names}
    if inspected.kind == "function" and len(tops) == 1 and not at_top and "bootstrap" not in tops:
        top = tops.pop()
        has_modules = any(name.startswith(f"{top}/") and name.endswith(".py") for name in names)
        if has_modules and not _is_meant(inspected, top):
            message = f"all files are in the folder {top}; zip its contents, or name the handler {top}/module.function"
            yield Finding("warning", "layout", top, message)


def _is_meant(inspected: Inspected, top: str) -> bool:
    """Whether the one folder at the top is a package, or the handler string names it."""
    return inspected.handler.startswith((f"{top}/", f"{top}.")) or (inspected.root / top / "__init__.py").is_file()


def unusable_bootstrap(inspected: Inspected) -> Iterator[Finding]:
    """A bootstrap that an OS-only runtime cannot start, or that is missing."""
    path = inspected.root / "bootstrap"
    if not path.is_file():
        if inspected.runtime.startswith("provided") and inspected.kind == "function":
            message = f"{inspected.runtime} starts a file bootstrap, which is not in the archive; a layer must have it"
            yield Finding("warning", "bootstrap", "", message)
        return
    with path.open("rb") as file:
        first = file.readline(256)
    if first.startswith(b"#!") and first.endswith(b"\r\n"):
        message = "the first line has a Windows line end, so the interpreter is not found; save it with Unix line ends"
        yield Finding("error", "bootstrap", "bootstrap", message)
    elif not first.startswith((b"#!", b"\x7fELF")):
        yield Finding("error", "bootstrap", "bootstrap", "neither a program nor a script with a #! line")
