"""Writes plans: which plugins are installed and what each adds, so that later starts need not find out again.

`dispatch build` runs this module to write one into each folder of an archive's libraries. Elsewhere, the first start
with plugins keeps one in the user's cache folder, which counts until a folder or a module of a plugin changes.
`dispatch.discovery` reads them. A plan is text, with tabs between the fields and blanks between several names::

    unchanged  PATH  STAMP
    plugin     DISTRIBUTION  NAME  REFERENCE  HOOKS  CONVENTIONS
    end

DISTRIBUTION is `NAME-VERSION`; one without plugins has a line without the last four fields, because it may hide another
of the same name.
"""

from __future__ import annotations

import os
import sys
import time
from types import CodeType

from dispatch import discovery
from dispatch.plugins import load_plugins
from dispatch.shadowing import OUR_PACKAGES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from dispatch.discovery import Found

#: For how long an installer may write to a distribution's folder after it has created a file in it, in seconds.
_LONGEST_INSTALLATION = 60


def keep(file: str, root: str, folders: Sequence[str], found: Found) -> None:
    """Write the plan of these folders, all of whose plugins have been loaded.

    There is none if the file cannot be written, if the task root takes the place of a module that a plugin has
    imported, or if distributions have been added or removed in the meantime.
    """
    paths = [*folders, *_recent(folders), *_imported()]
    if any(path.startswith(os.path.join(root, "")) for path in paths):
        return
    unchanged = [f"unchanged\t{path}\t{discovery.stamp(path)}" for path in paths]
    if _declared(discovery.found(folders)) != _declared(found):
        return
    temporary = f"{file}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(file), exist_ok=True)
        _write(temporary, unchanged, found)
        os.replace(temporary, file)
    except (OSError, ValueError):  # a folder that is not for us, or a name that UTF-8 cannot express
        return


def main(folder: str) -> int:
    """Write the plan of an archive's folder into it, by loading its plugins; returns 1 if one of them is broken."""
    found = discovery.found([folder])
    sources = discovery.plugins(found)
    load_plugins(sources)
    if any(source.state != "ok" for source in sources):
        return 1
    _write(os.path.join(folder, discovery.PLAN), [], found)
    return 0


def _write(file: str, unchanged: Iterable[str], found: Found) -> None:
    with open(file, "w", encoding="utf-8", errors="surrogateescape") as opened:
        opened.write("\n".join([discovery.PLAN_HEAD, *unchanged, *_listed(found), discovery.PLAN_END, ""]))


def _listed(found: Found) -> Iterator[str]:
    """The lines of a plan for distributions whose plugins have been loaded."""
    for distribution, sources in found.items():
        if not sources:
            yield f"plugin\t{distribution}"
        for source in sources:
            hooks = " ".join(sorted({*source.hooks, *_possible_hooks(source.reference)}))
            yield "\t".join(
                ["plugin", distribution, source.name, source.reference, hooks, " ".join(source.conventions)]
            )


def _declared(found: Found) -> dict[str, list[tuple[str, str]]]:
    return {name: [(source.name, source.reference) for source in sources] for name, sources in found.items()}


def _recent(folders: Iterable[str]) -> Iterator[str]:
    """The distributions that an installer may still be writing to, which does not change the folders themselves."""
    for folder in folders:
        for name in discovery.distributions(folder):
            path = os.path.join(folder, name)
            try:
                if os.stat(path).st_mtime > time.time() - _LONGEST_INSTALLATION:
                    yield path
            except OSError:  # removed a moment ago
                continue


def _imported() -> Iterator[str]:
    """The files and folders of all modules and packages that plugins, or something before them, have imported."""
    others = {*sys.stdlib_module_names, *OUR_PACKAGES, "__main__"}
    for name, module in [*sys.modules.items()]:
        if name.partition(".")[0] not in others:
            paths = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
            yield from (path for path in paths if isinstance(path, str))


def _possible_hooks(reference: str) -> Iterator[str]:
    """The hooks that a plugin may have another time, because the code of its package defines them on some condition."""
    package = reference.partition(":")[0].partition(".")[0]
    for name, module in [*sys.modules.items()]:
        if f"{name}.".startswith(f"{package}."):
            try:
                code = module.__loader__.get_code(name)  # type: ignore[union-attr]
                yield from _hooks_in(code) if code else ()
            except Exception:  # noqa: BLE001 - there is no code to look at, or a loader of its own that fails
                yield "unknown"


def _hooks_in(code: CodeType) -> Iterator[str]:
    words = [*code.co_names, *(each for each in code.co_consts if isinstance(each, str))]
    yield from (word.split()[0] for word in words if word.startswith("dispatch_"))
    if ("*",) in code.co_consts:
        yield "unknown"  # `from module import *`
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _hooks_in(inner)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
