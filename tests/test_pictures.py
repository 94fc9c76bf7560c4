"""The pictures of the documentation: made by commands, readable in both colour schemes, and described on each page.

`python scripts/pictures.py` makes them; it is asked here what they have to be.
"""

from __future__ import annotations

import json
import re
import runpy
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from support.page import chromium, needs_chromium

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "scripts"))

from benchmarks.__main__ import main as benchmarks  # noqa: E402 - after the path
from benchmarks.drawing import SCHEMES, WIDTH, Canvas, DoesNotFit, Picture  # noqa: E402
from benchmarks.report import ABOUT, BUDGETS  # noqa: E402
from benchmarks.scenarios import SCENARIOS  # noqa: E402

IMAGES = ROOT / "docs" / "images"
MADE: dict[Path, str] = runpy.run_path(str(ROOT / "scripts" / "pictures.py"))["pictures"]()
DIAGRAMS = sorted(path.stem for path in MADE if path.stem.endswith(("-light", "-dark")))
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
EXPLANATIONS = ROOT / "docs" / "explanations"
#: The subjects of the benchmarks that the README compares.
SIDES = ("dispatch-lambda", "awslambdaric")
SERVED = ("dispatch-plain", "functions-framework")
SVG = "{http://www.w3.org/2000/svg}"

#: What a page may show a picture with: Markdown, HTML, or one that depends on the reader's colour scheme.
SHOWN = re.compile(
    r"<picture>(?P<both>.*?)</picture>|!\[(?P<words>[^\]]*)\]\((?P<file>[^)]*)\)|(?P<lone><img[^>]*>)", re.DOTALL
)
IN_BOTH = re.compile(
    r'\s*<source media="\(prefers-color-scheme: dark\)" srcset="(?P<dark>[^"]+)">'
    r'\s*<img src="(?P<light>[^"]+)" alt="(?P<alt>[^"]+)"[^>]*>\s*'
)

#: Texts that leave the picture or the box they are in, pairs of texts that overlap, and arrows that end nowhere.
PROBLEMS = """
() => {
  const edges = (one) => one.getBBox(), found = [];
  const paper = edges(document.querySelector(".paper"));
  const outside = (inner, outer, by) => inner.x < outer.x + by || inner.y < outer.y + by
    || inner.x + inner.width > outer.x + outer.width - by || inner.y + inner.height > outer.y + outer.height - by;
  const texts = [...document.querySelectorAll("text")];
  for (const text of texts) {
    const place = text.parentElement.querySelector(":scope > rect, :scope > circle");
    if (outside(edges(text), paper, 4)) found.push(`beyond the picture: ${text.textContent}`);
    if (text.parentElement.matches(".box") && outside(edges(text), edges(place), 1))
      found.push(`beyond its box: ${text.textContent}`);
  }
  const apart = (one, other) => one.x + one.width <= other.x || other.x + other.width <= one.x
    || one.y + one.height * 0.8 <= other.y + other.height * 0.2 || other.y + other.height * 0.8 <= one.y + one.height * 0.2;
  texts.forEach((one, number) => {
    for (const other of texts.slice(number + 1))
      if (!apart(edges(one), edges(other))) found.push(`overlap: ${one.textContent} / ${other.textContent}`);
    for (const path of document.querySelectorAll("path")) {
      const length = path.getTotalLength(), box = edges(one);
      for (let at = 0; at <= length; at += 2) {
        const { x, y } = path.getPointAtLength(at);
        if (x > box.x && x < box.x + box.width && y > box.y + 3 && y < box.y + box.height - 3) {
          found.push(`a line runs through: ${one.textContent}`);
          break;
        }
      }
    }
  });
  const boxes = [...document.querySelectorAll(".box > rect")].map(edges);
  for (const head of document.querySelectorAll(".arrow polygon")) {
    const { x, y } = head.points[0];
    const meets = boxes.some((box) => x >= box.x - 1 && x <= box.x + box.width + 1 && y >= box.y - 1
      && y <= box.y + box.height + 1 && (Math.min(Math.abs(x - box.x), Math.abs(x - box.x - box.width)) <= 1
        || Math.min(Math.abs(y - box.y), Math.abs(y - box.y - box.height)) <= 1));
    if (boxes.length && !meets) found.push(`an arrow ends at ${x}, ${y}`);
  }
  return found;
}
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser."""
    with chromium() as one:
        yield one


