"""Diagrams of time: a cold start by the recorded figures, and an answer that is buffered or streamed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmarks.drawing import MARGIN, TEXT, WIDTH, Canvas, Kind, Picture

#: The recorded medians, by scenario, subject and figure.
Medians = Mapping[tuple[str, str, str], float]

#: The bars of a cold start, and what they are called.
STARTS: tuple[tuple[str, str, Kind], ...] = (
    ("dispatch-standard", "Dispatch, convention standard", "ours"),
    ("dispatch-lambda", "Dispatch, convention lambda", "ours"),
    ("awslambdaric", "awslambdaric", "theirs"),
    ("awslambdaric-aws", "awslambdaric, as AWS starts it", "theirs"),
)
#: What each does between Python's start and its first poll, in this order.
PHASES: tuple[tuple[str, Kind, tuple[tuple[str, ...], ...]], ...] = (
    (
        "Dispatch",
        "ours",
        (
            ("reads its settings",),
            ("reads the names of", "installed plugins"),
            ("imports one", "convention"),
            ("imports your module",),
            ("sends the first poll",),
            ("imports its HTTP", "parser meanwhile"),
        ),
    ),
    (
        "awslambdaric",
        "theirs",
        (
            ("imports json, logging,", "traceback"),
            ("imports simplejson",),
            ("loads its HTTP client,", "which is in C++"),
            ("imports your module",),
            ("sends the first poll",),
        ),
    ),
)


def cold_start(medians: Medians) -> Picture:
    """The picture of a cold start."""
    first = {name: medians["cold", name, "first poll"] for name in ("interpreter", *(one for one, *_ in STARTS))}
    told = ", ".join(f"{label} {first[name]:.1f} ms" for name, label, _ in STARTS)
    description = (
        f"Bars from process start to the first poll: {told}. A bare Python takes {first['interpreter']:.1f} ms of "
        "each. Below, what each does on the way."
    )
    return Picture("cold-start", "From process start to the first poll", description, _start(first))


def _start(first: Mapping[str, float]) -> Callable[[Canvas], None]:
    python, longest = first["interpreter"], max(first.values())
    scale = (WIDTH - 2 * MARGIN - 70) / longest

    def draw(canvas: Canvas) -> None:
        canvas.text(MARGIN, 28, "From process start to the first poll", bold=True)
        y = 58.0
        for name, label, kind in STARTS:
            canvas.text(MARGIN, y, label)
            canvas.bar(MARGIN, y + 13, python * scale, 20, "plain")
            canvas.bar(MARGIN + python * scale, y + 13, (first[name] - python) * scale, 20, kind)
            canvas.text(MARGIN + first[name] * scale + 8, y + 23, f"{first[name]:.1f} ms")
            y += 56
        canvas.bar(MARGIN, y - 8, 14, 14, "plain")
        canvas.text(MARGIN + 22, y - 1, f"Python itself, {python:.1f} ms", muted=True)
        canvas.bar(MARGIN + 192, y - 8, 14, 14, "ours")
        canvas.bar(MARGIN + 210, y - 8, 14, 14, "theirs")
        canvas.text(MARGIN + 232, y - 1, "the runtime, a small function", muted=True)
        _phases(canvas, y + 40)

    return draw


def _phases(canvas: Canvas, top: float) -> None:
    for (title, kind, phases), x in zip(PHASES, (MARGIN, WIDTH / 2 + 10), strict=True):
        wide = WIDTH / 2 - MARGIN - 10
        canvas.text(x + wide / 2, top, title, bold=True, anchor="middle")
        y = top + 22
        for number, words in enumerate(phases):
            poll = words[0].startswith("sends")
            high = 16 + 20 * len(words)
            if number:
                canvas.arrow((x + wide / 2, y - 20), (x + wide / 2, y))
            canvas.box(x, y, wide, high, "", *words, kind="outside" if poll else kind)
            y += high + 20


def streaming(canvas: Canvas) -> None:
    """The same answer in three parts, buffered and streamed."""
    zero, part = 104, 88
    arrival = 74
    y = 28.0
    for title, note, when in (
        ("Buffered", "the caller waits for the whole answer", (3, 3, 3)),
        ("Streamed", "each part leaves as soon as it is ready", (1, 2, 3)),
    ):
        canvas.text(MARGIN, y, title, bold=True)
        canvas.text(zero, y, note, muted=True)
        canvas.text(MARGIN, y + 40, "handler")
        canvas.text(MARGIN, y + 114, "caller")
        for number in range(3):
            canvas.box(zero + number * part, y + 24, part, 32, "", f"part {number + 1}", kind="yours")
        first = zero + when[0] * part
        canvas.box(zero, y + 98, first - zero, 32, "", "waits", kind="plain")
        if len(set(when)) == 1:
            canvas.arrow((first, y + 56), (first, y + 98))
            canvas.box(first, y + 98, arrival + 12, 32, "", "1, 2, 3", kind="ours")
        else:
            for number, at in enumerate(when):
                x = zero + at * part
                canvas.arrow((x, y + 56), (x, y + 98))
                canvas.box(x, y + 98, arrival + 12, 32, "", f"part {number + 1}", kind="ours")
        canvas.text(first - 8, y + 77, "first byte", anchor="end", muted=True)
        y += 168
    canvas.axis((zero, y - 8), (WIDTH - MARGIN, y - 8))
    canvas.text(MARGIN, y - 8, "time", muted=True)
    canvas.height += TEXT / 2


STREAMING = Picture(
    "streaming",
    "Buffered and streamed answers in time",
    "A handler makes an answer in three parts. Buffered, the caller waits until all three are ready and gets them at "
    "once; streamed, it gets each part as soon as it is ready, so its first byte comes after the first part.",
    streaming,
)
