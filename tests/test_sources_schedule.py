"""Schedules as event sources: the expressions of EventBridge, and what happens at their times."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pytest_mock import MockerFixture
from support.files import write
from support.local import ServerProcess

from runtime.local.environments.platform import Platform
from runtime.local.feed import Feed, Outcome
from runtime.local.function import FunctionConfig
from runtime.local.invocation import Event
from runtime.local.source import BadMapping
from runtime.local.sources.event_sources import EventSources
from runtime.local.sources.mapping import EventSourceMapping
from runtime.local.sources.schedule import Schedule
from runtime.local.sources.schedule_expression import parse

UTC_ZONE = ZoneInfo("UTC")
BERLIN = ZoneInfo("Europe/Berlin")


def moment(text: str) -> datetime:
    """A time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def following(expression: str, start: str, count: int = 3, zone: ZoneInfo = UTC_ZONE) -> list[str]:
    """The next times of an expression, with their days of the week."""
    found, now = [], moment(start)
    for _ in range(count):
        after = parse(expression, zone).following(now)
        if after is None:
            break
        now = after
        found.append(f"{now:%a %Y-%m-%d %H:%M}")
    return found


@pytest.mark.parametrize(
    ("expression", "start", "expected"),
    [
        ("rate(1 minute)", "2026-12-31T23:59", ["Fri 2027-01-01 00:00", "Fri 2027-01-01 00:01"]),
        ("rate(2 days)", "2028-02-28T12:00", ["Wed 2028-03-01 12:00", "Fri 2028-03-03 12:00"]),
        # The examples of AWS's documentation.
        ("cron(0 10 * * ? *)", "2026-11-30T10:00", ["Tue 2026-12-01 10:00", "Wed 2026-12-02 10:00"]),
        ("cron(15 12 * * ? *)", "2026-11-30T10:00", ["Mon 2026-11-30 12:15", "Tue 2026-12-01 12:15"]),
        ("cron(0 18 ? * MON-FRI *)", "2026-12-04T18:00", ["Mon 2026-12-07 18:00", "Tue 2026-12-08 18:00"]),
        ("cron(0 8 1 * ? *)", "2026-11-30T10:00", ["Tue 2026-12-01 08:00", "Fri 2027-01-01 08:00"]),
        ("cron(0/15 * * * ? *)", "2026-11-30T23:44", ["Mon 2026-11-30 23:45", "Tue 2026-12-01 00:00"]),
        ("cron(0/5 8-17 ? * MON-FRI *)", "2026-12-04T17:50", ["Fri 2026-12-04 17:55", "Mon 2026-12-07 08:00"]),
        ("cron(0 9 ? * 2#1 *)", "2026-11-30T10:00", ["Mon 2026-12-07 09:00", "Mon 2027-01-04 09:00"]),
        # The first day of the week is Sunday.
        ("cron(0 0 ? * 1 *)", "2026-11-30T00:00", ["Sun 2026-12-06 00:00", "Sun 2026-12-13 00:00"]),
        ("cron(0 0 ? * 7 *)", "2026-11-30T00:00", ["Sat 2026-12-05 00:00", "Sat 2026-12-12 00:00"]),
        ("cron(0 0 ? * 2/2 *)", "2026-11-29T00:00", ["Mon 2026-11-30 00:00", "Wed 2026-12-02 00:00", "Fri 2026-12-04 00:00"]),
        ("cron(0 0 ? * SUN,3,FRI-SAT *)", "2026-11-30T00:00", ["Tue 2026-12-01 00:00", "Fri 2026-12-04 00:00", "Sat 2026-12-05 00:00", "Sun 2026-12-06 00:00"]),
        ("cron(0 0 ? * fri-mon *)", "2026-12-01T00:00", ["Fri 2026-12-04 00:00", "Sat 2026-12-05 00:00", "Sun 2026-12-06 00:00", "Mon 2026-12-07 00:00", "Fri 2026-12-11 00:00"]),
        # A range of one value is that value.
        ("cron(0 0 ? * SAT/2 *)", "2026-11-30T00:00", ["Sat 2026-12-05 00:00", "Sat 2026-12-12 00:00"]),
        ("cron(0 0 ? * SUN-1 *)", "2026-11-30T00:00", ["Sun 2026-12-06 00:00", "Sun 2026-12-13 00:00"]),
        ("cron(05-5,20 1 1 1-JAN ? *)", "2026-11-30T00:00", ["Fri 2027-01-01 01:05", "Fri 2027-01-01 01:20", "Sat 2028-01-01 01:05"]),
        ("cron(0 0 1 1 ? 2099)", "2026-11-30T00:00", ["Thu 2099-01-01 00:00"]),
        # The last day, of leap years too; the last Friday; the fifth Tuesday, which not every month has.
        ("cron(0 0 L * ? *)", "2028-01-31T00:00", ["Tue 2028-02-29 00:00", "Fri 2028-03-31 00:00"]),
        ("cron(0 0 ? * L *)", "2026-11-30T00:00", ["Sat 2026-12-05 00:00"]),
        ("cron(0 0 ? * 6L *)", "2026-11-30T00:00", ["Fri 2026-12-25 00:00", "Fri 2027-01-29 00:00"]),
        ("cron(0 0 ? * FRIL *)", "2026-11-30T00:00", ["Fri 2026-12-25 00:00"]),
        ("cron(0 0 ? * TUE#5 *)", "2026-11-30T00:00", ["Tue 2026-12-29 00:00", "Tue 2027-03-30 00:00"]),
        ("cron(0 0 ? 2 7#5 *)", "2026-11-30T00:00", ["Sat 2048-02-29 00:00"]),
        # The weekday next to a day, which stays in its month.
        ("cron(0 0 15W * ? *)", "2026-07-31T00:00", ["Fri 2026-08-14 00:00", "Tue 2026-09-15 00:00"]),
        ("cron(0 0 1W * ? *)", "2026-07-31T00:00", ["Mon 2026-08-03 00:00", "Tue 2026-09-01 00:00"]),
        ("cron(0 0 31W 1 ? *)", "2026-01-01T00:00", ["Fri 2026-01-30 00:00"]),
        # Years, and days that few of them have.
        ("cron(0 0 29 FEB ? *)", "2026-11-30T00:00", ["Tue 2028-02-29 00:00", "Sun 2032-02-29 00:00"]),
        ("cron(0 0 1 1 ? 2028/5)", "2026-11-30T00:00", ["Sat 2028-01-01 00:00", "Sat 2033-01-01 00:00"]),
        ("cron(0 0 1 1 ? 2027-2028)", "2026-11-30T00:00", ["Fri 2027-01-01 00:00", "Sat 2028-01-01 00:00"]),
        ("cron(0 0 1 1 ? 2026)", "2026-11-30T00:00", []),
        ("cron(0 0 31 2 ? *)", "2026-11-30T00:00", []),
    ],
)  # fmt: skip
def test_expressions(expression: str, start: str, expected: list[str]) -> None:
    """Each has the times that it has for EventBridge."""
    assert expected == following(expression, start, len(expected) or 1)


