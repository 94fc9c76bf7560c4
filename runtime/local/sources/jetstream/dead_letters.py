"""Messages that were given up, as they are published to the dead letters' subject."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from runtime.local.sources.jetstream.records import MESSAGE_ID, Delivery
from runtime.local.values import one_line

if TYPE_CHECKING:
    from nats.js import JetStreamContext

#: What the headers of a dead letter begin with that are not the message's own.
PREFIX: Final = "Dispatch-"
#: Headers that begin with this would tell the stream of dead letters what to do with the message.
NATS: Final = "Nats-"
#: How many characters of an error's message a header has.
LONGEST: Final = 1000


class DeadLetters:
    """Where the messages of one consumer go that were given up."""

    def __init__(self, context: JetStreamContext, subject: str, consumer: str) -> None:
        self._context = context
        self._subject = subject
        self._consumer = consumer

    async def publish(self, delivery: Delivery, error_type: str, error_message: str) -> None:
        """Publish a message, and wait until a stream has stored it.

        The same one is stored once, within the time in which that stream recognizes duplicates.

        Raises:
            nats.errors.Error: no stream has stored it.
        """
        headers = self.headers(delivery, error_type, error_message)
        await self._context.publish(self._subject, delivery.message.data, headers=headers)

    def headers(self, delivery: Delivery, error_type: str, error_message: str) -> dict[str, str]:
        """Return the message's own headers, and those that tell where it was and why it is here."""
        message, metadata = delivery.message, delivery.message.metadata
        own = {(f"{PREFIX}{name}" if name.startswith(NATS) else name): value for name, value in _own(delivery)}
        facts = {
            "Message-Id": delivery.id,
            "Stream": metadata.stream,
            "Consumer": self._consumer,
            "Subject": message.subject,
            "Sequence": str(metadata.sequence.stream),
            "Deliveries": str(metadata.num_delivered),
            "Error-Type": one_line(error_type),
            "Error-Message": one_line(error_message)[:LONGEST],
        }
        stored = metadata.timestamp.isoformat()
        identity = f"{metadata.stream}:{self._consumer}:{metadata.sequence.stream}:{stored}"
        return {**own, **{f"{PREFIX}{name}": value for name, value in facts.items() if value}, MESSAGE_ID: identity}


def _own(delivery: Delivery) -> list[tuple[str, str]]:
    return [(str(name), value) for name, value in (delivery.message.headers or {}).items()]
