"""What an event source is: settings that can poll."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

from runtime.local.feed import Feed


class BadMapping(ValueError):
    """A source that cannot be polled; the message says why."""


class Source(Protocol):
    """A source's settings: a frozen dataclass for each kind, whose fields are the keys in `dispatch.toml`.

    Making one raises `BadMapping` for a setting that is wrong. Two that are equal are the same source.

    Attributes:
        kind: the key that names the source, such as `sqs`.
    """

    kind: ClassVar[str]

    @property
    def title(self) -> str:
        """The source's name for people, such as `sqs orders`."""
        ...

    @property
    def arn(self) -> str:
        """The source's ARN, or what stands in for one."""
        ...

    def check(self) -> None:
        """Raise BadMapping if it cannot be polled here: its client library is missing."""
        ...

    def described(self) -> dict[str, Any]:
        """Return the settings by their names in Lambda's API, such as `BatchSize`."""
        ...

    async def poll(self, feed: Feed) -> None:
        """Pass events to the function until cancelled; then finish those under way, and give the rest back."""
        ...