def test_every_day_of_some_years() -> None:
    """A day of the week in each month, and the last of them, are those that the calendar has, counted one by one."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    days = [start + timedelta(days=number) for number in range(3 * 365)]
    for number, name in enumerate(("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")):
        same = [day for day in days if day.weekday() == number]
        second = [day for day in same if 8 <= day.day <= 14]
        last = [day for day in same if (day + timedelta(days=7)).month != day.month]
        for expression, expected in ((f"{name}#2", second), (f"{name}L", last), (name, same)):
            found = following(f"cron(0 12 ? * {expression} *)", "2026-01-01T00:00", len(expected))
            assert [f"{day:%a %Y-%m-%d} 12:00" for day in expected] == found


def test_clocks_that_are_set() -> None:
    """A time that is skipped is left out, and one that comes twice counts once, as for EventBridge Scheduler."""
    assert ["Sat 2026-03-28 01:30", "Mon 2026-03-30 00:30"] == following(
        "cron(30 2 * * ? *)", "2026-03-28T00:00", 2, BERLIN
    )
    assert ["Sun 2026-10-25 00:30", "Mon 2026-10-26 01:30"] == following(
        "cron(30 2 * * ? *)", "2026-10-25T00:00", 2, BERLIN
    )
    assert ["Mon 2026-10-26 01:30"] == following("cron(30 2 * * ? *)", "2026-10-25T01:00", 1, BERLIN)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("every day", "not a schedule: 'every day'; expected one like rate(5 minutes) or cron(0 12 * * ? *)"),
        ("rate(0 minutes)", "not a schedule"),
        ("rate(1 minutes)", "unknown unit 'minutes'; after 1 it is one of: minute, hour, day"),
        ("rate(5 minute)", "unknown unit 'minute'; after 5 it is one of: minutes, hours, days"),
        ("rate(5 weeks)", "unknown unit 'weeks'"),
        ("cron(0 12 * * ?)", "has 5 fields; expected 6: minutes, hours, day-of-month, month, day-of-week, year"),
        ("cron(0 12 * * * *)", "one of day-of-month and day-of-week must be ?, and the other one not"),
        ("cron(0 12 ? * ? *)", "one of day-of-month and day-of-week must be ?, and the other one not"),
        ("cron(60 12 * * ? *)", "out of range"),
        ("cron(0 12 ? * 0 *)", "day-of-week cannot be '0'"),
        ("cron(0 12 ? * 3#1,6#3 *)", "day-of-week cannot be '3#1,6#3'"),
        ("cron(h 12 * * ? *)", "minutes cannot be 'H'"),
        ("cron(0 12 l,2 * ? *)", "day-of-month cannot be 'L,2'"),
    ],
)
def test_expressions_that_are_wrong(expression: str, message: str) -> None:
    """Each is refused with the reason; what only croniter knows, too."""
    with pytest.raises(BadMapping, match=r".*") as caught:
        Schedule(expression).check()
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"input": "{"}, "the input must be JSON"),
        ({"timezone": "Mars"}, "unknown time zone: 'Mars'; expected one like Europe/Berlin"),
    ],
)
def test_settings_that_are_wrong(settings: dict[str, str], message: str) -> None:
    """Each is refused with the reason."""
    with pytest.raises(BadMapping, match=message):
        Schedule("rate(1 minute)", **settings)


def test_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The report names the extra."""
    monkeypatch.setitem(sys.modules, "croniter", None)
    with pytest.raises(BadMapping, match=r"run: pip install 'handler-dispatch\[local\]'"):
        Schedule("cron(0 12 * * ? *)").check()


