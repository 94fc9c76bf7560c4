"""The benchmarks measure what they say they measure, and refuse what they cannot trust."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks import conventions, engines, queues, rie, tricks
from benchmarks.__main__ import _chosen, main
from benchmarks.budgets import BUDGETS, judge
from benchmarks.engine_servers import CONNECTIONS, Engine, Server, load
from benchmarks.engine_servers import SUBJECTS as ENGINES
from benchmarks.environments import OURS, Installed, create
from benchmarks.events import SIZES, SOURCES, event
from benchmarks.report import Report, tables
from benchmarks.rounds import Bench, BenchError, Series, bench, measure
from benchmarks.scenarios import SCENARIOS, Placement, Scenario
from benchmarks.subjects import SUBJECTS, Subject
from dispatch.discovery import BUILT_IN

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("cc") is None, reason="needs Linux and a C compiler"
)

FEW = replace(SCENARIOS["small"], warmup=5, measured=20, placement="free")
ABOUT = {
    "processor": "P", "processors": 2, "system": "Linux", "date": "2026-11-22", "load before": 0.1,
    "versions": {"python": "3.13.0"},
}  # fmt: skip


@pytest.fixture(scope="module")
def place() -> Iterator[Bench]:
    """One folder of environments and programs for the tests of this module."""
    with bench() as made:
        yield made


@pytest.mark.parametrize(
    "name", ["c", "c-pipelined", "c-awake", "process-each", "awslambdaric", "awslambdaric-aws", "awslambdaric-2"]
)
def test_every_invocation_is_answered(place: Bench, name: str) -> None:
    """A subject that works is measured: all of its invocations, in a time and with a memory that are not nothing."""
    run = place.run(SUBJECTS[name], FEW)

    assert 20 == run["invocations"]
    assert len(event("small")) == run["answer_bytes"]
    assert 0 < run["answer_ns.p50"] <= run["answer_ns.p99"] < run["elapsed_ns"]
    assert 0 < run["resident_kib"] <= run["peak_kib"]


@pytest.mark.parametrize("name", SCENARIOS["web"].subjects)
def test_web_applications_are_answered(place: Bench, name: str) -> None:
    """Each adapter returns the request's body, in an answer of its own format."""
    run = place.run(SUBJECTS[name], replace(SCENARIOS["web"], warmup=5, measured=20, placement="free"))

    assert 20 == run["invocations"]


def test_events_can_be_paced(place: Bench) -> None:
    """A pause lies between a poll and its event, and is no part of the time that the answer took."""
    run = place.run(SUBJECTS["c-pipelined"], replace(FEW, pause=5000))

    # Half of the 20 answers took as long as the median, or longer.
    assert 10 * run["answer_ns.p50"] <= run["elapsed_ns"] - 20 * 5e6


def test_large_events_arrive_whole(place: Bench) -> None:
    """An event of 5 MB goes there and back unchanged, although no buffer of the platform holds it."""
    scenario = replace(SCENARIOS["large"], warmup=0, measured=2)

    assert len(event("large")) == place.run(SUBJECTS["c-pipelined"], scenario)["answer_bytes"]


def test_streamed_answers_are_counted(place: Bench) -> None:
    """The blocks of a chunked answer are counted without their framing, and the first byte comes before the last."""
    subject = Subject("stream", ("{client}", "-s", "65536,64"))
    run = place.run(subject, replace(FEW, answer_bytes=64 * 65536))

    assert 64 * 65536 == run["answer_bytes"]
    assert run["first_byte_ns.p50"] < run["answer_ns.p50"]


def test_cold_start_ends_with_the_first_poll(place: Bench) -> None:
    """Without invocations the run is over at the first poll."""
    run = place.run(SUBJECTS["c"], SCENARIOS["cold"])

    assert 0 == run["invocations"]
    assert 0 < run["first_poll_ns"] < 60e9


