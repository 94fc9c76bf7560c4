"""How the event sources are doing: asked for by scripts, and sent to open pages as it changes.

While a page is open, the states are compared a few times a second, so many changes make one message. Lags are asked for
more rarely, and only by an open page or a script.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any, Final

from runtime.local.feed import Feed
from runtime.local.sources.event_sources import EventSources
from runtime.local.web.source_state import described

#: Seconds between two looks at the states.
LOOK: Final = 0.4
#: Seconds for which a source is not asked again.
FRESH: Final = 3.0
#: Seconds that a script waits for the lags at most.
PATIENCE: Final = 2.0


class SourceWatch:
    """Looks at the sources of a platform, as long as anybody wants to know."""

    def __init__(self, sources: EventSources, publish: Callable[[str, dict[str, Any]], None]) -> None:
        """Create it.

        Args:
            sources: the sources.
            publish: sends a message to every open page.
        """
        self._sources = sources
        self._publish = publish
        self._pages = 0
        self._looking: asyncio.Task[None] | None = None
        self._measuring: dict[Feed, asyncio.Task[None]] = {}
        self._asked: dict[Feed, float] = {}

    def states(self) -> list[dict[str, Any]]:
        """Return the state of each source."""
        feeds = self._sources.feeds
        return [described(mapping, feeds.get(mapping.id)) for mapping in self._sources.mappings.values()]

    async def measured(self) -> list[dict[str, Any]]:
        """Return the state of each source, with lags as new as they can be had in a short time."""
        self._measure()
        if self._measuring:
            await asyncio.wait(self._measuring.values(), timeout=PATIENCE)
        return self.states()

    async def beside(self, messages: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
        """Iterate over the messages for a page; meanwhile the states are published, at first all of them."""
        self._pages += 1
        self._restart()
        try:
            async with aclosing(messages):
                async for message in messages:
                    yield message
        finally:
            self._pages -= 1
            if not self._pages:
                self._restart()

    def _restart(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
        self._looking = asyncio.ensure_future(self._look()) if self._pages else None

    async def _look(self) -> None:
        """Publish the states and what changes of them, without end."""
        before: Mapping[str, Any] | None = None
        while True:
            self._measure()
            now = {state["id"]: state for state in self.states()}
            if now != before:
                known = before or {}
                changed = [state for state in now.values() if state != known.get(state["id"])]
                self._publish("sources", {"ids": [*now], "changed": changed})
            before = now
            await asyncio.sleep(LOOK)

    def _measure(self) -> None:
        """Begin to ask the sources for their lags, except those that were asked a short time ago."""
        now = time.monotonic()
        self._asked = {feed: then for feed, then in self._asked.items() if now - then < FRESH}
        for feed in self._sources.feeds.values():
            if feed.measure is not None and feed not in self._asked and feed not in self._measuring:
                self._asked[feed] = now
                self._measuring[feed] = asyncio.ensure_future(self._ask(feed))

    async def _ask(self, feed: Feed) -> None:
        try:
            if feed.measure is not None:
                await feed.measure()
        except Exception as error:  # noqa: BLE001 - the lag is an old one then; polling reports what is wrong
            if not feed.fault:
                feed.state.last_error = f"cannot read the lag: {type(error).__name__}: {error}"
        finally:
            del self._measuring[feed]
