"""The state of one event source, as the page and scripts get it."""

from __future__ import annotations

from typing import Any, Final

from runtime.local.feed import Feed, FeedState
from runtime.local.sources.mapping import EventSourceMapping

#: How many characters there are of an error, and of the id of a message, which its sender may have chosen.
ERROR_LIMIT: Final = 1000
ID_LIMIT: Final = 200


def described(mapping: EventSourceMapping, feed: Feed | None) -> dict[str, Any]:
    """Return a source and how it is doing.

    Times are in milliseconds since the epoch. What is not known, or does not exist for this kind of source, is None.

    Args:
        mapping: the source and its function.
        feed: its feed; None if it was never polled.
    """
    state = feed.state if feed else FeedState()
    return {
        "id": mapping.id,
        "function": mapping.function,
        "kind": mapping.source.kind,
        "title": mapping.source.title,
        "arn": mapping.source.arn,
        "status": status(mapping, feed),
        "reason": _cut(feed.fault, ERROR_LIMIT) if feed and mapping.enabled else "",
        "lag": state.lag,
        "inFlight": state.in_flight,
        "redelivered": state.redelivered,
        "measured": _milliseconds(state.measured),
        "due": _milliseconds(state.due) if mapping.enabled else None,
        **_counters(state),
        "retrying": [
            {"id": _cut(record_id, ID_LIMIT), "deliveries": times}
            for record_id, times in reversed(state.retrying.items())
        ],
        "lastError": _cut(state.last_error, ERROR_LIMIT),
    }


def status(mapping: EventSourceMapping, feed: Feed | None) -> str:
    """Return `disabled`, `unreachable`, `starting` (nothing is known yet) or `polling`."""
    if not mapping.enabled or feed is None:
        return "disabled"
    if feed.fault:
        return "unreachable"
    return "polling" if feed.reached else "starting"


def _counters(state: FeedState) -> dict[str, int]:
    return dict(  # noqa: C408 - a key is also the name of a convention, by which nothing may be looked up
        batches=state.batches,
        records=state.records,
        failures=state.failures,
        deadLetters=state.dead_letters,
    )


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
