"""The order within the message groups of a FIFO queue, kept after a failure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from runtime.local.sources.sqs_event import Message


def with_followers(batch: Iterable[Message], failed: Collection[str]) -> set[str]:
    """Return the ids of the messages that failed, and of those after them in their groups, to keep the order."""
    found: set[str] = set(failed)
    blocked: set[str] = set()
    for message in batch:
        if message.id in found:
            blocked.add(message.group)
        elif message.group in blocked:
            found.add(message.id)
    return found


def followers(messages: Iterable[Message]) -> list[Message]:
    """Return the messages but the first of each group: the queue holds them back for as long as it hides that one."""
    groups: set[str] = set()
    found = []
    for message in messages:
        if message.group in groups:
            found.append(message)
        groups.add(message.group)
    return found
