"""Draws a report as one SVG of horizontal bars, readable on light and dark pages and without its own fonts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from benchmarks.rounds import Series

WIDTH, LABELS, VALUES = 760, 190, 120
BAR, GAP, PANEL_HEAD, MARGIN = 18, 6, 34, 16
#: The base colours have contrast on both white and dark pages, for viewers that ignore the media query.
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #57606a; }
  .title { font-weight: 600; fill: #24292f; }
  .value { font-variant-numeric: tabular-nums; }
  .ours { fill: #2da44e; } .theirs { fill: #8c959f; } .floor { fill: #6cb6ff; }
  .spread { stroke: #57606a; stroke-width: 1.5; }
  @media (prefers-color-scheme: dark) {
    text { fill: #9198a1; } .title { fill: #e6edf3; } .spread { stroke: #e6edf3; }
  }
"""


@dataclass(frozen=True)
class Panel:
    """One figure of one scenario."""

    title: str
    scenario: str
    figure: str


PANELS = (
    Panel("Time per invocation, 45-byte event, two processors", "small", "time"),
    Panel("Time per invocation, 45-byte event, one processor", "small-one-cpu", "time"),
    Panel("Processor time per invocation, 45-byte event", "small", "CPU"),
    Panel("Time per invocation, 120 KB of JSON in and out", "json", "time"),
    Panel("Time per invocation, 120 KB of SQS with JSON bodies", "sqs", "time"),
    Panel("Process start to the first poll", "cold", "first poll"),
    Panel("16 workers that import boto3: until all poll", "preload-16", "all polls"),
    Panel("16 workers that import boto3: memory, shared pages in proportion", "preload-16", "PSS"),
    Panel("Local platform: one caller, from request to answer", "platform", "time"),
    Panel("Resident memory after 5,000 invocations", "small", "memory"),
)


def drawing(series: Sequence[Series], caption: str) -> str:
    """The SVG: a panel for each measured figure, with its own scale; a whisker joins the quartiles."""
    body: list[str] = []
    top = MARGIN
    for panel in PANELS:
        bars = [one for one in series if (one.scenario, one.figure) == (panel.scenario, panel.figure)]
        if bars:
            body += _panel(panel.title, bars, top)
            top += PANEL_HEAD + len(bars) * (BAR + GAP) + MARGIN
    body.append(_text(MARGIN, top + BAR, caption))
    height = top + BAR + MARGIN
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
    return "\n".join([head, f"<title>{escape(caption)}</title>", f"<style>{STYLE}</style>", *body, "</svg>", ""])


def _panel(title: str, bars: Sequence[Series], top: int) -> Iterator[str]:
    yield _text(MARGIN, top + BAR, f"{title}, {bars[0].unit}", "title")
    widest = max(one.quartiles[1] for one in bars)
    scale = (WIDTH - LABELS - VALUES - MARGIN) / widest
    for number, one in enumerate(bars):
        y = top + PANEL_HEAD + number * (BAR + GAP)
        middle, end = y + BAR // 2, LABELS + one.median * scale
        low, high = (LABELS + quartile * scale for quartile in one.quartiles)
        yield _text(MARGIN, y + BAR - 5, one.subject)
        place = f'x="{LABELS}" y="{y}" width="{end - LABELS:.1f}" height="{BAR}" rx="2"'
        yield f'<rect class="{_kind(one.subject)}" {place}/>'
        yield f'<line class="spread" x1="{low:.1f}" y1="{middle}" x2="{high:.1f}" y2="{middle}"/>'
        yield _text(round(max(end, high)) + 8, y + BAR - 5, f"{one.median:,.1f}", "value")


def _kind(subject: str) -> str:
    return {"dispatch": "ours", "awslambdaric": "theirs"}.get(subject.partition("-")[0], "floor")


def _text(x: int, y: int, text: str, kind: str = "") -> str:
    attribute = f' class="{kind}"' if kind else ""
    return f'<text x="{x}" y="{y}"{attribute}>{escape(text)}</text>'
