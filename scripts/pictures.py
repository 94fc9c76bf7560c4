"""Write the diagrams of the documentation into docs/images, each for light and for dark pages.

Run it in the environment in which Dispatch is installed: python scripts/pictures.py

The figures in them are those of docs/explanations/speed.json; the picture of the local platform's page is made by its
tests (CONTRIBUTING.md).
"""

from __future__ import annotations

from pathlib import Path

from diagrams import choices, logo, overview, timelines, workers

from benchmarks.plot import speed
from benchmarks.report import Report, caption

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
FIGURES = ROOT / "docs" / "explanations" / "speed.json"


def pictures() -> dict[Path, str]:
    """The files, and what each has to be."""
    report = Report.from_json(FIGURES.read_text(encoding="utf-8"))
    medians = {(one.scenario, one.subject, one.figure): one.median for one in report.series}
    drawn = (
        *overview.PICTURES,
        *choices.PICTURES,
        timelines.cold_start(medians),
        timelines.STREAMING,
        workers.fork(medians),
        speed(report.series, caption(report)),
    )
    files = [file for picture in drawn for file in picture.files()]
    return {IMAGES / name: text for name, text in [*files, *logo.FILES.items()]}


if __name__ == "__main__":
    for path, text in pictures().items():
        path.write_text(text, encoding="utf-8")
