"""Serves new code as soon as it is saved: once per change, without the files that .gitignore names."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from importlib.util import cache_from_source
from pathlib import Path
from typing import Final

from pathspec import GitIgnoreSpec
from watchfiles import Change, DefaultFilter, awatch

from runtime.local.environments.platform import Platform

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
    """Watches the functions' folders, and the file that describes the functions."""

    def __init__(self, platform: Platform, notify: Callable[[str], None], config: Path | None = None) -> None:
        self._platform = platform
        self._notify = notify
        self._config = config

    async def run(self, read_again: Callable[[], Awaitable[None]] | None = None) -> None:
        """Reload without end; `read_again` is called when the file that describes the functions has changed."""
        while True:
            async for changed in self._changes():
                began = time.perf_counter()
                if self._config in changed and read_again is not None:
                    await read_again()
                    self._notify(f"read {self._config} again in {_since(began)}")
                    # The functions may have other folders now.
                    break
                await self._reload(changed, began)

    async def _changes(self) -> AsyncIterator[set[Path]]:
        roots = {pool.function.folder for pool in self._platform.pools.values()}
        paths = roots | ({self._config.parent} if self._config else set())
        async for changes in awatch(*paths, watch_filter=CodeFilter(roots), debounce=DEBOUNCE, step=50):
            yield {Path(path) for _, path in changes}

    async def _reload(self, changed: set[Path], began: float) -> None:
        functions = [pool.function for pool in self._platform.pools.values()]
        touched = [one for one in functions if any(path.is_relative_to(one.folder) for path in changed)]
        if not touched:
            return
        for path in changed:
            _forget_bytecode(path)
        for function in touched:
            await self._platform.replace(function)
        files = ", ".join(sorted(path.name for path in changed)[:3]) + (", …" if len(changed) > 3 else "")
        self._notify(f"reloaded {', '.join(one.name for one in touched)} in {_since(began)}: {files}")
        for path in sorted(changed):
            fault = syntax_fault(path)
            if fault:
                self._notify(fault)


def _forget_bytecode(path: Path) -> None:
    """Remove cached bytecode: Python compares size and second only, so it would miss the second of two quick saves."""
    if path.suffix == ".py":
        with contextlib.suppress(OSError):
            Path(cache_from_source(str(path))).unlink()


def _since(began: float) -> str:
    return f"{(time.perf_counter() - began) * 1000:.0f} ms"


def syntax_fault(path: Path) -> str:
    """Return why a Python file cannot be compiled, in the compiler's words; empty if it can, or is gone."""
    if path.suffix != ".py":
        return ""
    try:
        compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    except OSError:
        return ""
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        shown = (getattr(error, "text", "") or "").rstrip()
        return f"{path}:{line}: {type(error).__name__}: {getattr(error, 'msg', error)}\n    {shown.strip()}"
    return ""
