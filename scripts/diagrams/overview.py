"""Diagrams of the whole: the parts of a process, the ways to a handler, and the way of an event."""

from __future__ import annotations

from benchmarks.drawing import MARGIN, TEXT, WIDTH, Canvas, Kind, Picture


def architecture(canvas: Canvas) -> None:
    """The parts of one process, from the platform down to the user's code."""
    left, wide, high = 36, 244, 50
    boxes: tuple[tuple[str, str, Kind], ...] = (
        ("A platform", "AWS Lambda, runtime/local", "outside"),
        ("Transport", "bytes on a connection", "ours"),
        ("RuntimeClient", "the Runtime API's operations", "ours"),
        ("Environment", "the loop", "ours"),
        ("Handler", "made by a convention", "ours"),
        ("plain()", "settles what is async", "ours"),
        ("Your code", "a function, a script, …", "yours"),
    )
    down, up = left + 80, wide - 8
    top = MARGIN
    places: list[float] = []
    for number, (title, note, kind) in enumerate(boxes):
        gap = {0: 0, 1: 58}.get(number, 34)
        if number:
            canvas.arrow((down, top), (down, top + gap))
            canvas.arrow((up, top + gap), (up, top))
        top += gap
        canvas.box(left, top, wide, high, title, note, kind=kind)
        places.append(top)
        top += high
    canvas.text(down - 8, places[1] - 42, "event", anchor="end", muted=True)
    canvas.text(up + 8, places[1] - 42, "answer, or a part of it", muted=True)
    canvas.frame(MARGIN, places[1] - 20, WIDTH - 2 * MARGIN, top + 44 - places[1] + 20)
    canvas.text(WIDTH / 2, top + 24, "one process: an execution environment", anchor="middle", muted=True)
    side, narrow = 318, 130
    for place, title, note in ((places[3], "Hooks", "plugins observe"), (places[6], "locate()", "finds your code")):
        canvas.box(side, place, narrow, high, title, note)
    canvas.arrow((left + wide, places[3] + high / 2), (side, places[3] + high / 2))
    canvas.arrow((side, places[6] + high / 2), (left + wide, places[6] + high / 2))


def engines(canvas: Canvas) -> None:
    """The three ways to a handler."""
    wide, step = 140, 154
    columns = (
        (("AWS Lambda", "API, URLs,", "event sources"), "polls", ("The runtime", "python -P", "-m runtime")),
        (("HTTP", "Knative, Cloud", "Run, Kubernetes"), "sends", ("ASGI server", "uvicorn", "runtime.asgi:app")),
        (("Queues", "SQS, NATS,", "schedules"), "polls", ("The poller", "dispatch", "serve")),
    )
    canvas.text(WIDTH / 2, 26, "Events come from one of these:", anchor="middle", muted=True)
    for number, (source, verb, process) in enumerate(columns):
        x, middle = MARGIN + number * step, MARGIN + number * step + wide / 2
        canvas.box(x, 44, wide, 72, *source, kind="outside")
        ends = ((middle, 162.0), (middle, 116.0))
        canvas.arrow(*(ends if verb == "polls" else ends[::-1]))
        canvas.text(middle + 10, 139, verb, muted=True)
        canvas.box(x, 162, wide, 72, *process, mono=True)
        canvas.arrow((middle, 234), (middle, 280))
        canvas.text(middle + 10, 257, "calls", muted=True)
    notes = ("HANDLER=app.handler", "HANDLER_CONVENTION=json")
    canvas.box(
        MARGIN, 280, WIDTH - 2 * MARGIN, 78, "Your handler, the same file everywhere", *notes, kind="yours", mono=True
    )


#: The steps of an event, as the picture numbers them.
STEPS = (
    "A caller invokes the function, or a queue or a schedule has an event for it.",
    "AWS Lambda or the local platform offers the event at its Runtime API.",
    "The runtime polls: the event comes as bytes, with headers. An ASGI server hands over each request itself.",
    "The loop makes an Invocation; plugins' hooks may observe it.",
    "The convention decodes the event and calls your handler.",
    "Your handler returns an answer, or yields it part by part.",
    "The convention encodes the answer as bytes.",
    "The answer goes back to the caller. Usually the next poll travels with it.",
)


def event(canvas: Canvas) -> None:
    """The way of an event, there and back, in eight steps."""
    full, wide, step = WIDTH - 2 * MARGIN, 140, 154
    caller, platform, api, loop, convention, handler = 16, 108, 214, 306, 404, 502
    canvas.box(MARGIN, caller, full, 40, "A caller, a queue or a schedule", kind="outside")
    for number, title in enumerate(("AWS Lambda", "Local platform", "ASGI server")):
        x = MARGIN + number * step
        canvas.box(x, platform, wide, 40, title, kind="outside")
        for upper, lower in ((caller + 40, platform), (platform + 40, api if number < 2 else loop)):
            _there_and_back(canvas, x + 48, x + 98, upper, lower)
    canvas.text(MARGIN + 2 * step + 40, 82, "HTTP", anchor="end", muted=True)
    canvas.box(MARGIN, api, wide + step, 40, "Runtime API", kind="outside")
    canvas.box(MARGIN, loop, full, 50, "The loop", "one event after another")
    canvas.box(MARGIN, convention, full, 50, "The convention", "json, lambda, script, …")
    canvas.box(MARGIN, handler, full, 50, "Your handler", "a function, a script, …", kind="yours")
    there, back = MARGIN + 48, MARGIN + step + 98
    gaps = ((caller + 40, platform), (platform + 40, api), (api + 40, loop), (loop + 50, convention), (454, handler))
    for upper, lower in gaps[2:]:
        _there_and_back(canvas, there, back, upper, lower)
    for step_number, (upper, lower) in enumerate(gaps, 1):
        canvas.number(there - 22, (upper + lower) / 2, step_number)
    for step_number, (upper, lower) in enumerate(gaps[:1:-1], 6):
        canvas.number(back + 22, (upper + lower) / 2, step_number)
    y = 580.0
    for step_number, words in enumerate(STEPS, 1):
        canvas.number(MARGIN + 11, y, step_number)
        y = canvas.paragraph(MARGIN + 34, y, words, full - 40) + TEXT / 2


def _there_and_back(canvas: Canvas, there: float, back: float, upper: float, lower: float) -> None:
    """An arrow down, and one up."""
    canvas.arrow((there, upper), (there, lower))
    canvas.arrow((back, lower), (back, upper))


PICTURES = (
    Picture(
        "architecture",
        "The parts of an execution environment",
        "A platform exchanges bytes with the transport; the event goes on to RuntimeClient, Environment, Handler, "
        "plain() and your code, and the answer comes back the same way. Hooks observe at Environment; locate() finds "
        "your code.",
        architecture,
    ),
    Picture(
        "engines",
        "Three ways to one handler",
        "The runtime polls AWS Lambda, clients send HTTP requests to an ASGI server with runtime.asgi, and dispatch "
        "serve polls queues and schedules. All three call the same handler.",
        engines,
    ),
    Picture(
        "event", "How an event travels", " ".join(f"{number}. {words}" for number, words in enumerate(STEPS, 1)), event
    ),
)
