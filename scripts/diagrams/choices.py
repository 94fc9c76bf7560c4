"""The decision tree that leads from what somebody has to the name of a convention."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.drawing import MARGIN, TEXT, Canvas, Kind, Picture, lines

#: What somebody may have: a group, and in it what it is exactly, with the convention's name.
TREE: Sequence[tuple[str, Sequence[tuple[str, str]]]] = (
    (
        "A line or a script of Python",
        (
            ("one line, without a file", "expression"),
            ("a script that prints its answer", "script"),
        ),
    ),
    (
        "A Python function that receives",
        (
            ("text", "standard"),
            ("parsed JSON", "json"),
            ("AWS's event and context", "lambda"),
            ("a file to read and one to write", "stream"),
            ("each record of a queue", "records"),
            ("a CloudEvent", "cloudevent"),
        ),
    ),
    (
        "Another language",
        (
            ("a program, run for each event", "process"),
            ("a program that keeps running", "coprocess"),
            ("a function in a shell file", "shell"),
        ),
    ),
    (
        "A web application",
        (
            ("FastAPI, Starlette: ASGI", "asgi"),
            ("Flask, Django: WSGI", "wsgi"),
        ),
    ),
    (
        "A function from another platform",
        (("Azure, Cloud Run functions, Knative, OpenFaaS, Vercel, …", "a port"),),
    ),
)

DESCRIPTION = "; ".join(f"{group}: " + ", ".join(f"{what}: {name}" for what, name in rows) for group, rows in TREE)


def which_convention(canvas: Canvas) -> None:
    """A tree whose leaves are the names of conventions."""
    trunk, branch, leaf, names, wide = MARGIN + 14, MARGIN + 42, MARGIN + 64, 346, 118
    canvas.box(MARGIN, 16, 190, 38, "What do you have?", kind="outside")
    canvas.text(names + wide / 2, 35, "convention", anchor="middle", muted=True)
    y, last = 84.0, 0.0
    for group, rows in TREE:
        last = y
        canvas.line((trunk, y), (trunk + 14, y))
        canvas.text(trunk + 20, y, group, bold=True)
        start, y = y + 12, y + 36
        end = y
        for what, name in rows:
            words = lines(what, names - leaf - 34)
            y += (len(words) - 1) * TEXT * 0.7
            canvas.line((branch, y), (branch + 16, y))
            for number, line in enumerate(words):
                canvas.text(leaf, y + (number - (len(words) - 1) / 2) * TEXT * 1.4, line)
            canvas.arrow((names - 26, y), (names, y))
            kind: Kind = "yours" if name == "a port" else "ours"
            canvas.box(names, y - 14, wide, 28, "", name, kind=kind, mono=True)
            end = y
            y += 36 + (len(words) - 1) * TEXT * 0.7
        canvas.line((branch, start), (branch, end))
        y += 8
    canvas.line((trunk, 54), (trunk, last))


PICTURES = (Picture("which-convention", "Which convention?", f"{DESCRIPTION}.", which_convention),)