@pytest.mark.parametrize("name", SCENARIOS["preload-4"].subjects)
def test_workers_are_awaited(place: Bench, name: str) -> None:
    """The run is over when all workers have polled; pages that they share count once in the sum of their memory."""
    run = place.run(SUBJECTS[name], SCENARIOS["preload-4"])

    assert 0 < run["first_poll_ns"] < run["last_poll_ns"] < 60e9
    assert 0 < run["pss_kib"] < run["resident_kib"]


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        (("{client}", "-s", "1,1"), "the answer is not what was expected"),
        (("true",), "the runtime ended early, with status 0; 0 of 25 invocations were answered"),
        (("no-such-command",), "cannot run no-such-command"),
        (("{python}", "-m", "awslambdaric", "app.missing"), "Handler 'missing' missing on module 'app'"),
    ],
)
def test_a_run_that_cannot_be_trusted_is_refused(place: Bench, command: tuple[str, ...], complaint: str) -> None:
    """A runtime that answers wrongly, ends, or reports an error is named with the reason, and not measured."""
    subject = Subject("broken", command, Installed(("awslambdaric",)))

    with pytest.raises(BenchError) as caught:
        place.run(subject, FEW)

    assert str(caught.value).startswith("small, broken: ")
    assert complaint in str(caught.value)


@pytest.mark.parametrize(("placement", "processors"), [("together", 1), ("free", None)])
def test_placement_reaches_the_runtime(place: Bench, placement: Placement, processors: int | None) -> None:
    """Together with the server a runtime has one processor; otherwise it keeps what this process may use."""
    code = "import os; raise SystemExit(len(os.sched_getaffinity(0)) != {})"
    expected = processors or "len(os.sched_getaffinity(os.getppid()))"
    subject = Subject("asked", ("{python}", "-c", code.format(expected)), exits=True)

    place.run(subject, replace(SCENARIOS["cold"], placement=placement))


def test_environments_hold_what_they_name(tmp_path: Path) -> None:
    """An environment has the runtime, its dependencies, the plugin and the others; nothing of the developer's own."""
    python = create(tmp_path / "made", Installed((OURS,), plugins=1, others=2))
    code = "from importlib.metadata import distributions as d; print(*sorted(x.name.lower() for x in d()))"
    listed = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True).stdout.split()

    expected = ["certifi", "charset-normalizer", "handler-dispatch", "httptools", "idna", "orjson"]
    expected += ["other0", "other1", "pluggy", "requests", "simplejson", "unused0", "urllib3"]
    assert expected == [name.replace("_", "-") for name in listed]

    path = subprocess.run(
        [python, "-I", "-c", "import sys; print(sys.path)"], capture_output=True, text=True, check=True
    )
    assert str(Path(__file__).parents[1]) not in path.stdout


def test_events_have_the_promised_sizes() -> None:
    """The events are those that the budgets speak of, the same bytes every time, and JSON."""
    assert 45 == len(event("small"))
    assert 0.98 < len(event("records")) / 120_000 < 1.02
    assert 0.98 < len(event("large")) / 5_000_000 < 1.02
    assert event("records") == event("records")
    assert json.loads(event("large"))["Records"]
    for name in SOURCES:
        for size in SIZES:
            made = event(f"{name}-{size}")
            assert (made, True) == (event(f"{name}-{size}"), 0.7 < len(made) / 1000 / size < 1.35)
            assert isinstance(json.loads(made), dict)
    assert json.loads(json.loads(event("sqs-120"))["Records"][-1]["body"])["items"]


def test_ratios_are_taken_round_by_round() -> None:
    """A machine that is three times slower for some rounds does not change the ratio."""
    ours = Series("small", "ours", "time", "µs", (10.0, 30.0, 10.0, 30.0))
    theirs = Series("small", "theirs", "time", "µs", (40.0, 120.0, 40.0, 120.0))

    assert 0.25 == ours.ratio(theirs)
    assert (20.0, 0.5) == (ours.median, ours.spread)


def test_every_round_begins_with_another(place: Bench) -> None:
    """Who follows whom, and is disturbed by what it left behind, is not the same in every round."""
    ran: list[str] = []
    measure(place, replace(SCENARIOS["cold"], rounds=3), [SUBJECTS[name] for name in ("interpreter", "c")], ran.append)

    first, second = "interpreter", "c"
    order = [first, second, first, second, second, first, first, second]
    assert order == [told.split()[-1] for told in ran]


