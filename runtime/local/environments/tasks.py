"""The tasks of the platform, of which none outlives it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Tasks:
    """Starts tasks: those for events end with the platform, those that clean up are awaited at its end."""

    def __init__(self) -> None:
        self.running: set[asyncio.Task[Any]] = set()
        self._cleaning: set[asyncio.Task[Any]] = set()

    def spawn(self, work: Coroutine[object, object, T]) -> asyncio.Task[T]:
        """Start a task that ends with the platform."""
        return _start(work, self.running)

    def clean_up(self, work: Coroutine[object, object, None]) -> None:
        """Start a task that frees something; the end of the platform waits for it."""
        _start(work, self._cleaning)

    async def cancel(self) -> None:
        """End those that are for events."""
        for task in self.running:
            task.cancel()
        await asyncio.gather(*self.running, return_exceptions=True)

    async def cleaned(self) -> None:
        """Wait for those that clean up."""
        await asyncio.gather(*self._cleaning, return_exceptions=True)


def _start(work: Coroutine[object, object, T], tasks: set[asyncio.Task[Any]]) -> asyncio.Task[T]:
    task = asyncio.ensure_future(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return task
