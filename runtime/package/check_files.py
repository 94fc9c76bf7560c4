"""Checks of the files as such: links, permissions, where things lie, the bootstrap."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from zipfile import ZipInfo

from runtime.package.inspected import Finding, Inspected

# Lambda starts these itself, so they need the run bit.
_STARTED = ("bootstrap", "dispatch")
_UNIX = 3


def links(inspected: Inspected) -> Iterator[Finding]:
    """A link to something that is not in the archive."""
    home = os.path.realpath(inspected.root)
    for member in inspected.members:
        path = inspected.root / member.filename
        if not path.is_symlink():
            continue
        aim = os.readlink(path)
        if os.path.isabs(aim) or not os.path.realpath(path).startswith(home + os.sep):
            yield Finding(
                "error",
                "links",
                member.filename,
                f"is a link out of the archive, to {aim}",
            )
        elif not path.exists():
            yield Finding(
                "error",
                "links",
                member.filename,
                f"is a link to {aim}, which is not in the archive",
            )


def permissions(inspected: Inspected) -> Iterator[Finding]:
    """A file that Lambda's user can't read, or a program that it can't run."""
    for member in inspected.members:
        mode = member.external_attr >> 16
        if member.create_system == _UNIX and mode and not member.is_dir() and not mode & stat.S_IROTH:
            message = f"has the permissions {stat.filemode(mode)}: Lambda's user, who owns nothing, can't read it"
            yield Finding("error", "permissions", member.filename, message)
        if _is_started(member, inspected) and not mode & stat.S_IXOTH:
            message = (
                "has no run bit for all, so Lambda can't start it: chmod 755 it, and zip it where files have run bits"
            )
            yield Finding("error", "permissions", member.filename, message)


def _is_started(member: ZipInfo, inspected: Inspected) -> bool:
    name = member.filename
    if member.is_dir():
        return False
    if name in _STARTED:
        return name == "bootstrap" or inspected.kind == "layer"
    extension = name.startswith("extensions/") and name.count("/") == 1
    return extension or name in ("dispatch-runtime/python/python3", _program(inspected))


def _program(inspected: Inspected) -> str:
    """The handler, where it is a program."""
    handler = inspected.handler
    is_program = not handler.endswith((".py", ".pyc", ".pyz", ".zip")) and os.access(inspected.root / handler, os.X_OK)
    return handler if is_program else ""


def layout(inspected: Inspected) -> Iterator[Finding]:
    """Modules where nothing would look for them."""
    names = [member.filename for member in inspected.members if not member.is_dir()]
    if not names:
        yield Finding("error", "layout", "", "there is no file in it")
        return
    at_top = [name for name in names if "/" not in name and name.endswith((".py", ".pyc", ".so"))]
    if inspected.kind == "layer" and at_top:
        message = f"a layer's modules are imported from its folder python/, and {', '.join(at_top[:5])} lies at its top"
        yield Finding("error", "layout", at_top[0], message)
    tops = {name.partition("/")[0] for name in names}
    if inspected.kind == "function" and len(tops) == 1 and not at_top and "bootstrap" not in tops:
        top = tops.pop()
        if any(name.startswith(f"{top}/") and name.endswith(".py") for name in names) and not _named(inspected, top):
            message = (
                f"everything lies in the folder {top}: zip what is in it, or name the handler {top}/module.function"
            )
            yield Finding("warning", "layout", top, message)


def _named(inspected: Inspected, top: str) -> bool:
    return inspected.handler.startswith((f"{top}/", f"{top}.")) or (inspected.root / top / "__init__.py").is_file()


def bootstrap(inspected: Inspected) -> Iterator[Finding]:
    """What an OS-only runtime starts."""
    path = inspected.root / "bootstrap"
    if not path.is_file():
        if inspected.runtime.startswith("provided") and inspected.kind == "function":
            message = f"{inspected.runtime} starts a file bootstrap, which is not here; a layer must bring it"
            yield Finding("warning", "bootstrap", "", message)
        return
    with path.open("rb") as file:
        first = file.readline(256)
    if first.startswith(b"#!") and first.endswith(b"\r\n"):
        message = "its first line ends as on Windows, so the system looks for an interpreter of no such name"
        yield Finding("error", "bootstrap", "bootstrap", message)
    elif not first.startswith((b"#!", b"\x7fELF")):
        yield Finding(
            "error",
            "bootstrap",
            "bootstrap",
            "is neither a program nor a script with a #! line",
        )
