"""Write the diagrams of the documentation into docs/images, each for light and for dark pages.

Run it in the environment in which Dispatch is installed: python scripts/pictures.py

The figures in them are those of docs/explanations/speed.json. With --page, it also takes the picture of the local
platform's page, with the chromium of its tests; this one differs a little each time.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
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


def take_page() -> int:
    """Have the tests of the local platform's page take its picture in both schemes; returns their status."""
    command = [sys.executable, "-m", "pytest", "-q", "tests/test_local_page.py", "-k", "test_it_is_fit_to_be_looked_at"]
    variables = {**os.environ, "DISPATCH_SCREENSHOTS": str(IMAGES)}
    return subprocess.run(command, cwd=ROOT, env=variables, check=False).returncode


def main() -> int:
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(description="Write the pictures of the documentation into docs/images.")
    parser.add_argument("--page", action="store_true", help="also take the picture of the local platform's page")
    options = parser.parse_args()
    for path, text in pictures().items():
        path.write_text(text, encoding="utf-8")
    return take_page() if options.page else 0


if __name__ == "__main__":
    raise SystemExit(main())
