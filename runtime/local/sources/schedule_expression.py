"""The expressions of schedules: `rate(5 minutes)` and `cron(0 12 * * ? *)`, as EventBridge has them.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html has the rules. croniter knows
the calendar, but numbers the days of the week from 0, has no `?`, and has syntax of its own, which is refused here.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from runtime.local.source import BadMapping

UNITS: Final[Mapping[str, timedelta]] = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
}
RATE: Final = re.compile(r"rate\(\s*([1-9]\d*)\s+([a-z]+)\s*\)")
CRON: Final = re.compile(r"cron\((.*)\)")
FIELDS: Final = ("minutes", "hours", "day-of-month", "month", "day-of-week", "year")
DAYS: Final = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
DAY: Final = rf"(?:[1-7]|{'|'.join(DAYS)})"
NUMBER: Final = r"\d+"
MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
MONTH: Final = rf"(?:\d+|{'|'.join(MONTHS)})"
#: A range of one value, which croniter takes for all values.
ONE: Final = re.compile(r"\b0*(\d+)-0*\1\b(?:/\d+)?")
#: How far a year may be ahead; croniter's own limit is 50.
YEARS: Final = 200


class Expression(ABC):
    """When something happens."""

    @abstractmethod
    def following(self, moment: datetime) -> datetime | None:
        """Return the first time after a moment, in UTC; None if there is none. The moment has a time zone."""


@dataclass(frozen=True, slots=True)
class Rate(Expression):
    """Something happens again and again, after the same time."""

    period: timedelta

    def following(self, moment: datetime) -> datetime | None:
        """Return the moment that is one period later; None if the calendar ends before it."""
        try:
            return moment.astimezone(UTC) + self.period
        except OverflowError:
            return None


@dataclass(frozen=True, slots=True)
class Cron(Expression):
    """Something happens at times of a calendar, by the clock of a time zone.

    Attributes:
        fields: the expression as croniter reads it: minute, hour, day, month, day of the week, second, year.
    """

    fields: str
    zone: ZoneInfo

    def following(self, moment: datetime) -> datetime | None:
        """As EventBridge Scheduler: a time that a clock skips is left out, one that it repeats counts once."""
        from croniter import CroniterBadDateError, croniter

        local = moment.astimezone(self.zone).replace(tzinfo=None, fold=0)
        times = croniter(self.fields, local - timedelta(days=1), max_years_between_matches=YEARS)
        while True:
            try:
                found: datetime = times.get_next(datetime)
            except CroniterBadDateError:
                return None
            there = found.replace(tzinfo=self.zone).astimezone(UTC)
            exists = there.astimezone(self.zone).replace(tzinfo=None, fold=0) == found
            if exists and there > moment:
                return there


def parse(text: str, zone: ZoneInfo) -> Expression:
    """Read an expression. Raises BadMapping."""
    if match := RATE.fullmatch(text):
        return Rate(_period(int(match[1]), match[2]))
    if match := CRON.fullmatch(text):
        return Cron(_cron(match[1]), zone)
    raise BadMapping(f"not a schedule: {text!r}; expected one like rate(5 minutes) or cron(0 12 * * ? *)")


def _period(count: int, unit: str) -> timedelta:
    right = unit.removesuffix("s") in UNITS and (count == 1) is not unit.endswith("s")
    if not right:
        known = ", ".join(each if count == 1 else f"{each}s" for each in UNITS)
        raise BadMapping(f"unknown unit {unit!r}; after {count} it is one of: {known}")
    try:
        return count * UNITS[unit.removesuffix("s")]
    except OverflowError as error:
        raise BadMapping("the time is too long") from error


def _cron(content: str) -> str:
    """Return an expression as croniter reads it."""
    from croniter import CroniterError, croniter

    parts = content.upper().split()
    if len(parts) != len(FIELDS):
        raise BadMapping(f"it has {len(parts)} fields; expected {len(FIELDS)}: {', '.join(FIELDS)}")
    minutes, hours, day, month, weekday, year = parts
    if (day == "?") is (weekday == "?"):
        raise BadMapping("one of day-of-month and day-of-week must be ?, and the other one not")
    allowed = (
        _list(NUMBER),
        _list(NUMBER),
        rf"\?|L|{NUMBER}W|{_list(NUMBER)}",
        _list(MONTH),
        rf"\?|L|{DAY}L|{DAY}#[1-5]|{_list(DAY)}",
        _list(NUMBER),
    )
    for name, part, pattern in zip(FIELDS, parts, allowed, strict=True):
        if not re.fullmatch(pattern, part):
            raise BadMapping(f"{name} cannot be {part!r}")
    day = day.replace("?", "*")
    fields = ONE.sub(r"\1", " ".join((minutes, hours, day, _numbered(month), _weekday(weekday), "0", year)))
    try:
        croniter(fields)
    except CroniterError as error:
        raise BadMapping(f"it is not understood: {error}") from error
    return fields


def _numbered(months: str) -> str:
    """Return the months without their names."""
    return re.sub("[A-Z]+", lambda name: str(MONTHS.index(name[0]) + 1), months)


def _list(value: str) -> str:
    """The pattern of values and ranges with commas between them, each perhaps with a step."""
    item = rf"(?:\*|{value}(?:-{value})?)(?:/{NUMBER})?"
    return rf"{item}(?:,{item})*"


def _weekday(field: str) -> str:
    """Return the days of the week with Sunday as 0, where AWS has 1."""
    if field == "?":
        return "*"
    if field == "L":
        return "6"
    if field.endswith("L"):
        return f"L{_day(field[:-1])}"
    if "#" in field:
        day, _, week = field.partition("#")
        return f"{_day(day)}#{week}"
    return ",".join(map(_days, field.split(",")))


def _days(item: str) -> str:
    """One item of a list of days."""
    days, slash, step = item.partition("/")
    if days == "*":
        return item
    first, _, last = days.partition("-")
    if slash and not last:
        last = "7"
    numbers = f"{_day(first)}-{_day(last)}" if last else _day(first)
    return f"{numbers}{slash}{step}"


def _day(name: str) -> str:
    return str(DAYS.index(name) if name in DAYS else int(name) - 1)
