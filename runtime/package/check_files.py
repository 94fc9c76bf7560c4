"""Checks of the files as such: links, permissions, places, the bootstrap."""

from __future__ import annotations

import os
import posixpath
import re
import stat
from collections import Counter
from collections.abc import Iterator
from zipfile import ZipInfo

from runtime.package import check_syntax, handlers, recognition
from runtime.package.archive import UNIX
from runtime.package.inspected import Finding, Inspected

#: Lambda starts these itself, so they need the run bit.
_STARTED = ("bootstrap", "dispatch")
#: The folders of a layer that something is found in, and ours
#: (docs.aws.amazon.com/lambda/latest/dg/packaging-layers.html).
_OF_LAYERS = ("python/", "bin/", "lib/", "extensions/", "dispatch-runtime/")
#: Bytes of the modules in which a handler is looked for.
_MAX_SOURCES = 1024 * 1024
_LAYER_FOLDER = re.compile(r"python/lib/python(3\.\d+)/site-packages/")


def foreign_links(inspected: Inspected) -> Iterator[Finding]:
    """A link to something outside the archive, or to nothing."""
    for name, destination in inspected.found.links.items():
        if inspected.found.leads_to(name) is not None:
            continue
        aim = posixpath.normpath(posixpath.join(posixpath.dirname(name), destination))
        if aim.startswith(("/", "..")):
            yield Finding("error", "links", name, f"link out of the archive, to {destination}")
        else:
            yield Finding("error", "links", name, f"link to {destination}, which is not in the archive")


def foreign_names(inspected: Inspected) -> Iterator[Finding]:
    """A name as only Windows reads it, two members with one name, and what is neither file, folder nor link."""
    names = [member.filename for member in inspected.members]
    windows = [name for name in names if "\\" in name]
    if windows:
        message = f"{len(windows)} names have backslashes, which are no separators on Linux; zip it with slashes"
        yield Finding("error", "layout", windows[0], message)
    for name, count in Counter(names).items():
        if count > 1:
            yield Finding("warning", "layout", name, f"the archive has {count} members of this name; the last counts")
    for member in inspected.members:
        kind = stat.S_IFMT(member.external_attr >> 16) if member.create_system == UNIX else 0
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
            yield Finding("error", "layout", member.filename, "neither a file, a folder nor a link")


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
    return (
        extension
        or name == "dispatch-runtime/python/python3"
        or (name == inspected.handler and name == _handler_program(inspected))
    )


def _handler_program(inspected: Inspected) -> str:
    """The handler, if it is a program; else ""."""
    handler = inspected.handler
    if "\0" in handler or handler.endswith((".py", ".pyc", ".pyz", ".zip")):
        return ""
    is_program = os.access(inspected.root / handler, os.X_OK)
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
    yield from _misplaced_in_layer(inspected, names) if inspected.kind == "layer" else ()
    tops = {name.partition("/")[0] for name in names}
    is_unknown = inspected.kind == "function" and inspected.is_guessed and not inspected.is_named
    if is_unknown and _are_packages(inspected, tops) and not _can_serve(inspected, names):
        message = "no module here can be a handler; the modules of a layer belong in its folder python/"
        yield Finding("error", "layout", min(tops), message)
        return
    if inspected.kind == "function" and len(tops) == 1 and not at_top and "bootstrap" not in tops:
        top = tops.pop()
        has_modules = any(name.startswith(f"{top}/") and name.endswith(".py") for name in names)
        if has_modules and not _is_meant(inspected, top):
            message = f"all files are in the folder {top}; zip its contents, or name the handler {top}/module.function"
            yield Finding("warning", "layout", top, message)


def _are_packages(inspected: Inspected, tops: set[str]) -> bool:
    return all((inspected.root / top / "__init__.py").is_file() for top in tops if not top.endswith(".dist-info"))


def _can_serve(inspected: Inspected, names: list[str]) -> bool:
    """Whether there is a file at the top, or a module of no library that may have a handler."""
    if any("/" not in name for name in names) or not any(name.endswith(".py") for name in names):
        return True
    libraries = check_syntax.installed_files(inspected.root)
    modules = [name for name in names if name.endswith(".py") and name not in libraries and "\\" not in name]
    left = _MAX_SOURCES
    for path in (inspected.root / name for name in modules):
        left -= path.stat().st_size if path.is_file() else 0
        if left < 0:
            return False
        if handlers.serving(path) or recognition.offers(path):
            return True
    return False


def _misplaced_in_layer(inspected: Inspected, names: list[str]) -> Iterator[Finding]:
    modules = [name for name in names if name.endswith((".py", ".pyc", ".so")) and "/" in name]
    elsewhere = [name for name in modules if not name.startswith(_OF_LAYERS)]
    if elsewhere and len(elsewhere) == len(modules):
        message = "the modules of a layer belong in its folder python/; nothing is imported from here"
        yield Finding("error", "layout", elsewhere[0], message)
    for version in sorted({found[1] for name in names if (found := _LAYER_FOLDER.match(name))}):
        if inspected.python and version != inspected.python:
            message = f"only Python {version} imports from this folder, but the archive is for {inspected.python}"
            yield Finding("error", "layout", f"python/lib/python{version}", message)


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
