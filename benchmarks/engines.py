"""Compares HTTP servers of functions: `python -m benchmarks.engines`.

This runtime as an ASGI application, Google's functions-framework, Knative's func-python and bare routes of Starlette
answer the same requests with the same JSON. All servers are started first; then they take turns, round after round.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.engine_servers import SUBJECTS, Engine, Server, load
from benchmarks.report import UNSTEADY, table
from benchmarks.rounds import BenchError, Series

#: The framework and the routes that the others are compared with.
THEIRS = "functions-framework"
RATE, CPU = "requests per s", "CPU, µs"
OF_THEIRS, OF_BARE = "of the framework", "of the bare route"


@contextmanager
def servers(engines: Sequence[Engine], processors: int) -> Iterator[dict[str, Server]]:
    """Start the engines on so many processors, and let each of them answer for a moment."""
    with tempfile.TemporaryDirectory(prefix="engines-") as folder, ExitStack() as stack:
        started = {}
        for engine in engines:
            server = stack.enter_context(Server.started(engine, processors, Path(folder)))
            load(server, 0.5)
            started[engine.name] = server
        yield started


def measure(
    engines: Sequence[Engine], processors: int, rounds: int, seconds: float, progress: Callable[[str], None]
) -> list[Series]:
    """Put load on the engines in rounds, each of which begins with the next engine; two series for each engine.

    Raises:
        BenchError: an engine has given a wrong answer, or there are too few processors.
    """
    rates: dict[str, list[float]] = {engine.name: [] for engine in engines}
    costs: dict[str, list[float]] = {engine.name: [] for engine in engines}
    if processors > len(os.sched_getaffinity(0)):
        raise BenchError(f"the servers cannot have {processors} processors here")
    with servers(engines, processors) as started:
        for number in range(rounds):
            first = number % len(engines)
            for engine in [*engines[first:], *engines[:first]]:
                progress(f"{_title(processors)} {number + 1}/{rounds} {engine.name}")
                run = load(started[engine.name], seconds)
                rates[engine.name].append(run.answers / run.seconds)
                costs[engine.name].append(run.processor_seconds / run.answers * 1e6)
    return [
        Series(_title(processors), name, figure, "", tuple(values))
        for figure, found in ((RATE, rates), (CPU, costs))
        for name, values in found.items()
    ]


def _title(processors: int) -> str:
    return "1 processor" if processors == 1 else f"{processors} processors"


def rows(engines: Sequence[Engine], series: Sequence[Series]) -> Iterator[list[str]]:
    """The rows of a table, its head first; beside each figure are its ratios to the framework and to a bare route."""
    found = {(one.subject, one.figure): one for one in series}
    yield [series[0].scenario, RATE, OF_THEIRS, OF_BARE, CPU, OF_THEIRS, OF_BARE]
    for engine in engines:
        row = [engine.name]
        for figure in (RATE, CPU):
            one = found[engine.name, figure]
            others = [found.get((other, figure)) for other in (THEIRS, engine.bare)]
            row += [f"{one.median:,.0f} ±{one.spread:.0%}", *(_ratio(one, other) for other in others)]
        yield row


def _ratio(one: Series, other: Series | None) -> str:
    if other is None or other is one:
        return ""
    return "unsteady" if max(one.spread, other.spread) > UNSTEADY else f"×{one.ratio(other):.2f}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the engines and print a table for each number of processors."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2, help="of load on each engine in each round")
    parser.add_argument("--subject", action="append", choices=list(SUBJECTS), help="measure only this one; repeatable")
    parser.add_argument("--processors", action="append", type=int, choices=(1, 2), help="default: first 1, then 2")
    parser.add_argument("--json", type=Path, help="write the values of each round to this file")
    options = parser.parse_args(arguments)
    engines = [SUBJECTS[name] for name in options.subject or SUBJECTS]
    taken: list[Series] = []
    try:
        for processors in options.processors or (1, 2):
            series = measure(engines, processors, options.rounds, options.seconds, _progress)
            print(table(list(rows(engines, series))) + "\n")
            taken += series
    except BenchError as error:
        sys.exit(f"benchmarks: {error}")
    if options.json:
        lines = [json.dumps([one.scenario, one.subject, one.figure, *one.values]) for one in taken]
        options.json.write_text("[\n" + ",\n".join(lines) + "\n]\n")


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(text, file=sys.stderr)


if __name__ == "__main__":
    main()
