"""Draws a report as horizontal bars, in a light and a dark scheme: what a reader wants to compare, not every row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.drawing import MARGIN, WIDTH, Canvas, Kind, Picture
from benchmarks.report import UNSTEADY
from benchmarks.rounds import Series

#: Where bars begin, and the room for the values after the longest one.
LABELS, VALUES = 172, 100
BAR, ROW, PANEL_HEAD, PANEL_GAP = 16, 24, 22, 18

#: The words for the subjects in these panels; each panel shows them in this order.
SUBJECTS: Mapping[str, tuple[str, Kind]] = {
    "interpreter": ("Python itself", "floor"),
    "c-awake": ("client in C", "floor"),
    "awslambdaric": ("awslambdaric", "theirs"),
    "awslambdaric-aws": ("as AWS starts it", "theirs"),
    "awslambdaric-boto3-16": ("awslambdaric", "theirs"),
    "rie": ("AWS's emulator", "theirs"),
    "dispatch-lambda": ("Dispatch, lambda", "ours"),
    "dispatch-lambda-fast": ("lambda, extra fast", "ours"),
    "dispatch-json": ("Dispatch, json", "ours"),
    "dispatch-standard": ("Dispatch, standard", "ours"),
    "dispatch-lambda-plugin": ("lambda, one plugin", "ours"),
    "dispatch-boto3-16": ("Dispatch", "ours"),
    "dispatch-preload-16": ("HANDLER_PRELOAD", "ours"),
    "dispatch-serve": ("dispatch serve", "ours"),
}


#: Subjects whose figures say nothing more where JSON takes nearly all of the time; `standard` does not parse it.
NOT_ALIKE = ("awslambdaric-aws", "dispatch-standard")
READING = "A thin line joins the quartiles; × is the ratio to awslambdaric, or to the emulator."


@dataclass(frozen=True)
class Panel:
    """One figure of one scenario, for all of SUBJECTS but some; `baseline` is what the others are compared with."""

    title: str
    scenario: str
    figure: str
    baseline: str = "awslambdaric"
    without: tuple[str, ...] = ()


PANELS = (
    Panel("Time per invocation, 45-byte event", "small", "time"),
    Panel("The same on one processor", "small-one-cpu", "time"),
    Panel("Processor time per invocation", "small", "CPU"),
    Panel("120 KB of JSON in and out", "json", "time", without=NOT_ALIKE),
    Panel("120 KB SQS event with JSON bodies", "sqs", "time", without=NOT_ALIKE),
    Panel("Process start to the first poll", "cold", "first poll"),
    Panel("16 workers with boto3: until all poll", "preload-16", "all polls", "awslambdaric-boto3-16"),
    Panel("16 workers with boto3: memory", "preload-16", "PSS", "awslambdaric-boto3-16"),
    Panel("Local platform, one caller", "platform", "time", "rie"),
    Panel("Memory after 5,000 invocations", "small", "memory"),
)


def speed(series: Sequence[Series], caption: str, name: str = "speed") -> Picture:
    """The picture: a panel for each measured figure, with its own scale; a whisker joins the quartiles."""
    shown = [(panel, bars) for panel in PANELS if (bars := _bars(panel, series))]
    told = ". ".join(
        f"{panel.title}: " + ", ".join(f"{SUBJECTS[one.subject][0]} {one.median:,.1f} {one.unit}" for one in bars)
        for panel, bars in shown
    )

    def draw(canvas: Canvas) -> None:
        y = 28.0
        for panel, bars in shown:
            y = _panel(canvas, panel, bars, y) + PANEL_GAP
        canvas.paragraph(MARGIN, y, f"{caption}. {READING}", WIDTH - 2 * MARGIN, muted=True)

    return Picture(name, "Dispatch beside awslambdaric", f"{told}.", draw)


def _bars(panel: Panel, series: Sequence[Series]) -> list[Series]:
    found = {one.subject: one for one in series if (one.scenario, one.figure) == (panel.scenario, panel.figure)}
    return [found[subject] for subject in SUBJECTS if subject in found and subject not in panel.without]


def _panel(canvas: Canvas, panel: Panel, bars: Sequence[Series], y: float) -> float:
    """Draw a panel; returns where the next one may begin."""
    canvas.text(MARGIN, y, f"{panel.title}, {bars[0].unit}", bold=True)
    y += PANEL_HEAD
    baseline = next((one for one in bars if one.subject == panel.baseline), None)
    scale = (WIDTH - LABELS - VALUES - MARGIN) / max(one.quartiles[1] for one in bars)
    for one in bars:
        label, kind = SUBJECTS[one.subject]
        low, high = (LABELS + quartile * scale for quartile in one.quartiles)
        end = LABELS + one.median * scale
        canvas.text(MARGIN, y, label, muted=kind != "ours")
        canvas.bar(LABELS, y - BAR / 2, end - LABELS, BAR, kind)
        canvas.line((low, y), (high, y))
        canvas.text(max(end, high) + 8, y, _value(one, baseline))
        y += ROW
    return y


def _value(one: Series, baseline: Series | None) -> str:
    """The median, and its ratio to the baseline where both are steady."""
    number = f"{one.median:,.0f}" if one.median >= 1000 else f"{one.median:.1f}"
    if baseline is None or baseline is one or max(one.spread, baseline.spread) > UNSTEADY:
        return number
    return f"{number}  ×{one.ratio(baseline):.2f}"
