"""Measures what each convention costs: `python -m benchmarks.conventions`; docs/conventions/costs.md shows the figures.

Every built-in convention runs the least function that is natural in it, which returns its event or a request's body.
The conventions take turns, round after round, and are compared with `standard` round by round.
"""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from benchmarks import engine_servers, environments
from benchmarks.environments import OURS, Installed
from benchmarks.report import UNSTEADY, Report, machine, number, put_into
from benchmarks.rounds import Bench, BenchError, Series, bench, rounded
from benchmarks.scenarios import FIRST_POLL, TIME, Figure, Run, Scenario
from benchmarks.subjects import Subject
from dispatch.discovery import BUILT_IN

#: What all others are compared with.
BASELINE = "standard"
#: Is installed into an environment of its own, because it does not accept the CloudEvents SDK that others need.
FRAMEWORK = "functions-framework"
#: The processor time of the runtime and of the programs that it starts.
CPU = Figure("CPU", "µs", lambda run: (run["cpu_ns"] + run["programs_cpu_ns"]) / run["invocations"] / 1e3)
#: The base interpreter, for a program in Python: it has no developer's packages.
BASE_PYTHON = {"PATH": f"{sys.base_prefix}/bin:{os.environ['PATH']}"}
#: The events, and what the table calls them.
KINDS = {"small": "45 bytes", "request": "HTTP", "cloudevent": "CloudEvent", "sqs-1": "SQS"}
HEAD = (
    "| convention | event | an invocation, µs | × | CPU, µs | start, ms | × | where the time goes |",
    "| --- | --- | --: | --: | --: | --: | --: | --- |",
)


@dataclass(frozen=True)
class Case:
    """The function of one convention.

    Attributes:
        handler: its handler string.
        spent: what takes the time, in a few words.
        event: the name of its event.
        package: the distribution that it needs; empty for none.
        variables: its environment variables.
        answer: the field of the answer that has to be equal to the event's, or the size of the answer.
    """

    handler: str
    spent: str
    event: str = "small"
    package: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    answer: str | int = ""


def _web(handler: str, spent: str, package: str = "", **variables: str) -> Case:
    return Case(handler, spent, "request", package, variables, answer="body")