def problems(browser: Any, svg: str) -> list[str]:
    """What is wrong with a drawing, measured by the browser."""
    page = browser.new_page()
    page.set_content(svg)
    found: list[str] = page.evaluate(PROBLEMS)
    page.close()
    return found


def test_files_are_what_the_command_makes() -> None:
    """No picture was changed by hand, or is older than the figures in it: run `python scripts/pictures.py`."""
    assert [] == [path.name for path, text in MADE.items() if not path.exists() or path.read_text() != text]


def test_no_other_drawings() -> None:
    """Every SVG is made by the command, and every picture has both schemes."""
    assert {path.name for path in MADE} == {path.name for path in IMAGES.glob("*.svg")}
    both = {path.name for path in IMAGES.iterdir()} - {"logo.svg", "favicon.svg"}
    assert {re.sub(r"-(light|dark)\.", "-dark.", name) for name in both} == {name for name in both if "-dark." in name}
    assert {re.sub(r"-(light|dark)\.", "-light.", name) for name in both} == {
        name for name in both if "-light." in name
    }


@needs_chromium
@pytest.mark.parametrize("name", DIAGRAMS)
def test_nothing_overlaps_or_is_cut(browser: Any, name: str) -> None:
    """Texts are inside their boxes and the picture, and touch neither each other nor a line; arrows end at a box."""
    assert [] == problems(browser, MADE[IMAGES / f"{name}.svg"])


@needs_chromium
def test_problems_are_seen(browser: Any) -> None:
    """The test above can fail."""

    def draw(canvas: Canvas) -> None:
        canvas.box(20, 20, 100, 40, "in the box")
        canvas.text(100, 40, "on its border")
        canvas.line((20, 90), (200, 90))
        canvas.text(40, 90, "on a line")
        canvas.arrow((60, 120), (60, 70))

    found = problems(
        browser, Picture("wrong", "Wrong", "All wrong", draw).svg(SCHEMES[0]).replace("in the b", "in the little b")
    )
    assert ["an arrow ends", "a line runs", "beyond its box", "overlap"] == sorted(
        {re.match("an arrow ends|a line runs|beyond its box|overlap", one)[0] for one in found},  # type: ignore[index]
        key=["an arrow ends", "a line runs", "beyond its box", "overlap"].index,
    )


@pytest.mark.parametrize("place", [(0, 40), (400, 40)])
def test_text_that_does_not_fit_is_refused(place: tuple[float, float]) -> None:
    """Before anybody looks at the picture: at its margins, and in a box."""
    with pytest.raises(DoesNotFit, match="'rather a long text' goes from"):
        Canvas(SCHEMES[0]).text(*place, "rather a long text")
    with pytest.raises(DoesNotFit, match="wider or higher than its box of 60 × 40"):
        Canvas(SCHEMES[0]).box(100, 10, 60, 40, "rather a long text")


