"""Serves new code as soon as it is saved: once per change, without the files that .gitignore names."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from collections.abc import Set as AbstractSet
from importlib.util import cache_from_source
from pathlib import Path
from typing import Final

from pathspec import GitIgnoreSpec
from watchfiles import Change, DefaultFilter, awatch

from runtime.local.environments.platform import Platform
from runtime.local.function import FunctionConfig, FunctionSettingError
from runtime.local.handler_check import syntax_fault

#: Milliseconds within which several changes count as one.
DEBOUNCE: Final = 200
#: Endings of files that are written while functions run.
OUTPUTS: Final = (".log", ".jsonl", ".sqlite", ".sqlite-wal", ".sqlite-shm", ".sqlite-journal", ".db")


class CodeFilter(DefaultFilter):
    """Leaves out the files that are not code: those that watchfiles knows, and those that a .gitignore names."""

    def __init__(self, roots: Iterable[Path]) -> None:
        super().__init__()
        self._specs = {folder: spec for root in roots for folder in (root, *root.parents) if (spec := _spec(folder))}

    def __call__(self, change: Change, path: str) -> bool:
        """Return whether a change counts."""
        return super().__call__(change, path) and not self._ignored(Path(path)) and not is_output(path)

    def _ignored(self, path: Path) -> bool:
        return any(
            spec.match_file(path.relative_to(folder))
            for folder, spec in self._specs.items()
            if path.is_relative_to(folder)
        )


def is_output(path: str) -> bool:
    """Return whether programs write a file, not people: a log, a database, the file that our own log goes to."""
    if path.endswith(OUTPUTS):
        return True
    try:
        found = os.stat(path)
        return any(os.path.samestat(found, os.fstat(stream)) for stream in (1, 2))
    except OSError:
        return False


def _spec(folder: Path) -> GitIgnoreSpec | None:
    try:
        return GitIgnoreSpec.from_lines((folder / ".gitignore").read_text(encoding="utf-8").splitlines())
    except OSError:
        return None


class Reloader:
    """Watches the functions' folders and layers, and the files that describe the functions."""

    def __init__(
        self,
        platform: Platform,
        notify: Callable[[str], None],
        config: Path | None = None,
        others: Callable[[], AbstractSet[Path]] = set,
    ) -> None:
        """Create it.

        Args:
            platform: has the functions.
            notify: is called with what the developer should know.
            config: the file that describes the functions; None if there is none.
            others: returns the other files that were read for it.
        """
        self._platform = platform
        self._notify = notify
        self._config = config
        self._others = others

    async def run(self, read_again: Callable[[], Awaitable[None]] | None = None) -> None:
        """Reload without end; `read_again` is called when a file that describes the functions has changed."""
        stamps = self._stamps()
        while True:
            async for changed in self._changes():
                began = time.perf_counter()
                for path in changed:
                    _forget_bytecode(path)
                before, stamps = stamps, self._stamps()
                # A change while the watcher was being set up is seen only by its stamp.
                if read_again is not None and (stamps != before or changed & stamps.keys()):
                    await self._read(read_again, began)
                    stamps = {path: stamps.get(path, stamp) for path, stamp in self._stamps().items()}
                    # The functions may have other folders now.
                    break
                await self._reload(changed, began)

    async def _read(self, read_again: Callable[[], Awaitable[None]], began: float) -> None:
        """Read the description again; whatever that raises is reported, and the next change is tried."""
        try:
            await read_again()
        except FunctionSettingError as error:
            self._notify(f"{error}; the functions are as before")
        except Exception as error:  # noqa: BLE001
            reason = " ".join(str(error).split())
            self._notify(f"cannot read {self._config} again: {type(error).__name__}: {reason}")
        else:
            self._notify(f"read {self._config} again in {_since(began)}")

    def _files(self) -> set[Path]:
        return set() if self._config is None else {self._config, *self._others()}

    def _stamps(self) -> dict[Path, tuple[int, int, int] | None]:
        """Return what changes with each file that describes the functions."""
        return {path: _stamp(path) for path in self._files()}

    async def _changes(self) -> AsyncIterator[set[Path]]:
        """The changes, and now and then an empty set."""
        roots = {folder for pool in self._platform.pools.values() for folder in _folders(pool.function)}
        paths = roots | {path.parent for path in self._files() if path.parent.is_dir()}
        watch = awatch(*paths, watch_filter=CodeFilter(roots), debounce=DEBOUNCE, step=50, yield_on_timeout=True)
        async for changes in watch:
            yield {Path(path) for _, path in changes}

    async def _reload(self, changed: set[Path], began: float) -> None:
        functions = [pool.function for pool in self._platform.pools.values()]
        touched = [
            one for one in functions if any(path.is_relative_to(folder) for folder in _folders(one) for path in changed)
        ]
        if not touched:
            return
        for function in touched:
            await self._platform.replace(function)
        files = ", ".join(sorted(path.name for path in changed)[:3]) + (", …" if len(changed) > 3 else "")
        self._notify(f"reloaded {', '.join(one.name for one in touched)} in {_since(began)}: {files}")
        for path in sorted(changed):
            fault = syntax_fault(path)
            if fault:
                self._notify(fault)


def _folders(function: FunctionConfig) -> set[Path]:
    """Return the folders with a function's code."""
    modules = {(layer / "python").resolve() for layer in function.layers if (layer / "python").is_symlink()}
    return {function.folder, *function.layers, *modules}


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _forget_bytecode(path: Path) -> None:
    """Remove cached bytecode: Python compares size and second only, so it would miss the second of two quick saves."""
    if path.suffix == ".py":
        with contextlib.suppress(OSError):
            Path(cache_from_source(str(path))).unlink()


def _since(began: float) -> str:
    return f"{(time.perf_counter() - began) * 1000:.0f} ms"
