"""Writes plans: which plugins are installed and what each adds, so that no later start looks for them in vain.

`dispatch build` runs this module to write one into each folder of an archive's libraries. Elsewhere, the first start
with plugins keeps one in the user's cache folder, which counts until a folder or a module of a plugin changes.
`dispatch.discovery` reads them. A plan is text, with tabs between the fields and blanks between several names::

    unchanged  PATH  STAMP
    plugin     DISTRIBUTION  NAME  REFERENCE  HOOKS  CONVENTIONS

DISTRIBUTION is `NAME-VERSION`; one without plugins has a line without the last four fields, because it may hide another
of the same name.
"""

from __future__ import annotations

import os
import sys

from dispatch import bytecode, discovery
from dispatch.plugins import load_plugins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dispatch.discovery import Found


def keep(file: str, root: str, folders: Iterable[str], found: Found) -> None:
    """Write the plan of these folders, all of whose plugins have been loaded.

    There is none if the file cannot be written, or if the task root takes the place of a plugin's module.
    """
    modules = [module for source in discovery.plugins(found) for module in _modules(source.reference)]
    if any(module.startswith(os.path.join(root, "")) for module in modules):
        return
    unchanged = [f"unchanged\t{path}\t{discovery.stamp(path)}" for path in (*folders, *modules)]
    temporary = f"{file}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(file), exist_ok=True)
        _write(temporary, unchanged, found)
        os.replace(temporary, file)
    except OSError:  # a folder that is not for us
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
        opened.write("\n".join([discovery.PLAN_HEAD, *unchanged, *_listed(found), ""]))


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


def _modules(reference: str) -> Iterator[str]:
    """The files of a plugin's package, as far as they have been imported."""
    package = reference.partition(":")[0].partition(".")[0]
    for name, module in [*sys.modules.items()]:
        if f"{name}.".startswith(f"{package}."):
            file = getattr(module, "__file__", None)
            if file:
                yield file


def _possible_hooks(reference: str) -> Iterable[str]:
    """The hooks that a plugin may have another time, because its code defines them on some condition."""
    module = sys.modules[reference.partition(":")[0]]
    try:
        code = module.__loader__.get_code(module.__name__)  # type: ignore[union-attr]
        return [name for name in bytecode.mentioned(code) if name.startswith("dispatch_")]
    except Exception:  # noqa: BLE001 - there is no code to look at, or a loader of its own that fails
        return ["unknown"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