class Clock:
    """A clock that shows what it is told, and jumps over the time that somebody sleeps."""

    def __init__(self, mocker: MockerFixture, start: str) -> None:
        self.now = moment(start).timestamp()
        #: Is called after each sleep, which may have taken longer.
        self.after_sleep: Callable[[], Any] = lambda: None
        mocker.patch("runtime.local.sources.schedule.time.time", side_effect=lambda: self.now)
        mocker.patch("runtime.local.sources.schedule.asyncio.sleep", self.sleep)

    async def sleep(self, seconds: float) -> None:
        """Let the time pass."""
        self.now += seconds
        self.after_sleep()


def events(source: Schedule, count: int) -> list[Any]:
    """What a source sends at its first times."""
    found: list[Any] = []
    done = asyncio.Event()

    async def put(event: bytes) -> None:
        found.append(json.loads(event))
        if len(found) == count:
            done.set()
            await asyncio.Event().wait()

    async def case() -> None:
        async def invoke(_event: bytes) -> Outcome:
            raise AssertionError("it waits for an answer")

        polling = asyncio.ensure_future(source.poll(Feed(invoke, print, put=put)))
        await done.wait()
        polling.cancel()
        await asyncio.wait({polling})

    asyncio.run(case())
    return found


def test_the_event(mocker: MockerFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is that of EventBridge, at the time that was due."""
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    Clock(mocker, "2026-11-30T11:58:30")
    first, second = events(Schedule("cron(0/5 * * * ? *)"), 2)
    assert ["2026-11-30T12:00:00Z", "2026-11-30T12:05:00Z"] == [first["time"], second["time"]]
    assert first["id"] != second["id"]
    assert {
        "version": "0",
        "id": first["id"],
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "012345678912",
        "time": "2026-11-30T12:00:00Z",
        "region": "eu-west-1",
        "resources": ["arn:aws:events:eu-west-1:012345678912:rule/cron-0-5-x-x-x-x-x"],
        "detail": {},
    } == first


def test_an_input(mocker: MockerFixture) -> None:
    """It takes the place of the event."""
    Clock(mocker, "2026-11-30T11:58:30")
    assert [{"a": 1}] == events(Schedule("rate(1 hour)", input='{"a": 1}'), 1)


def test_a_machine_that_sleeps(mocker: MockerFixture) -> None:
    """The times that pass meanwhile count once."""
    clock = Clock(mocker, "2026-11-30T11:59:30")

    def oversleep() -> None:
        clock.after_sleep = lambda: None
        clock.now += 3 * 3600

    clock.after_sleep = oversleep
    assert ["2026-11-30T12:00:00Z", "2026-11-30T15:01:00Z"] == [
        event["time"] for event in events(Schedule("cron(* * * * ? *)"), 2)
    ]


@pytest.mark.parametrize("schedule", ["rate(10 minutes)", "cron(0/10 * * * ? *)"])
def test_a_clock_that_is_set_back(mocker: MockerFixture, schedule: str) -> None:
    """The times go by the new time; they do not wait until the old one is there again."""
    clock = Clock(mocker, "2026-11-30T12:00:00")

    def set_back() -> None:
        clock.after_sleep = lambda: None
        clock.now = moment("2026-11-30T08:00:00").timestamp()

    clock.after_sleep = set_back
    assert ["2026-11-30T08:10:00Z", "2026-11-30T08:20:00Z"] == [
        event["time"] for event in events(Schedule(schedule), 2)
    ]


def test_the_queue(mocker: MockerFixture, tmp_path: Path) -> None:
    """The event goes to the queue of asynchronous events, for its function and with a request id of its own."""
    Clock(mocker, "2026-11-30T11:59:30")
    queued: list[tuple[str, Event]] = []
    done = asyncio.Event()

    async def put(function: str, event: Event) -> None:
        queued.append((function, event))
        done.set()
        await asyncio.Event().wait()

    async def case() -> None:
        async with Platform([FunctionConfig("often", "event", tmp_path)]) as platform:
            sources = EventSources(platform, print, put=put)
            sources.put(EventSourceMapping(Schedule("rate(1 hour)", input="{}"), "often"))
            await done.wait()
            await sources.close()

    asyncio.run(case())
    ((function, event),) = queued
    assert ("often", b"{}", 36) == (function, event.body, len(event.request_id))


CONFIG = """
[functions.often]
handler = "app.handler"
convention = "lambda"

[[functions.often.sources]]
schedule = "cron(* * * * ? 1999)"
"""


def test_the_configuration(tmp_path: Path) -> None:
    """A schedule that is over is reported."""
    root = write(tmp_path / "root", {"app.py": "def handler(event, context): ...", "dispatch.toml": CONFIG})
    with ServerProcess(root, "--no-reload") as server:
        server.line("often: schedule cron(* * * * ? 1999): the schedule has no more times")


def test_a_configuration_that_is_wrong(tmp_path: Path) -> None:
    """The server does not start, and says which schedule it is."""
    text = CONFIG.replace("* * * * ? 1999", "0 12 ? * 8 *")
    root = write(tmp_path / "root", {"app.py": "def handler(event, context): ...", "dispatch.toml": text})
    command = [sys.executable, "-m", "runtime.cli", "serve", "--port", "0"]
    result = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert 2 == result.returncode
    assert "schedule cron(0 12 ? * 8 *): day-of-week cannot be '8'" in " ".join(result.stderr.split())
