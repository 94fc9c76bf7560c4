"""The event loop of `dispatch serve`: uvloop's where that is installed, else asyncio's, which stays awake for a moment.

A quick function answers, and a caller goes on, in less time than it takes to wake a processor. So with one caller the
loop looks for what comes next, and lets other programs have the processor meanwhile, before it sleeps. With several it
sleeps at once: what they send comes together, and is dealt with together.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import time
from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias

#: How long to look before the thread sleeps, in seconds.
AWAKE: Final = 0.0001
#: How many turns of the loop pass between two looks: 1 at first, twice as many after each fruitless one, up to this. As
#: many pass after a turn that has found more than one file ready.
MOST_UNWATCHED: Final = 64

Ready: TypeAlias = list[tuple[selectors.SelectorKey, int]]

_let_others_run: Callable[[], None] = getattr(os, "sched_yield", partial(time.sleep, 0))


class AwakeSelector(selectors.DefaultSelector):
    """Waits for files as its parent does, but not always asleep."""

    def __init__(self) -> None:
        super().__init__()
        self._unwatched = 1
        self._watch_in = 1

    def select(self, timeout: float | None = None) -> Ready:
        """Return the files that are ready, each with its events; none if the timeout, in seconds, is over."""
        look, self._watch_in = super().select, self._watch_in - 1
        if self._watch_in <= 0 and (timeout is None or timeout > AWAKE):
            until = time.monotonic() + AWAKE
            while time.monotonic() < until:
                if ready := look(0):
                    self._unwatched = 1
                    return self._found(ready)
                _let_others_run()
            self._watch_in = self._unwatched = min(2 * self._unwatched, MOST_UNWATCHED)
        return self._found(look(timeout))

    def _found(self, ready: Ready) -> Ready:
        if len(ready) > 1:
            self._watch_in = MOST_UNWATCHED
        return ready


def new_loop() -> asyncio.AbstractEventLoop:
    """Make the loop."""
    try:
        import uvloop
    except ImportError:
        return asyncio.SelectorEventLoop(AwakeSelector())
    return uvloop.new_event_loop()
