"""The scenarios: each has an event, numbers of invocations and rounds, its subjects, and the figures of a run."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from benchmarks.events import SIZES, SOURCES

#: The output of the platform for one run, flat: `{"elapsed_ns": …, "cycle_ns.p50": …}`.
Run = Mapping[str, float]

#: Server and runtime on different processors, on the same one, or as the system schedules them.
Placement = Literal["apart", "together", "free"]


@dataclass(frozen=True)
class Figure:
    """One number of a run."""

    name: str
    unit: str
    read: Callable[[Run], float]


@dataclass(frozen=True)
class Scenario:
    """Subjects that run in turn on the same events.

    Attributes:
        name: its name on the command line.
        title: a few words for its table.
        subjects: the names of the subjects.
        figures: the figures of a run.
        baseline: the subject to which the others are compared.
        event: the name of the event.
        warmup: how many invocations come before the measured ones.
        measured: how many invocations are measured; 0 for a cold start.
        rounds: how many rounds there are.
        others: how many other distributions are installed.
        placement: the processors of server and runtime.
        pause: the microseconds between a poll and its event; 0 if events are always waiting.
        workers: how many workers have to poll until a run without events is over; 0 if the first poll ends it.
        cold_cache: whether each run starts with an empty file cache.
        answer_bytes: the size of the answer, if it is not the event.
        field: the only field of event and answer that has to be equal, if not everything has to be.
        platforms: whether the subjects are platforms, which are invoked over HTTP and start the runtime themselves.
    """

    name: str
    title: str
    subjects: tuple[str, ...]
    figures: tuple[Figure, ...]
    baseline: str
    event: str = "small"
    warmup: int = 0
    measured: int = 0
    rounds: int = 5
    others: int = 0
    placement: Placement = "apart"
    pause: int = 0
    workers: int = 0
    cold_cache: bool = False
    answer_bytes: int = 0
    field: str = ""
    platforms: bool = False


FIRST_POLL = Figure("first poll", "ms", lambda run: run["first_poll_ns"] / 1e6)
WHOLE_LIFE = Figure("whole command", "ms", FIRST_POLL.read)
LAST_POLL = Figure("all polls", "ms", lambda run: run["last_poll_ns"] / 1e6)
# The median, not the mean, because other work of the machine that takes milliseconds changes the mean.
TIME = Figure("time", "µs", lambda run: run["cycle_ns.p50"] / 1e3)
MILLISECONDS = Figure("time", "ms", lambda run: run["cycle_ns.p50"] / 1e6)
MEAN = Figure("mean", "µs", lambda run: run["elapsed_ns"] / run["invocations"] / 1e3)
ANSWER = Figure("answer p50", "µs", lambda run: run["answer_ns.p50"] / 1e3)
SLOWEST = Figure("p99", "µs", lambda run: run["cycle_ns.p99"] / 1e3)
CPU = Figure("CPU", "µs", lambda run: run["cpu_ns"] / run["invocations"] / 1e3)
MEMORY = Figure("memory", "MiB", lambda run: run["resident_kib"] / 1024)
SHARED = Figure("PSS", "MiB", lambda run: run["pss_kib"] / 1024)
PEAK = Figure("peak memory", "MiB", lambda run: run["peak_kib"] / 1024)
PEAK_EVENTS = Figure(
    "peak above idle", "events", lambda run: (run["peak_kib"] - run["resident_first_kib"]) * 1024 / run["answer_bytes"]
)
GROWTH = Figure("growth", "KiB", lambda run: run["resident_kib"] - run["resident_before_kib"])
THROUGHPUT = Figure("throughput", "per s", lambda run: run["invocations"] / run["elapsed_ns"] * 1e9)
FIRST_BYTE = Figure("first byte", "µs", lambda run: run["first_byte_ns.p50"] / 1e3)
STREAMED = Figure(
    "streamed",
    "MB/s",
    lambda run: run["answer_bytes"] / (run["answer_ns.p50"] - run["first_byte_ns.p50"]) * 1e3,
)

FLOOR = ("c", "c-pipelined", "c-awake")
THEIRS = ("awslambdaric", "awslambdaric-aws")
SMALL = (*FLOOR, *THEIRS, "dispatch-standard", "dispatch-lambda")
JSON = (
    *FLOOR,
    *THEIRS,
    "dispatch-standard",
    "dispatch-lambda",
    "dispatch-lambda-fast",
    "dispatch-json",
    "dispatch-json-fast",
)
WARM = (TIME, MEAN, SLOWEST, ANSWER, CPU, MEMORY)
COLD = (
    *THEIRS,
    "dispatch-standard",
    "dispatch-lambda",
    "dispatch-lambda-plugin",
    "dispatch-lambda-plugins",
    "dispatch-lambda-observer",
)

#: The numbers of workers with which preloading is measured.
PRELOADED = (1, 4, 16)


def _scenarios() -> tuple[Scenario, ...]:
    # The most that Lambda lets a function stream: 200 MiB, in blocks of 64 KiB.
    streamed = 3200 * 65536
    return (
        Scenario(
            "cold", "Process start to first poll", ("interpreter", "c", *COLD), (FIRST_POLL,), THEIRS[0], rounds=20
        ),
        Scenario("cold-100", "Beside 100 other distributions", COLD, (FIRST_POLL,), THEIRS[0], rounds=20, others=100),
        Scenario(
            "cold-packaged",
            "From a layer, on a Python that is there and on its own",
            (THEIRS[0], "dispatch-lambda", "dispatch-layer", "dispatch-layer-python"),
            (FIRST_POLL,),
            THEIRS[0],
            rounds=20,
        ),
        Scenario(
            "cold-modules",
            "With a handler of 1,000 modules",
            ("awslambdaric-modules", "dispatch-lambda-modules"),
            (FIRST_POLL,),
            "awslambdaric-modules",
            rounds=7,
        ),
        Scenario(
            "cold-cache",
            "With nothing in the file cache",
            ("interpreter", *COLD),
            (FIRST_POLL,),
            THEIRS[0],
            rounds=5,
            cold_cache=True,
        ),
        Scenario("small", "45-byte event", SMALL, WARM, THEIRS[0], warmup=500, measured=4500, rounds=7),
        Scenario(
            "small-one-cpu",
            "45-byte event, server and runtime on one processor",
            SMALL,
            (TIME, MEAN, SLOWEST, ANSWER, CPU),
            THEIRS[0],
            warmup=500,
            measured=4500,
            rounds=7,
            placement="together",
        ),
        Scenario(
            "small-paced",
            "45-byte event, each 2 ms after its poll",
            SMALL,
            (ANSWER, CPU),
            THEIRS[0],
            warmup=20,
            measured=400,
            pause=2000,
        ),
        *(
            Scenario(name, title, JSON, WARM, THEIRS[0], event=event, warmup=20, measured=200, rounds=9)
            for name, title, event in (
                ("json", "120 KB event, JSON in and out", "records"),
                ("sqs", "120 KB SQS event whose bodies are JSON texts", "sqs-120"),
            )
        ),
        *_of_sources(),
        Scenario(
            "large",
            "5 MB event, JSON in and out",
            JSON,
            (MILLISECONDS, CPU, PEAK, PEAK_EVENTS),
            THEIRS[0],
            event="large",
            warmup=2,
            measured=10,
            rounds=3,
        ),
        Scenario(
            "workers",
            "1 and 2 workers on 120 KB events",
            (THEIRS[0], "awslambdaric-2", "dispatch-lambda", "dispatch-lambda-2"),
            (THROUGHPUT,),
            THEIRS[0],
            event="records",
            warmup=20,
            measured=400,
            placement="free",
        ),
        *(
            Scenario(
                f"preload-{workers}",
                f"Process start until all workers poll; the handler imports boto3; workers: {workers}",
                tuple(f"{name}-{workers}" for name in ("awslambdaric-boto3", "dispatch-boto3", "dispatch-preload")),
                (LAST_POLL, SHARED),
                f"awslambdaric-boto3-{workers}",
                workers=workers,
                placement="free",
            )
            for workers in PRELOADED
        ),
        Scenario(
            "waiting",
            "8 invocations at once that wait 5 ms each, in processes and on one event loop",
            ("awslambdaric-waiting", "dispatch-waiting", "dispatch-waiting-async"),
            (THROUGHPUT, MEMORY),
            "awslambdaric-waiting",
            warmup=100,
            measured=2000,
            placement="free",
        ),
        Scenario(
            "stream",
            "200 MiB streamed in blocks of 64 KiB",
            ("c-stream", "dispatch-stream"),
            (FIRST_BYTE, STREAMED, PEAK),
            "c-stream",
            event="count",
            warmup=1,
            measured=3,
            answer_bytes=streamed,
        ),
        Scenario(
            "platform",
            "One caller's invocations of an idle function, on the local platform and on AWS's emulator",
            ("rie", "dispatch-serve", "dispatch-serve-uvloop"),
            (TIME,),
            "rie",
            measured=500,
            rounds=15,
            placement="free",
            platforms=True,
        ),
        Scenario(
            "run",
            "`dispatch run` for one small event, beside what any such command in Python takes",
            ("interpreter", "libraries", "dispatch-run"),
            (WHOLE_LIFE,),
            "libraries",
            rounds=20,
            placement="free",
        ),
        *_web(),
        Scenario(
            "script",
            "A script beside a new process for each event",
            ("process-each", "dispatch-script"),
            (TIME, SLOWEST),
            "process-each",
            warmup=5,
            measured=100,
        ),
        *(
            Scenario(
                name,
                title,
                ("c-process", "dispatch-subprocess", "dispatch-process"),
                (TIME, SLOWEST, CPU),
                "dispatch-subprocess",
                event=event,
                warmup=20,
                measured=300,
                rounds=9,
            )
            for name, title, event in (
                ("process", "The program `cat` for each event, beside subprocess.run", "small"),
                ("process-json", "The same program with a 120 KB event", "records"),
            )
        ),
        Scenario(
            "growth",
            "200,000 invocations after the first 5,000",
            ("dispatch-standard", "dispatch-lambda"),
            (GROWTH, MEMORY),
            "dispatch-standard",
            warmup=5_000,
            measured=200_000,
            rounds=1,
            placement="together",
        ),
    )


def _of_sources() -> Iterator[Scenario]:
    """A scenario for each event that AWS's services send, in three sizes: only the time, in a few invocations."""
    for name, title in SOURCES.items():
        for size in SIZES:
            yield Scenario(
                f"{name}-{size}",
                f"{size} KB {title}",
                (THEIRS[0], "dispatch-lambda", "dispatch-lambda-fast"),
                (TIME,),
                THEIRS[0],
                event=f"{name}-{size}",
                warmup=20,
                measured=100,
                rounds=3,
            )


def _web() -> tuple[Scenario, ...]:
    adapters = ("mangum", "mangum-off", "dispatch-mangum", "dispatch-asgi", "apig-wsgi", "dispatch-wsgi")
    return (
        Scenario(
            "web",
            "A web application behind a function URL",
            adapters,
            (TIME, MEAN, SLOWEST, ANSWER, CPU, MEMORY),
            adapters[0],
            event="request",
            warmup=500,
            measured=3000,
            rounds=7,
            field="body",
        ),
        Scenario(
            "web-cold",
            "Process start to first poll with a web application",
            adapters,
            (FIRST_POLL,),
            adapters[0],
            rounds=20,
        ),
    )


SCENARIOS: Mapping[str, Scenario] = {scenario.name: scenario for scenario in _scenarios()}
