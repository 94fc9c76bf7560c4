"""Reports the figures as tables in Markdown and as JSON, together with the machine on which they were measured."""

import json
import os
import platform
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import environments
from benchmarks.budgets import Verdict, judge
from benchmarks.rounds import BenchError, Series
from benchmarks.scenarios import SCENARIOS, Scenario

#: The largest spread at which two figures are still compared.
UNSTEADY = 0.25

#: The marks of a page, between which its figures are; `<!-- figures: small json -->` names those that it shows.
START, END = "<!-- figures -->", "<!-- end of figures -->"
_MARKED = re.compile(r"<!-- figures(?:: (?P<names>[^>]+))? -->\n.*?<!-- end of figures -->", re.DOTALL)

#: The parts of a report that are no scenarios.
ABOUT, BUDGETS = "machine", "budgets"


@dataclass(frozen=True)
class Report:
    """The figures of a run, with the data needed to interpret them."""

    machine: Mapping[str, Any]
    settings: Mapping[str, Any]
    scenarios: tuple[str, ...]
    series: tuple[Series, ...]

    @property
    def verdicts(self) -> list[Verdict]:
        """The verdict of the figures on each budget."""
        return judge(self.series, self.scenarios)

    def to_json(self) -> str:
        """The report as JSON: `from_json` reads it back; medians, spreads and verdicts are added for other readers."""
        figures = [{**asdict(one), "median": _short(one.median), "spread": _short(one.spread)} for one in self.series]
        budgets = [
            {**asdict(verdict.budget), "value": verdict.value and _short(verdict.value), "met": verdict.met}
            for verdict in self.verdicts
        ]
        parts = {
            "machine": json.dumps(self.machine, ensure_ascii=False),
            "settings": json.dumps(self.settings),
            "scenarios": json.dumps(self.scenarios),
            "figures": _lines(figures),
            "budgets": _lines(budgets),
        }
        return "{\n" + ",\n".join(f'"{name}": {text}' for name, text in parts.items()) + "\n}\n"

    @classmethod
    def from_json(cls, text: str) -> "Report":
        """The report that `to_json` wrote."""
        content = json.loads(text)
        series = tuple(
            Series(one["scenario"], one["subject"], one["figure"], one["unit"], tuple(one["values"]))
            for one in content["figures"]
        )
        return cls(content["machine"], content["settings"], tuple(content["scenarios"]), series)


def _lines(rows: Sequence[Mapping[str, Any]]) -> str:
    """One row per line, so that changed figures are changed lines."""
    return "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n]"


def _short(value: float) -> float:
    return float(f"{value:.5g}")


def machine() -> dict[str, Any]:
    """The data that a reader needs to compare figures; nothing in it identifies this machine."""
    information = Path("/proc/cpuinfo").read_text()
    names = [line.split(":", 1)[1].strip() for line in information.splitlines() if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.machine(),
        "processors": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.release()}",
        "date": datetime.now(UTC).date().isoformat(),
        "load before": round(os.getloadavg()[0], 2),
        "versions": environments.versions(),
    }


def tables(report: Report) -> str:
    """The whole report as Markdown, also readable in a terminal."""
    return "\n\n".join(parts(report).values())


def parts(report: Report) -> dict[str, str]:
    """The parts of a report, by their names, in their order."""
    found = {ABOUT: _about(report.machine, report.settings)}
    found |= {name: _scenario_table(SCENARIOS[name], report.series) for name in report.scenarios}
    return found | ({BUDGETS: budget_table(report.verdicts)} if report.verdicts else {})


def check_marks(name: str, page: str) -> bool:
    """Whether a page has places for figures. Raises BenchError if one of them names figures that do not exist."""
    known = {ABOUT, BUDGETS, *SCENARIOS}
    found = [*_MARKED.finditer(page)]
    for unknown in {part for mark in found for part in (mark["names"] or "").split()} - known:
        raise BenchError(
            f"{name} has a place for figures of {unknown!r}; known: {', '.join([ABOUT, BUDGETS, *SCENARIOS])}"
        )
    return bool(found)


def put_into(page: str, figures: Mapping[str, str]) -> str:
    """A page with figures in its places: those that a place names, or all. What has no place is left out."""

    def filled(mark: re.Match[str]) -> str:
        names = mark["names"].split() if mark["names"] else [*figures]
        start = mark[0].partition("\n")[0]
        return "\n\n".join([start, *(figures[name] for name in names if name in figures), END])

    return _MARKED.sub(filled, page)


def caption(report: Report) -> str:
    """The machine in one line, as the caption of a drawing."""
    about = report.machine
    python = about["versions"]["python"]
    return f"Medians. {about['processors']} × {about['processor']}, {about['system']}, Python {python}, {about['date']}"


def _about(machine: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    chosen = ", ".join(f"{name}: {value}" for name, value in settings.items())
    about = f"{machine['processors']} × {machine['processor']}, {machine['system']}, {machine['date']}"
    return f"{about}, load before {machine['load before']}.\n\n{versions}.\n\n{chosen}."


def _scenario_table(scenario: Scenario, series: Sequence[Series]) -> str:
    found = {(one.subject, one.figure): one for one in series if one.scenario == scenario.name}
    subjects = [name for name in scenario.subjects if any(subject == name for subject, _ in found)]
    rows = [[scenario.name, *(f"{figure.name}, {figure.unit}" for figure in scenario.figures)]]
    for subject in subjects:
        cells = (
            _cell(found.get((subject, figure.name)), found.get((scenario.baseline, figure.name)))
            for figure in scenario.figures
        )
        rows.append([subject, *cells])
    return f"## {scenario.title}\n\n" + table(rows)


def _cell(one: Series | None, baseline: Series | None) -> str:
    if one is None:
        return "-"
    text = f"{number(one.median)} ±{one.spread:.0%}"
    if baseline is None or baseline is one or not all(baseline.values) or max(one.spread, baseline.spread) > UNSTEADY:
        return text
    return f"{text} ×{one.ratio(baseline):.2f}"


def budget_table(verdicts: Sequence[Verdict]) -> str:
    """Each budget with its limit, the measured value, and whether it is met."""
    rows = [["budget", "of", "limit", "measured", "result"]]
    for verdict in verdicts:
        budget = verdict.budget
        value = "not measured" if verdict.value is None else f"{verdict.value:.2f}"
        rows.append(
            [budget.text, budget.theirs or "-", f"{budget.limit:.2f}", value, "met" if verdict.met else "MISSED"]
        )
    return "## Budgets\n\n" + table(rows)


def number(value: float) -> str:
    """A figure with as many digits as a reader needs."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as a table in Markdown, the first one as its head."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def lines() -> Iterator[str]:
        for number, row in enumerate(rows):
            cells = [
                row[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)),
            ]
            yield "| " + " | ".join(cells) + " |"
            if number == 0:
                yield "| " + " | ".join(["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]) + " |"

    return "\n".join(lines())
