"""Writes plans: which plugins are installed and what each adds, so that no later start looks for them in vain.

`dispatch build` writes one into the folder of an archive's libraries, where nothing changes. Elsewhere, the first start
with plugins keeps one in the user's cache folder, which counts until a folder or a module of a plugin changes.
`dispatch.discovery` reads them. A plan is text, with tabs between the fields and blanks between several names::

    unchanged  PATH  STAMP
    plugin     DISTRIBUTION  VERSION  NAME  REFERENCE  HOOKS  CONVENTIONS

A distribution without plugins has a line without the last four fields: it may hide another of the same name.
"""

from __future__ import annotations

import os
import sys

from dispatch import bytecode
from dispatch.discovery import PLAN_HEAD, plugins, stamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dispatch.discovery import Found


def keep(file: str, root: str, folders: Iterable[str], found: Found) -> None:
    """Write the plan of these folders, all of whose plugins have been loaded.

    There is none if the file cannot be written, or if the task root takes the place of a plugin's module.
    """
    modules = [module for source in plugins(found) for module in _modules(source.reference)]
    if any(module.startswith(os.path.join(root, "")) for module in modules):
        return
    changing = [*folders, *modules]
    lines = [f"unchanged\t{path}\t{stamp(path)}" for path in changing]
    temporary = f"{file}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(file), exist_ok=True)
        with open(temporary, "w", encoding="utf-8", errors="surrogateescape") as opened:
            opened.write("\n".join([PLAN_HEAD, *lines, *listed(found)]))
        os.replace(temporary, file)
    except OSError:  # a folder that is not for us
        return


def listed(found: Found) -> Iterator[str]:
    """The lines of a plan for distributions whose plugins have been loaded."""
    for distribution, sources in found.items():
        if not sources:
            yield f"plugin\t{distribution}\t"
        for source in sources:
            hooks = sorted({*source.hooks, *_possible_hooks(source.reference)})
            fields = distribution, source.version, source.name, source.reference
            yield "\t".join(["plugin", *fields, " ".join(hooks), " ".join(source.conventions)])


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
