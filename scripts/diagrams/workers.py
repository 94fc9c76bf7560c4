"""The diagram of workers that load a function each, and of workers that share what one process has loaded."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.drawing import MARGIN, WIDTH, Canvas, Picture
from diagrams.timelines import Medians

#: The number of workers in the picture, and in the figures.
DRAWN, MEASURED = 4, 16


def fork(medians: Medians) -> Picture:
    """The picture of `HANDLER_PRELOAD`."""
    each, shared = (
        tuple(medians[f"preload-{MEASURED}", f"{name}-{MEASURED}", figure] for figure in ("all polls", "PSS"))
        for name in ("dispatch-boto3", "dispatch-preload")
    )
    description = (
        f"Without HANDLER_PRELOAD each worker loads the function: {MEASURED} workers that import boto3 poll after "
        f"{_said(each)}. With HANDLER_PRELOAD=1 the supervisor loads it once and forks workers that share this memory: "
        f"{_said(shared)}."
    )
    return Picture("fork", "Workers that share what was loaded", description, _drawn(_said(each), _said(shared)))


def _said(figures: tuple[float, ...]) -> str:
    time, memory = figures
    return f"{time:,.0f} ms and take {memory:.0f} MiB"


def _drawn(each: str, shared: str) -> Callable[[Canvas], None]:
    full = WIDTH - 2 * MARGIN
    gap = 12
    wide = (full - gap * (DRAWN - 1)) / DRAWN
    columns = [MARGIN + number * (wide + gap) for number in range(DRAWN)]
    measured = f"{MEASURED} workers that import boto3 poll after"

    def draw(canvas: Canvas) -> None:
        canvas.text(MARGIN, 28, "HANDLER_WORKERS=4", bold=True, mono=True)
        canvas.box(MARGIN, 48, full, 36, "Supervisor")
        for x in columns:
            canvas.arrow((x + wide / 2, 84), (x + wide / 2, 116))
            canvas.box(x, 116, wide, 36, "Worker")
            canvas.box(x, 152, wide, 62, "", "loads your", "function", kind="yours")
        canvas.text(MARGIN, 236, measured, muted=True)
        canvas.text(MARGIN, 256, f"{each}.", muted=True)

        canvas.line((MARGIN, 282), (WIDTH - MARGIN, 282), dashed=True)
        canvas.text(MARGIN, 308, "HANDLER_WORKERS=4 HANDLER_PRELOAD=1", bold=True, mono=True)
        canvas.box(MARGIN, 328, full, 36, "Supervisor")
        canvas.box(MARGIN, 364, full, 46, "", "loads your function once: memory that all share", kind="yours")
        for x in columns:
            canvas.arrow((x + wide / 2, 410), (x + wide / 2, 452))
            canvas.box(x, 452, wide, 36, "Worker")
            canvas.box(x, 488, wide, 42, "", "its own data", kind="plain")
        canvas.text(columns[0] + wide / 2 + 10, 431, "fork", muted=True)
        canvas.text(MARGIN, 552, measured, muted=True)
        canvas.text(MARGIN, 572, f"{shared}.", muted=True)

    return draw
