"""What was tried and what was seen, as a table in Markdown and as JSON."""

import json
import platform
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

START, END = "<!-- faults -->", "<!-- end of faults -->"


@dataclass(frozen=True)
class Plan:
    """How a fault is tried.

    Attributes:
        scale: the share of the usual number of tries; 1 is what the page reports.
        seed: what every random choice follows from.
        folder: an empty folder.
    """

    scale: float
    seed: int
    folder: Path

    def times(self, usual: int, least: int = 1) -> int:
        """How many tries, of this usual number."""
        return max(int(usual * self.scale), least)


@dataclass(frozen=True)
class Seen:
    """What came of it.

    Attributes:
        tried: how often, with the unit, as text: `1,000 requests`.
        seen: what was seen, as text.
        broken: each way in which the promise was broken; empty if it held.
    """

    tried: str
    seen: str
    broken: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    Attributes:
        name: its name on the command line.
        what: what goes wrong.
        promise: what must hold all the same.
        run: tries it.
    """

    name: str
    what: str
    promise: str
    run: Callable[[Plan], Seen]


@dataclass(frozen=True)
class Report:
    """What a run of the command saw, and where."""

    about: dict[str, Any]
    seen: dict[str, Seen]

    @classmethod
    def begun(cls, plan: Plan) -> Self:
        """A report without any fault."""
        about = {
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.release().partition('-')[0]}",
            "date": datetime.now(UTC).date().isoformat(),
            "seed": plan.seed,
        }
        return cls(about, {})

    def to_json(self) -> str:
        """The report as JSON."""
        seen = {name: asdict(one) for name, one in self.seen.items()}
        return json.dumps({"about": self.about, "seen": seen}, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The report that `to_json` wrote."""
        content = json.loads(text)
        seen = {name: Seen(**{**one, "broken": tuple(one["broken"])}) for name, one in content["seen"].items()}
        return cls(content["about"], seen)


def table(report: Report, faults: Iterable[Fault]) -> str:
    """The report in Markdown."""
    about = ", ".join(f"{name} {value}" for name, value in report.about.items())
    rows = [["fault", "tried", "promised", "seen"], ["---"] * 4]
    for fault in faults:
        if one := report.seen.get(fault.name):
            broken = "".join(f"<br>**broken**: {text}" for text in one.broken)
            rows.append([f"**{fault.name}**: {fault.what}", one.tried, fault.promise, one.seen + broken])
    lines = ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows]
    return "\n".join([f"{about[:1].upper()}{about[1:]}.", "", *lines])


def put_into(page: Path, text: str) -> None:
    """Replace what is between the marks of the page."""
    before, _, rest = page.read_text().partition(START)
    _, mark, after = rest.partition(END)
    if not mark:
        sys.exit(f"faults: {page} has no {START} followed by {END}")
    page.write_text(f"{before}{START}\n\n{text}\n\n{END}{after}")
