"""Finds what a test names: the folder of a handler string, the handler string of a function."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from dispatch import locate, shadowing
from dispatch.discovery import AUTO
from runtime.local.function import FunctionConfig

#: Seconds that an event may take by default: more than Lambda's 3, because tests run on busy machines.
TIMEOUT: Final = 30.0


def configured(
    handler: str | Callable[..., Any],
    folders: Sequence[Path] = (),
    *,
    convention: str = AUTO,
    env: Mapping[str, str] | None = None,
    timeout: float = TIMEOUT,
    root: str | os.PathLike[str] | None = None,
    **settings: Any,
) -> FunctionConfig:
    """A function with a test's settings.

    Args:
        handler: the handler string, or a function of a module.
        folders: where it is looked up, nearest first, unless `root` is passed.
        convention: the convention's name; `auto` leaves it to `HANDLER_CONVENTION`.
        env: the function's own variables.
        timeout: seconds that an event may take.
        root: the function's folder.
        settings: more settings of `FunctionConfig`.
    """
    if not isinstance(handler, str):
        handler, folder = name_of(handler)
        root = folder if root is None else root
    return FunctionConfig(
        handler=handler,
        root=folder_of(handler, folders) if root is None else root,
        convention="" if convention == AUTO else convention,
        environment=env or {},
        timeout=timeout,
        **settings,
    )


def origin(handler: Callable[..., Any]) -> tuple[ModuleType | None, str, Path]:
    """The module of a function, the function's name, and the folder from which the module is imported."""
    module = sys.modules.get(getattr(handler, "__module__", None) or "")
    folder = import_folder(module) if module else None
    return module, getattr(handler, "__qualname__", type(handler).__qualname__), folder or Path.cwd()


def import_folder(module: ModuleType) -> Path | None:
    """The folder from which a module or package is imported; None for one without a file."""
    file = getattr(module, "__file__", None)
    depth = module.__name__.count(".") + hasattr(module, "__path__")
    return Path(file).absolute().parents[depth] if file else None


def name_of(handler: Callable[..., Any]) -> tuple[str, Path]:
    """The handler string of a function, and its folder. Raises ValueError if there is none."""
    module, name, folder = origin(handler)
    if not getattr(module, "__file__", None) or getattr(module, name, None) is not handler:
        raise ValueError(
            f"no handler string names {handler!r}; pass a function defined at the top of a module, or run it in process"
        )
    return f"{module.__name__ if module else ''}.{name}", folder


def folder_of(spec: str, folders: Sequence[Path]) -> Path:
    """The nearest folder in which a handler string names something; if there is none, the nearest not of tests."""
    folders = folders or [Path.cwd()]
    found = (folder for folder in folders if _names_something(spec, str(folder)))
    return next(found, next((folder for folder in folders if folder.name not in {"test", "tests"}), folders[0]))


def _names_something(spec: str, folder: str) -> bool:
    target = locate.locate(spec, folder)
    module = target.module or spec.partition(":")[0]
    return target.path is not None or (module.isprintable() and shadowing.offered(folder, module))


def folders_of(test: Path, stop: Path) -> Sequence[Path]:
    """The folders in which a test's handler strings may name something, nearest first.

    They are the test's own folder, those above it, and each one's `src`.

    Args:
        test: the test's file.
        stop: the last of the folders, if it is above the file.
    """
    above = [*test.parents]
    above = above[: above.index(stop) + 1] if stop in above else above[:1]
    return [folder for each in above for folder in (each, each / "src") if folder.is_dir()]
