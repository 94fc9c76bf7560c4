"""A schedule as an event source."""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Final
from zoneinfo import ZoneInfo

from runtime.local.feed import Feed
from runtime.local.function import ACCOUNT, default_region
from runtime.local.source import BadMapping
from runtime.local.sources.schedule_expression import Expression, parse
from runtime.local.values import new_id, parse_json

UTC: Final = "UTC"
#: Seconds between two looks at the clock: it may be set, and a laptop may sleep.
LOOK: Final = 60.0


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule and what it sends.

    Attributes:
        schedule: `rate(…)` or `cron(…)`.
        input: the event as JSON; empty for the one that EventBridge sends.
        timezone: whose clock a cron expression goes by.
    """

    kind: ClassVar[str] = "schedule"

    schedule: str
    input: str = ""
    timezone: str = UTC

    def __post_init__(self) -> None:
        if not re.fullmatch(r"(rate|cron)\(.*\)", self.schedule):
            raise BadMapping(
                f"not a schedule: {self.schedule!r}; expected one like rate(5 minutes) or cron(0 12 * * ? *)"
            )
        if self.input:
            try:
                parse_json(self.input)
            except ValueError as error:
                raise BadMapping(f"the input must be JSON: {error}") from error
        self._zone()

    def described(self) -> dict[str, Any]:
        """Return the settings; the Lambda API has none for schedules."""
        return {}

    @property
    def title(self) -> str:
        """The schedule, for people."""
        return f"{self.kind} {self.schedule}"

    @property
    def arn(self) -> str:
        """The ARN of the rule that it would be."""
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", self.schedule.replace("*", "x").replace("?", "x")).strip("-")
        return f"arn:aws:events:{default_region()}:{ACCOUNT}:rule/{name}"

    def check(self) -> None:
        """Raise BadMapping for an expression that is wrong, or if there is no library to read it."""
        try:
            self.expression()
        except ImportError as error:
            raise BadMapping(f"cannot read a schedule: {error}; run: pip install 'handler-dispatch[local]'") from error

    def expression(self) -> Expression:
        """Return when it happens. Raises BadMapping."""
        return parse(self.schedule, self._zone())

    def event(self, moment: datetime) -> bytes:
        """Return the event of a moment, which is in UTC."""
        if self.input:
            return self.input.encode()
        return json.dumps(
            {
                "version": "0",
                "id": new_id(),
                "detail-type": "Scheduled Event",
                "source": "aws.events",
                "account": ACCOUNT,
                "time": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
                "region": default_region(),
                "resources": [self.arn],
                "detail": {},
            }
        ).encode()

    async def poll(self, feed: Feed) -> None:
        """Put an event into the queue at each time of the schedule, until cancelled.

        A time that passes while the clock is not looked at, because the machine sleeps, counts once.
        """

        async def work() -> None:
            await self._send(feed)

        await feed.keep_trying(work)

    async def _send(self, feed: Feed) -> None:
        expression = self.expression()
        due = expression.following(_now())
        while due is not None:
            feed.state.due = due.timestamp()
            feed.works()
            due = await _reach(expression, due)
            await feed.put(self.event(due))
            feed.state.batches += 1
            feed.state.records += 1
            due = expression.following(due)
            if due is not None and due <= _now():
                due = expression.following(_now())
        feed.state.due = None
        feed.problem("the schedule has no more times")
        await asyncio.Event().wait()

    def _zone(self) -> ZoneInfo:
        try:
            return ZoneInfo(self.timezone)
        except (LookupError, ValueError, OSError) as error:
            raise BadMapping(f"unknown time zone: {self.timezone!r}; expected one like Europe/Berlin") from error


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), ZoneInfo(UTC))


async def _reach(expression: Expression, due: datetime) -> datetime:
    """Wait until the clock shows the time that is due, and return it: an earlier one if the clock is set back."""
    while (left := (due - _now()).total_seconds()) > 0:
        await asyncio.sleep(min(left, LOOK))
        due = min(due, expression.following(_now()) or due)
    return due