def test_what_is_not_steady_is_not_compared() -> None:
    """There is a ratio only where the rounds of both sides lie close together."""
    steady = Series("small", "awslambdaric", "time", "µs", (100.0, 102.0, 104.0))
    for values, ratios in (((50.0, 51.0, 52.0), 1), ((50.0, 100.0, 150.0), 0)):
        ours = Series("small", "dispatch-lambda", "time", "µs", values)
        table = tables(Report(ABOUT, {}, ("small",), (steady, ours)))
        assert ratios == table.count("×0.50")


def _report(share: float) -> Report:
    """A report in which every figure of ours is the same share of its limit."""
    series = {}
    for budget in BUDGETS:
        if budget.theirs is not None:
            series[budget.scenario, budget.figure, budget.theirs] = 100.0
        factor = 100.0 if budget.theirs else 1.0
        limits = (
            other.limit
            for other in BUDGETS
            if (other.scenario, other.figure, other.ours) == (budget.scenario, budget.figure, budget.ours)
        )
        series[budget.scenario, budget.figure, budget.ours] = min(limits) * factor * share
    made = tuple(
        Series(scenario, subject, figure, "u", (value,)) for (scenario, figure, subject), value in series.items()
    )
    return Report(ABOUT, {}, tuple(SCENARIOS), made)


@pytest.mark.parametrize(("share", "status"), [(0.99, 0), (2.0, 1)])
def test_check_decides_by_the_budgets(tmp_path: Path, share: float, status: int) -> None:
    """``--check`` ends with status 0 if every budget is met, with 1 otherwise."""
    file = tmp_path / "figures.json"
    file.write_text(_report(share).to_json())

    assert status == main(["--read", str(file), "--check"])


def test_a_budget_without_its_figure_is_missed() -> None:
    """What was not measured does not count as met."""
    verdicts = judge(_report(0.5).series[:-1], tuple(SCENARIOS))

    assert len(BUDGETS) == len(verdicts)
    assert [False] == [verdict.met for verdict in verdicts if verdict.value is None]


