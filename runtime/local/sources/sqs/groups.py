"""The order within the message groups of a FIFO queue, kept after a failure, and deliveries that are the last."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from runtime.local.sources.sqs.event import Message


def is_last(message: Message, most: int | None) -> bool:
    """Return whether a message that is received `most` times at most will not be received again."""
    return most is not None and message.receives >= most


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


def to_hand_over_again(batch: Sequence[Message], failed: Collection[str], most: int | None) -> list[Message]:
    """Return the messages after failed ones of their groups that would become dead letters along with those.

    They have not failed themselves, and nothing before them in their groups comes back, so the order is kept.
    """
    followers = with_followers(batch, failed) - {*failed}
    returning = {message.group for message in batch if message.id in failed and not is_last(message, most)}
    return [one for one in batch if one.id in followers and is_last(one, most) and one.group not in returning]


def followers(messages: Iterable[Message]) -> list[Message]:
    """Return the messages but the first of each group: the queue holds them back for as long as it hides that one."""
    groups: set[str] = set()
    found = []
    for message in messages:
        if message.group in groups:
            found.append(message)
        groups.add(message.group)
    return found
