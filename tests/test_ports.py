"""The ports together: what the overview says of them."""

from __future__ import annotations

from support.ports import PAGES, REQUESTS, SAMPLES, rows

from dispatch.discovery import BUILT_IN

PLATFORMS = [name for name in BUILT_IN if (SAMPLES / name).is_dir() and (PAGES / f"{name}.md").is_file()]


def test_there_are_thirty_requests() -> None:
    """As the pages say."""
    assert 30 == len(REQUESTS)


def test_table_at_a_glance() -> None:
    """The overview has every request and every platform, and leads to the row of each difference."""
    table = [line.strip("|").split("|") for line in (PAGES / "README.md").read_text().splitlines() if line[:3] == "| `"]
    shown = {line[0].strip(" `"): [cell.strip() for cell in line[1:]] for line in table}
    by_platform = {platform: rows(platform) for platform in PLATFORMS}
    expected = {
        request: [
            ", ".join(f"[≠]({platform}.md#{row})" for row, names in by_platform[platform].items() if request in names)
            or "="
            for platform in PLATFORMS
        ]
        for request in REQUESTS
    }
    assert expected == {request: cells for request, cells in shown.items() if request in REQUESTS}


def test_every_port_has_a_page() -> None:
    """The overview links to each."""
    overview = (PAGES / "README.md").read_text()
    ports = [name for name, module in BUILT_IN.items() if ".ports." in module]
    assert [] == [name for name in ports if f"`{name}`" not in overview]
    assert [] == [
        page.name for page in PAGES.glob("*.md") if page.stem != "README" and f"({page.name})" not in overview
    ]
