"""The start file of an archive: starts the runtime, whose modules it contains in compiled form.

`dispatch build` fills it in and compiles it. One file is read faster than forty are found, opened and read, and what
Python's `site` does at every start is done only where it matters: the start file may be run with `-S`.
"""

from __future__ import annotations

import _imp
import marshal
import os
import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import PathFinder, SourceFileLoader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType

#: The modules by their names: the file, whether it is a package's, and the code.
MODULES: dict[str, tuple[str, bool, bytes]] = {}
#: The folder of the modules' sources, relative to the folder of this file.
SITE = ""


class _Bundle(SourceFileLoader):
    """Loads a module of MODULES; its source, for tracebacks, and other files are in the folder that SITE names."""

    def get_code(self, name: str) -> CodeType:
        code: CodeType = marshal.loads(MODULES[name][2])  # noqa: S302 - our own
        # As Python's own importers do.
        _imp._fix_co_filename(code, self.path)  # type: ignore[attr-defined] # noqa: SLF001
        return code


class _Finder:
    """Finds what MODULES has; everything else comes from the folders on Python's path."""

    def __init__(self, site: str) -> None:
        self._site = site

    def find_spec(self, name: str, path: Sequence[str] | None = None, _target: object = None, /) -> ModuleSpec | None:
        if name not in MODULES:
            return None
        file, is_package, _ = MODULES[name]
        place = os.path.join(self._site, file)
        package = os.path.join(self._site, name.rpartition(".")[0].replace(".", os.sep))
        if path is not None and package not in path:  # a package of the function's, with one of our names
            return None
        spec = ModuleSpec(name, _Bundle(name, place), origin=place)
        spec.has_location = True
        if is_package:
            spec.submodule_search_locations = [os.path.dirname(place)]
        return spec


def _packages() -> str:
    """The folder of installed libraries, if adding it is all that `site` would do; otherwise an empty string."""
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    installed = os.path.join(sys.prefix, "lib", name, "site-packages")
    base = os.environ.get("PYTHONUSERBASE") or os.path.join(os.environ.get("HOME", ""), ".local")
    own = os.path.join(base, "lib", name, "site-packages")
    program = os.path.dirname(sys.executable)
    settings = (os.path.join(folder, "pyvenv.cfg") for folder in (program, os.path.dirname(program)))
    # A system's own Python has further folders, at least Debian's.
    if sys.prefix == "/usr" or sys.platlibdir != "lib" or os.path.isdir(own) or any(map(os.path.exists, settings)):
        return ""
    try:
        if any(file.endswith(".pth") for file in os.listdir(installed)):
            return ""
    except OSError:
        return ""
    path = [*sys.path, installed]
    return "" if any(PathFinder.find_spec(name, path) for name in ("sitecustomize", "usercustomize")) else installed


def _complete() -> None:
    """Do what Python has left out because of `-S`."""
    packages = _packages()
    if not packages:
        import site

        site.main()
        return
    if packages not in sys.path:
        sys.path.append(packages)
    import builtins
    from _sitebuiltins import Quitter, _Helper

    end = "Ctrl-D (i.e. EOF)"
    builtins.quit, builtins.exit = Quitter("quit", end), Quitter("exit", end)
    builtins.help = _Helper()


# multiprocessing passes -S on to the processes that it starts, and runs this file in them, as __mp_main__.
if __name__ in {"__main__", "__mp_main__"} and "-S" in sys.orig_argv:
    _complete()
if __name__ == "__main__":
    sys.meta_path.insert(0, _Finder(os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), SITE))))
    from runtime.__main__ import main
    from runtime.lifecycle import leave

    leave(main(sys.argv))
