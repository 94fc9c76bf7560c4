"""The durable consumer of a source: made if there is none, and looked at if there is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from nats.js import JetStreamContext
    from nats.js.api import ConsumerConfig

#: The description of consumers that were made here, which may be changed here.
OURS: Final = "dispatch"
#: Between how many seconds the server delivers a message again that it hears nothing of: as long as the function may
#: take, but messages under way are reported to be in progress, so those of a server that has died need not wait longer.
ACK_WAIT: Final = (30.0, 60.0)
#: The subjects of a consumer that delivers the whole stream.
ALL: Final = ">"
#: What NATS understands as no limit.
UNLIMITED: Final = -1
#: How many streams a message names.
NAMED: Final = 10


class NotReady(Exception):
    """The stream or the consumer cannot be used, as things stand; the message says why."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a source needs of its consumer.

    Attributes:
        subject: the subjects that it delivers; empty for whatever it delivers.
        timeout: the function's, in seconds.
        max_deliver: how often it delivers a message that fails; 0 for any number of times.
        dead_letter: the subject for those that fail as often; empty if there is none.
    """

    stream: str
    durable: str
    subject: str
    timeout: float
    max_deliver: int
    dead_letter: str

    @property
    def server_limit(self) -> int:
        """How often the server itself may deliver a message.

        It gives messages up silently, also one whose last delivery died with the function's server. Where they go to a
        subject, it must not: deliveries are counted here.
        """
        return self.max_deliver if self.max_deliver and not self.dead_letter else UNLIMITED

    def config(self) -> ConsumerConfig:
        """Return the settings for a new consumer."""
        from nats.js.api import ConsumerConfig

        shortest, longest = ACK_WAIT
        return ConsumerConfig(
            durable_name=self.durable,
            description=OURS,
            ack_wait=max(shortest, min(self.timeout, longest)),
            max_deliver=self.server_limit,
            filter_subject=self.subject or None,
            max_ack_pending=UNLIMITED,  # a puller never has more than it has asked for
        )


async def find_or_make(context: JetStreamContext, wanted: Wanted) -> ConsumerConfig:
    """Return the consumer's settings.

    Machines that make it at the same time make the same one. One that was made here before gets the new settings.

    Raises:
        NotReady: there is no such stream, or the consumer does something else than the source wants.
    """
    from nats.js.errors import NotFoundError

    stored = await _subjects(context, wanted)
    new = wanted.config()
    try:
        found: ConsumerConfig = (await context.consumer_info(wanted.stream, wanted.durable)).config
    except NotFoundError:
        _check_dead_letter(new, wanted, stored)
        return await _make(context, wanted.stream, new)
    _check(found, wanted)
    _check_dead_letter(found, wanted, stored)
    if found.description == OURS and (found.ack_wait, found.max_deliver) != (new.ack_wait, new.max_deliver):
        new.filter_subject, new.filter_subjects = found.filter_subject, found.filter_subjects
        return await _make(context, wanted.stream, new)
    return found


async def _make(context: JetStreamContext, stream: str, config: ConsumerConfig) -> ConsumerConfig:
    return (await context.add_consumer(stream, config)).config


def difference(found: ConsumerConfig, wanted: Wanted) -> str:
    """Return what the developer should know of a consumer that somebody else has made; empty if nothing."""
    theirs, ours = found.max_deliver or UNLIMITED, wanted.max_deliver or UNLIMITED
    if theirs == UNLIMITED or (theirs == ours and not wanted.dead_letter) or theirs > ours > 0:
        return ""
    if not wanted.dead_letter:
        return f"the consumer {wanted.durable} delivers a message {theirs} times at most (its own max_deliver)"
    return (
        f"the consumer {wanted.durable} has a max_deliver of its own, {theirs}: a message whose last delivery ends "
        f"with this server does not get to {wanted.dead_letter}; run: nats consumer edit --max-deliver=-1"
    )


def limit(found: ConsumerConfig, wanted: Wanted) -> int:
    """Return after how many deliveries a message that fails is given up; 0 if never."""
    limits = [each for each in (found.max_deliver or 0, wanted.max_deliver) if each > 0]
    return min(limits, default=0)


async def _subjects(context: JetStreamContext, wanted: Wanted) -> list[str]:
    """Return the subjects of the stream. Raises NotReady if there is no such stream."""
    from nats.js.errors import NotFoundError, ServiceUnavailableError

    try:
        return (await context.stream_info(wanted.stream)).config.subjects or []
    except ServiceUnavailableError as error:
        raise NotReady("JetStream is not available: the NATS server or the account has it turned off") from error
    except NotFoundError as error:
        names = sorted(each.config.name or "" for each in await context.streams_info())
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        raise NotReady(
            f"no such stream: {wanted.stream!r}; available: {', '.join(names[:NAMED]) or 'none'}{more}"
        ) from error


def _check_dead_letter(config: ConsumerConfig, wanted: Wanted, stored: Sequence[str]) -> None:
    """Raise NotReady for dead letters that would come back to the function."""
    letter = wanted.dead_letter
    if any(covers(each, letter) for each in stored) and any(covers(each, letter) for each in _filter(config)):
        raise NotReady(
            f"dead_letter = {letter!r} is among the subjects that the source receives; name a subject of another "
            "stream, or one that `subject` leaves out"
        )


def _check(found: ConsumerConfig, wanted: Wanted) -> None:
    """Raise NotReady for a consumer that does something else."""
    name = f"the consumer {wanted.durable} of {wanted.stream}"
    if found.deliver_subject:
        raise NotReady(f"{name} is a push consumer; set `durable` to the name of a pull consumer, or of a new one")
    if found.ack_policy != "explicit":
        raise NotReady(f"{name} has the ack policy {found.ack_policy}; it must be explicit")
    subjects, subject = _filter(found), wanted.subject or ALL
    if subjects != [subject] and (wanted.subject or found.description == OURS):
        raise NotReady(
            f"{name} delivers the subjects {', '.join(subjects)}, not {subject}; set `durable` to another name, "
            "or delete the consumer"
        )


def _filter(config: ConsumerConfig) -> list[str]:
    """Return the subjects that a consumer delivers."""
    return config.filter_subjects or [config.filter_subject or ALL]


def covers(pattern: str, subject: str) -> bool:
    """Return whether a subject is among those that a pattern stands for."""
    wanted, given = pattern.split("."), subject.split(".")
    for number, part in enumerate(wanted):
        if part == ">":
            return len(given) > number
        if number >= len(given) or part not in {"*", given[number]}:
            return False
    return len(wanted) == len(given)