@pytest.mark.parametrize("name", DIAGRAMS)
def test_described_and_readable(name: str) -> None:
    """Each has a title and a description, system fonts of at least 13 units, and is at most 480 units wide."""
    root = ET.fromstring(MADE[IMAGES / f"{name}.svg"])
    assert ("img", str(WIDTH)) == (root.get("role"), root.get("width"))
    assert all(len(root.findtext(f"{SVG}{kind}") or "") > 10 for kind in ("title", "desc"))
    assert "font-face" not in MADE[IMAGES / f"{name}.svg"]
    assert min(float(text.get("font-size", 0)) for text in root.iter(f"{SVG}text")) >= 13


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.name)
def test_contrast(scheme: Any) -> None:
    """Text has a contrast of at least 4.5 : 1 on everything it is on, lines and bars one of 3 : 1 on the background."""
    grounds = [scheme.paper, *(fill for fill, _ in scheme.boxes.values())]
    low = [(text, on) for text, on in product((scheme.ink, scheme.muted), grounds) if contrast(text, on) < 4.5]
    shapes = [scheme.line, *(border for _, border in scheme.boxes.values())]
    shapes += [colour for kind, colour in scheme.bars.items() if kind != "plain"]
    assert [] == low
    assert [] == [colour for colour in shapes if contrast(colour, scheme.paper) < 3]


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, as WCAG 2 defines it."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_that_of_the_standard() -> None:
    """Black on white is 21 : 1, and a colour on itself 1 : 1."""
    assert pytest.approx(21) == contrast("#000000", "#ffffff")
    assert 1 == contrast("#3f73d8", "#3f73d8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pictures_of_a_page(page: Path) -> None:
    """Each exists, in both schemes, and has words for those who do not see it."""
    assert [] == [*complaints(page.read_text(), page.parent)]


def complaints(text: str, folder: Path) -> Iterator[str]:
    """What is wrong with the pictures of a page. Badges, which are elsewhere, need only words."""
    for shown in SHOWN.finditer(re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)):
        if (shown["file"] or "").startswith("https://"):
            if not shown["words"]:
                yield f"no words: {shown[0]}"
        elif not (both := IN_BOTH.fullmatch(shown["both"] or "")):
            yield f"not in both schemes: {shown[0]}"
        else:
            if both["light"].replace("-light.", "-dark.") != both["dark"]:
                yield f"two pictures: {both['light']}, {both['dark']}"
            if len(both["alt"]) <= 20:
                yield f"too few words: {both['alt']}"
            yield from (f"missing: {name}" for name in both.group("light", "dark") if not (folder / name).is_file())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("![A picture of something](a-light.svg)", "not in both"),
        ('<img src="a-light.svg" alt="A picture of something else">', "not in both"),
        ('<picture>{}<img src="b-light.svg" alt="A picture of something else"></picture>', "two pictures"),
        ('<picture>{}<img src="a-light.svg" alt="A picture"></picture>', "too few words"),
        ('<picture>{}<img src="a-light.svg" alt="A picture of something else"></picture>', "missing: a-light.svg"),
        ("![](https://example.com/badge.svg)", "no words"),
    ],
)
def test_complaints_are_seen(text: str, told: str, tmp_path: Path) -> None:
    """The test above can fail."""
    source = '<source media="(prefers-color-scheme: dark)" srcset="a-dark.svg">'
    assert any(one.startswith(told) for one in complaints(text.format(source), tmp_path))


def test_pages_have_the_recorded_figures(tmp_path: Path) -> None:
    """The tables are those of speed.json, and every scenario is on exactly one page."""
    pages = {path: path.read_text() for path in sorted(EXPLANATIONS.rglob("*.md"))}
    names = [
        name
        for text in pages.values()
        for mark in re.findall(r"<!-- figures: (.+?) -->", text)
        for name in mark.split()
    ]
    assert sorted([ABOUT, BUDGETS, *SCENARIOS]) == sorted(names)
    for path, text in pages.items():
        copy = tmp_path / path.relative_to(EXPLANATIONS)
        copy.parent.mkdir(exist_ok=True)
        copy.write_text(text)
    assert 0 == benchmarks(["--read", str(EXPLANATIONS / "speed.json"), "--page", str(tmp_path)])
    assert pages == {path: (tmp_path / path.relative_to(EXPLANATIONS)).read_text() for path in pages}


def test_figures_of_the_readme() -> None:
    """What the README says of speed is what was recorded."""
    record = json.loads((EXPLANATIONS / "speed.json").read_text())["figures"]
    medians = {
        (one["scenario"], one["subject"]): median(one["values"])
        for one in record
        if one["figure"] in {"time", "first poll"}
    }
    small, start, large = ([medians[name, one] for one in SIDES] for name in ("small", "cold", "json"))
    web = (EXPLANATIONS / "speed" / "web.md").read_text()
    requests = [re.findall(rf"^\| {name} +\| +([\d,]+)", web, re.MULTILINE)[0] for name in SERVED]
    text = " ".join((ROOT / "README.md").read_text().split())

    assert "an invocation takes {:.0f} µs instead of {:.0f} µs".format(*small) in text
    assert "a start {:.0f} ms instead of {:.0f} ms".format(*start) in text
    assert "120 KB of JSON {:.2f} ms instead of {:.2f} ms".format(*(one / 1000 for one in large)) in text
    plain, framework = (f"{round(int(one.replace(',', '')), -2):,}" for one in requests)
    assert f"answers {plain} requests a second; Google's functions-framework answers {framework}" in text