def test_command_writes_what_it_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Tables, JSON and drawings come from the same figures, and the JSON gives the same tables again."""
    figures, drawing = tmp_path / "figures.json", tmp_path / "figures.svg"
    arguments = ["small-one-cpu", "--subject", "c", "--subject", "c-awake", "--rounds", "2"]

    assert 0 == main([*arguments, "--json", str(figures), "--svg", str(drawing)])
    printed = capsys.readouterr().out
    assert 0 == main(["--read", str(figures)])
    assert printed == capsys.readouterr().out

    times = {
        one["subject"]: one["values"] for one in json.loads(figures.read_text())["figures"] if one["figure"] == "time"
    }
    assert {"c": 2, "c-awake": 2} == {subject: len(values) for subject, values in times.items()}
    assert not drawing.exists()
    for scheme in ("light", "dark"):
        bars = ET.parse(drawing.with_stem(f"figures-{scheme}")).findall(
            "{http://www.w3.org/2000/svg}rect[@class='bar']"
        )
        assert 1 == len(bars)


def test_figures_go_between_the_marks_of_a_page(tmp_path: Path) -> None:
    """A page keeps what stands around its figures, however often they are written; one without marks is refused."""
    figures, page = tmp_path / "figures.json", tmp_path / "page.md"
    figures.write_text(_report(0.5).to_json())
    page.write_text("# Speed\n\n<!-- figures -->\noutdated\n<!-- end of figures -->\nThe end.\n")

    assert 0 == main(["--read", str(figures), "--page", str(page)])
    written = page.read_text()
    assert 0 == main(["--read", str(figures), "--page", str(page)])
    assert written == page.read_text()
    assert written.startswith("# Speed\n\n<!-- figures -->\n\n2 × P, Linux")
    assert written.endswith("\n\n<!-- end of figures -->\nThe end.\n")
    assert "outdated" not in written


def test_figures_go_to_the_pages_that_name_them(tmp_path: Path) -> None:
    """In a folder, each page shows the figures that its marks name; pages without marks stay as they are."""
    figures, folder = tmp_path / "figures.json", tmp_path / "pages"
    figures.write_text(_report(0.5).to_json())
    (folder / "deeper").mkdir(parents=True)
    ends = "\noutdated\n<!-- end of figures -->\n"
    (folder / "one.md").write_text(f"<!-- figures: json small -->{ends}between\n<!-- figures: machine -->{ends}")
    (folder / "deeper" / "two.md").write_text(f"<!-- figures: budgets -->{ends}")
    (folder / "three.md").write_text("outdated")

    assert 0 == main(["--read", str(figures), "--page", str(folder)])
    one, two, three = ((folder / name).read_text() for name in ("one.md", "deeper/two.md", "three.md"))
    titles = [SCENARIOS["json"].title, SCENARIOS["small"].title]
    assert titles == [line[3:] for line in one.splitlines() if line.startswith("## ")]
    assert one.endswith("between\n<!-- figures: machine -->\n\n2 × P, Linux, 2026-11-22, load before 0.1.\n\npython 3.13.0."
                        "\n\n.\n\n<!-- end of figures -->\n")  # fmt: skip
    assert two.startswith("<!-- figures: budgets -->\n\n## Budgets\n\n| budget")
    assert "outdated" not in one + two
    assert "outdated" == three


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["smal"], "no scenario 'smal'; available: cold, cold-100"),
        (["small", "--page", "no-marks.md"], "no-marks.md has no place for figures"),
        (["small", "--page", "empty"], "empty has no place for figures"),
        (["small", "--page", "unknown"], "page.md has a place for figures of 'smal'; known: machine, budgets, cold"),
        (["small", "--json", "missing/figures.json"], "no folder missing"),
        (["small", "--json", "."], "no file ."),
        (["small", "--page", "missing.md"], "no page or folder missing.md"),
        (["--read", "missing.json"], "cannot read missing.json: No such file"),
        (["--read", "no-marks.md"], "no-marks.md does not contain figures"),
    ],
)
def test_what_cannot_be_done_is_refused_at_once(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything is measured, and in words."""
    monkeypatch.chdir(tmp_path)
    Path("no-marks.md").write_text("{}")
    for folder in ("empty", "unknown"):
        Path(folder).mkdir()
    Path("unknown", "page.md").write_text("<!-- figures: small smal -->\n<!-- end of figures -->\n")
    assert 1 == main(arguments)
    assert told in capsys.readouterr().err