CASES: Mapping[str, Case] = {
    "standard": Case("least.plain", "decoding and encoding text"),
    "script": Case("tool.py", "running the module anew, with its own standard streams"),
    "expression": Case("event", "the same as `standard`"),
    "json": Case("least.plain", "parsing and writing JSON"),
    "lambda": Case("least.plain", "parsing and writing JSON, the context object"),
    "stream": Case("least.stream", "a thread for each event"),
    "process": Case("cat", "a process for each event"),
    "coprocess": Case(
        "python3 least_lines.py", "pipes to a second process, which parses and writes JSON", variables=BASE_PYTHON
    ),
    "shell": Case("least.handler", "a bash for each event"),
    "asgi": _web("least.asgi", "the HTTP event, an event loop"),
    "wsgi": _web("least.wsgi", "the HTTP event"),
    "cloudevent": Case("least.cloudevent", "the SDK's CloudEvent", "cloudevent", "cloudevents", answer="data"),
    "records": Case("least.record", "parsing JSON, each record's call", "sqs-1", answer=24),
    "functions-framework": _web("least_google.handler", "the HTTP event, Flask", FRAMEWORK),
    "knative": _web("least.handle", "the HTTP event, an event loop"),
    "azure": _web(
        "least_azure.app",
        "the HTTP event, the package's request and response",
        "azure-functions",
        AzureFunctionsJobHost__extensions__http__routePrefix="",
    ),
    "openfaas": _web("least.openfaas", "the HTTP event"),
    "openwhisk": _web("least.openwhisk", "the HTTP event"),
    "digitalocean": _web("least.digitalocean", "the HTTP event"),
    "nuclio": _web("least.nuclio", "the HTTP event, the SDK's event", "nuclio-sdk"),
    "fn": _web("least_fn.handler", "the HTTP event, the FDK's context, for which it defines a class each time", "fdk"),
    "agentcore": Case("least_agent.app", "the package's application, an event loop", package="bedrock-agentcore"),
    "vercel": _web("least_vercel.handler", "the HTTP event, `http.server`, a line in the log"),
    "alibaba": _web("least_alibaba.handler", "the HTTP event"),
    "scaleway": _web("least.neighbour", "the HTTP event"),
    "tencent": _web("least.neighbour", "the HTTP event"),
    "yandex": _web("least.neighbour", "the HTTP event"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    about = (__doc__ or "").partition("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.conventions", description=about)
    parser.add_argument("conventions", nargs="*", metavar="CONVENTION", help="which to measure (all)")
    parser.add_argument("--rounds", type=int, default=9, metavar="N", help="run N rounds (9)")
    parser.add_argument("--quick", action="store_true", help="50 invocations in each round instead of 2,000")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    parser.add_argument("--page", type=Path, metavar="FILE", help="insert the table between the marks of FILE")
    parser.add_argument("--read", type=Path, metavar="FILE", help="report on figures that --json wrote")
    options = parser.parse_args(arguments)
    if unknown := ", ".join(name for name in options.conventions if name not in CASES):
        parser.error(f"unknown convention: {unknown}; known: {', '.join(CASES)}")
    try:
        if options.read:
            found = Report.from_json(options.read.read_text())
        else:
            found = measured(options.conventions or [*CASES], options.rounds, 50 if options.quick else 2000)
    except BenchError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    print(table(found))
    if options.json:
        options.json.write_text(found.to_json())
    if options.page:
        options.page.write_text(put_into(options.page.read_text(), {"": table(found)}))
    return 0


def measured(names: Sequence[str], rounds: int, invocations: int) -> Report:
    """Measure `standard` and these conventions; one whose package is missing is named and left out."""
    about = machine()
    versions = {name: about["versions"][name] for name in ("python", OURS)}
    subjects, left_out = {}, []
    for name in dict.fromkeys([BASELINE, *names]):
        package = CASES[name].package
        try:
            first = _framework() if package == FRAMEWORK else ""
            versions |= {package: environments.distribution(package, first).version} if package else {}
        except (BenchError, metadata.PackageNotFoundError) as reason:
            print(f"benchmarks: {name} is left out: {reason}", file=sys.stderr)
            left_out.append(name)
        else:
            installed = Installed((OURS, *filter(None, [package])), first=first)
            subjects[name] = _subject(name, installed)
    with bench() as place:
        series = _series(place, subjects, rounds, invocations)
    settings = {"rounds": rounds, "invocations in each round": invocations, "left out": left_out}
    return Report({**about, "versions": versions}, settings, (), tuple(series))


def _framework() -> str:
    """The folder that has functions-framework. Raises BenchError."""
    return str(next(engine_servers.framework().parents[1].glob("lib/python3.*/site-packages")))


def _subject(name: str, installed: Installed) -> Subject:
    case = CASES[name]
    variables = {"HANDLER_CONVENTION": name, **case.variables}
    return Subject(name, ("{python}", "-P", "-m", "runtime", case.handler), installed, variables)


def _scenario(name: str, invocations: int) -> Scenario:
    case = CASES[name]
    size, same = (case.answer, "") if isinstance(case.answer, int) else (0, case.answer)
    return Scenario(
        "conventions", "", (), (), BASELINE, case.event, invocations // 4, invocations, field=same, answer_bytes=size
    )


def _series(place: Bench, subjects: Mapping[str, Subject], rounds: int, invocations: int) -> list[Series]:
    """Run them in turn, each round beginning with the next one; a first start of each, which reads files, is extra."""
    warm: dict[str, list[Run]] = {name: [] for name in subjects}
    cold: dict[str, list[Run]] = {name: [] for name in subjects}
    names = [*subjects]
    for name in names:
        place.run(subjects[name], _scenario(name, 0))
    for first in (count % len(names) for count in range(rounds)):
        for name in names[first:] + names[:first]:
            cold[name].append(place.run(subjects[name], _scenario(name, 0)))
            warm[name].append(place.run(subjects[name], _scenario(name, invocations)))
    return [
        Series("conventions", name, figure.name, figure.unit, tuple(rounded(figure.read(run)) for run in runs[name]))
        for name in names
        for figure, runs in ((TIME, warm), (CPU, warm), (FIRST_POLL, cold))
    ]


def table(found: Report) -> str:
    """The figures in Markdown: the machine, and a row for each convention."""
    versions = ", ".join(f"{name} {version}" for name, version in found.machine["versions"].items())
    about = f"{found.machine['processors']} × {found.machine['processor']}, {found.machine['system']}"
    about += f", {found.machine['date']}, load before {found.machine['load before']}."
    settings = (
        f"rounds: {found.settings['rounds']}, invocations in each: {found.settings['invocations in each round']:,}."
    )
    rows = [f"| {' | '.join(_row(name, found.series))} |" for name in BUILT_IN]
    return "\n\n".join([about, f"{versions}.", settings, "\n".join([*HEAD, *rows])])


def _row(name: str, series: Sequence[Series]) -> list[str]:
    case = CASES[name]
    folder = "../ports/" if ".ports." in BUILT_IN[name] else ""
    ours = {one.figure: one for one in series if one.subject == name}
    base = {one.figure: one for one in series if one.subject == BASELINE}
    cells = []
    for figure, compared in ((TIME, True), (CPU, False), (FIRST_POLL, True)):
        one, other = ours.get(figure.name), base.get(figure.name)
        cells.append(f"{number(one.median)} ±{one.spread:.0%}" if one else "not measured")
        if compared:
            steady = one and other and max(one.spread, other.spread) <= UNSTEADY
            cells.append(f"{one.ratio(other):.2f}" if one and other and steady else "")
    return [f"[`{name}`]({folder}{name}.md)", KINDS[case.event], *cells, case.spent]


if __name__ == "__main__":
    raise SystemExit(main())
