"""The ports together: what the overview says of them."""

from __future__ import annotations

import re

from support.ports import PAGES, REQUESTS, SAMPLES, rows

PLATFORMS = sorted(page.stem for page in PAGES.glob("*.md") if (SAMPLES / page.stem).is_dir())


def test_there_are_thirty_requests() -> None:
    """As the pages say."""
    assert 30 == len(REQUESTS)


def test_table_at_a_glance() -> None:
    """The overview has every request and every platform, and names the row of each difference."""
    lines = [line for line in (PAGES / "README.md").read_text().splitlines() if line.startswith("| `")]
    shown = {
        re.findall(r"`([^`]+)`", line)[0]: [cell.strip() for cell in line.strip("|").split("|")][1:] for line in lines
    }
    by_platform = {platform: rows(platform) for platform in PLATFORMS}
    expected = {
        request: [
            ", ".join(
                f"[{row}]({platform}.md#{row})" for row, names in by_platform[platform].items() if request in names
            )
            or "="
            for platform in PLATFORMS
        ]
        for request in REQUESTS
    }
    assert expected == {request: cells for request, cells in shown.items() if request in REQUESTS}