def test_without_the_emulator(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What is compared with it is left out with a message; if it was asked for, that is an error."""

    def missing() -> Path:
        raise rie.NoEmulator("no emulator for this machine")

    monkeypatch.setattr(rie, "binary", missing)
    chosen = [scenario.name for scenario in _chosen([])]
    assert "platform" not in chosen
    assert {"small", "growth"} < set(chosen)
    assert "the comparison with AWS's emulator is left out: no emulator" in capsys.readouterr().err
    assert 1 == main(["platform"])
    assert "AWS's emulator cannot be had: no emulator for this machine" in capsys.readouterr().err


@pytest.mark.parametrize("name", SCENARIOS["run"].subjects)
def test_whole_commands_are_measured(place: Bench, name: str) -> None:
    """From the start to the end; one that fails has no figure."""
    run = place.run(SUBJECTS[name], SCENARIOS["run"])
    assert 0 < SCENARIOS["run"].figures[0].read(run)
    failing = replace(SUBJECTS[name], command=(*SUBJECTS[name].command[:2], "-c", "exit(3)"))
    with pytest.raises(BenchError, match="with status 3"):
        place.run(failing, SCENARIOS["run"])


@pytest.mark.parametrize("name", SCENARIOS["platform"].subjects)
def test_platforms_are_invoked(place: Bench, name: str) -> None:
    """The local platform, on either loop, and AWS's emulator return the event."""
    try:
        run = place.run(SUBJECTS[name], replace(SCENARIOS["platform"], measured=20))
    except rie.NoEmulator as reason:
        pytest.skip(str(reason))
    assert 20 == run["invocations"]
    assert 0 < run["cycle_ns.p50"]


def test_no_rounds(capsys: pytest.CaptureFixture[str]) -> None:
    """No rounds are no measurement."""
    with pytest.raises(SystemExit, match="2"):
        main(["small", "--rounds", "0"])
    assert "'0' is not a whole number of at least 1" in capsys.readouterr().err


def test_scenarios_name_subjects_that_exist() -> None:
    """Every subject and baseline of a scenario is defined, and every budget's figure is measured by its scenario."""

    def names(scenario: Scenario) -> set[str]:
        return {*scenario.subjects, scenario.baseline}

    assert set().union(*map(names, SCENARIOS.values())) <= set(SUBJECTS)
    for budget in BUDGETS:
        scenario = SCENARIOS[budget.scenario]
        assert {budget.ours, budget.theirs or budget.ours} <= names(scenario)
        assert budget.figure in [figure.name for figure in scenario.figures]


def test_every_trick_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m benchmarks.tricks` has a figure for each trick, and the page has them all."""
    tricks.main(["--quick"])
    printed = [line.split("  ")[-1] for line in capsys.readouterr().out.splitlines()]
    assert [*tricks.TRICKS] == printed


@pytest.mark.parametrize("name", ENGINES)
def test_engines_answer(name: str, tmp_path: Path) -> None:
    """Every server answers every request with its own number, and what that takes of a processor is counted."""
    try:
        with Server.started(ENGINES[name], 1, tmp_path) as server:
            run = load(server, 0.1)
    except BenchError as error:
        if "cannot be installed" in str(error):
            pytest.skip(str(error))
        raise
    assert CONNECTIONS <= run.answers
    assert 0.1 <= run.seconds
    assert 0 < run.processor_seconds


def test_engines_that_answer_wrongly_are_refused(tmp_path: Path) -> None:
    """One whose first answer is wrong, one that answers every request alike, and one that does not start."""
    (tmp_path / "alike.py").write_text("def handler(event, headers):\n    return {'hello': 'World', 'n': 100000}\n")
    ours = ENGINES["dispatch-plain"]
    variables = {**ours.variables, "HANDLER": "alike.handler", "LAMBDA_TASK_ROOT": str(tmp_path)}
    alike = replace(ours, variables=variables)
    with (
        Server.started(alike, 1, tmp_path) as server,
        pytest.raises(BenchError, match=r"dispatch-plain: load: wrong answer: HTTP/1.1 200"),
    ):
        load(server, 0.1)
    missing = replace(ENGINES["starlette-plain"], path="/missing")
    for engine, complaint in ((missing, "wrong answer: 404"), (Engine("none", ("false",)), "none does not answer")):
        with pytest.raises(BenchError, match=complaint), Server.started(engine, 1, tmp_path):
            pass


def test_engines_are_compared_where_both_are_steady() -> None:
    """The ratios are those of each round; a spread of more than a quarter on either side leaves them out."""
    pair = [ENGINES["dispatch-plain"], ENGINES["starlette-plain"]]
    for values, shown in (((50.0, 150.0, 53.0), "unsteady"), ((50.0, 51.0, 52.0), "×0.50")):
        found = {pair[0].name: values, pair[1].name: (100.0, 102.0, 104.0)}
        series = [
            Series("1", name, figure, "", found[name]) for name in found for figure in (engines.RATE, engines.CPU)
        ]
        assert shown == next(row for row in engines.rows(pair, series) if row[0] == pair[0].name)[3]


def test_engines_are_compared_round_by_round(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The table has a row for each engine, with its ratio to the bare route; the file has the value of each round."""
    names = ["dispatch-coroutine", "starlette-coroutine"]
    subjects = [word for name in names for word in ("--subject", name)]
    engines.main([*subjects, "--rounds", "2", "--seconds", "0.1", "--processors", "1", "--json", str(tmp_path / "f")])
    rows = [[cell.strip() for cell in line.split("|")] for line in capsys.readouterr().out.splitlines() if line]
    assert ["1 processor", *names] == [row[1] for row in rows if not row[1].startswith("-")]
    assert rows[2][4].startswith(("×", "unsteady"))
    assert not rows[3][4]
    assert [["1 processor", name, figure] for figure in (engines.RATE, engines.CPU) for name in names] == [
        row[:3] for row in json.loads((tmp_path / "f").read_text()) if len(row) == 5
    ]


def test_conventions_are_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run has the figures of the chosen ones and of `standard`, in as many rounds as wanted; one more is unknown."""
    file = tmp_path / "costs.json"
    chosen = ["json", "process", "wsgi", "records", "vercel"]
    assert 0 == conventions.main([*chosen, "--quick", "--rounds", "2", "--json", str(file)])
    figures = json.loads(file.read_text())["figures"]
    assert [(name, figure, 2) for name in ["standard", *chosen] for figure in ("time", "CPU", "first poll")] == [
        (one["subject"], one["figure"], len(one["values"])) for one in figures
    ]
    # So few invocations may take less processor time than the kernel counts.
    assert all(value > 0 for one in figures for value in one["values"] if one["figure"] != "CPU")
    printed = capsys.readouterr().out
    assert 0 == conventions.main(["--read", str(file)])
    assert printed == capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        conventions.main(["nope"])
    assert "unknown convention: nope; known: standard, script" in capsys.readouterr().err


def test_programs_count_as_processor_time(place: Bench) -> None:
    """What the programs of a runtime take of a processor is measured, whether they have ended or still run."""
    burn = "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done"
    lines = f"while read -r line; do {burn}; echo '{{\"result\": 1}}'; done"
    for convention, command in (("process", f"sh -c '{burn}; cat'"), ("coprocess", f"sh -c {shlex.quote(lines)}")):
        subject = Subject(
            "burning",
            ("{python}", "-P", "-m", "runtime", command.replace("{", "{{").replace("}", "}}")),
            Installed((OURS,)),
            {"HANDLER_CONVENTION": convention},
        )
        run = place.run(subject, replace(FEW, measured=50, answer_bytes=0 if convention == "process" else 1))
        assert 10_000_000 < run["programs_cpu_ns"]


def test_a_convention_without_its_package_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """It is named, and the others are measured."""
    case = replace(conventions.CASES["fn"], package="no-such-distribution")
    monkeypatch.setattr(conventions, "CASES", {**conventions.CASES, "fn": case})
    assert 0 == conventions.main(["fn", "--quick", "--rounds", "1", "--json", str(tmp_path / "f")])
    seen = capsys.readouterr()
    assert "fn is left out: No package metadata was found for no-such-distribution" in seen.err
    assert "[`fn`](../ports/fn.md) | HTTP | not measured |" in seen.out
    assert ["fn"] == json.loads((tmp_path / "f").read_text())["settings"]["left out"]


def test_the_page_of_costs_is_what_the_record_makes(tmp_path: Path) -> None:
    """docs/conventions/costs.md has the figures of its record, and of each built-in convention."""
    folder = Path(__file__).parents[1] / "docs" / "conventions"
    page = tmp_path / "costs.md"
    page.write_text((folder / "costs.md").read_text().replace("| HTTP |", "| web |"))
    assert 0 == conventions.main(["--read", str(folder / "costs.json"), "--page", str(page)])
    assert (folder / "costs.md").read_text() == page.read_text()
    rows = re.findall(r"^\| \[`([^`]+)`\]\(\S+\) \|.*$", page.read_text(), re.MULTILINE)
    assert [*BUILT_IN] == rows == [*conventions.CASES]
    assert "not measured" not in page.read_text()


@pytest.mark.skipif(shutil.which("nats-server") is None, reason="needs nats-server")
def test_event_sources_are_measured(capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m benchmarks.queues` has a rate for each broker and subject, and a ratio to the bare client's."""
    queues.main(["--rounds", "1", "--messages", "100"])
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [[kind, *name.split()] for kind in queues.BROKERS for name in queues.SUBJECTS] == [one[:-4] for one in lines]
    assert all(float(one[-4]) > 0 for one in lines)
    assert {"×1.00"} == {one[-1] for one in lines if one[1] == "client"}
