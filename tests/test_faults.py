"""A little of what `python -m faults` does, in each run of the suite; docs/explanations/reliability.md has what it saw at full size."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("elftools")

from faults import __main__ as command
from faults import archived, killed, signalled
from faults.fuzz import parsers
from faults.fuzz.mutations import mutated
from faults.report import Fault, Plan, Report, Seen, put_into, table

ROOT = Path(__file__).parents[1]

#: Inputs for each parser, and for each convention.
INPUTS, EVENTS = 150, 60


@pytest.mark.parametrize("fault", [*killed.FAULTS, *signalled.FAULTS, *archived.FAULTS], ids=lambda fault: fault.name)
def test_the_promise_holds(fault: Fault, tmp_path: Path) -> None:
    """Each fault, tried a few times."""
    seen = fault.run(Plan(0.01, 14, tmp_path))
    assert not seen.broken
    assert seen.tried


@pytest.mark.parametrize("name", [name for name in parsers.PARSERS if not name.startswith("convention-")])
def test_random_inputs(name: str) -> None:
    """Each parser reads its input or refuses it in its own words."""
    choose = random.Random(name)
    with parsers.prepared(name) as (check, seeds):
        for _ in range(INPUTS):
            data = mutated(choose.choice(seeds), choose)
            try:
                check(data)
            except Exception as error:
                raise AssertionError(f"for {data!r}") from error


@pytest.mark.parametrize("name", [name for name in parsers.PARSERS if name.startswith("convention-")])
def test_random_events(name: str) -> None:
    """Each convention answers any event, or refuses it with an error that has a type; in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "faults.fuzz", name, "--inputs", str(EVENTS)],
        cwd=ROOT, capture_output=True, text=True, errors="replace", check=False,
    )  # fmt: skip
    if done.returncode == 2:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr[-2000:]
    assert f"{EVENTS} inputs, 0 failures" in done.stdout


def test_a_failure_is_found(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A parser that raises something else is caught, and its input is shown."""
    broken = parsers._plain(ValueError, lambda data: {}[data], [b"seed"])
    monkeypatch.setitem(parsers.PARSERS, "broken", broken)
    from faults.fuzz import __main__ as fuzz

    assert fuzz.main(["broken", "--inputs", "3"]) == 1
    seen = capfd.readouterr()
    assert "3 inputs, 3 failures" in seen.out
    assert "failed for b'seed'" in seen.err
    assert "KeyError" in seen.err


def test_the_page(tmp_path: Path) -> None:
    """The command's table is put between the marks; a broken promise is part of it, and of the status."""
    fault = Fault("one", "what", "promise", lambda plan: Seen("2 times", "1 | 2", ("once",)))
    report = Report({"python": "3.13"}, {"one": fault.run(Plan(1, 1, tmp_path))})
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- faults -->\nold\n<!-- end of faults -->\nafter\n")
    put_into(page, table(Report.from_json(report.to_json()), [fault]))
    assert page.read_text() == (
        "before\n<!-- faults -->\n\nPython 3.13.\n\n| fault | tried | promised | seen |\n| --- | --- | --- | --- |\n"
        "| **one**: what | 2 times | promise | 1 \\| 2<br>**broken**: once |\n\n<!-- end of faults -->\nafter\n"
    )
    file = tmp_path / "seen.json"
    file.write_text(report.to_json())
    assert command.main(["--read", str(file)]) == 1


def test_an_unknown_fault(capsys: pytest.CaptureFixture[str]) -> None:
    """The message names those that there are."""
    with pytest.raises(SystemExit):
        command.main(["nope"])
    assert "no fault 'nope'; known: steady" in capsys.readouterr().err
