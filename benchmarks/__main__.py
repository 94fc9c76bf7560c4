"""The command `python -m benchmarks`: measures, and prints tables; `--help` lists its options."""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from benchmarks import rie
from benchmarks.plot import speed
from benchmarks.report import END, START, Report, caption, check_marks, machine, parts, put_into, tables
from benchmarks.rounds import BenchError, Series, bench, can_drop_file_cache, measure
from benchmarks.scenarios import SCENARIOS, Scenario
from benchmarks.subjects import SUBJECTS

DESCRIPTION = """
Measure this runtime, AWS's awslambdaric and the floor side by side; the floor is a bare interpreter and a client in C.
Each figure is a median over rounds in which the subjects take turns, ± half the distance between the quartiles;
× is the median of the ratios to the first runtime in the table, round by round. Example:

  python -m benchmarks small json --quick --check
"""


#: The highest load per processor at which a machine counts as quiet.
QUIET = 0.3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    options = _parser().parse_args(arguments)
    if sys.platform != "linux":
        print("the benchmarks need Linux, for /proc and its clocks; this is " + sys.platform, file=sys.stderr)
        return 2
    try:
        pages = _pages(options)
        report = _read(options.read) if options.read else _measured(options)
    except BenchError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    print(tables(report))
    if options.json:
        options.json.write_text(report.to_json())
    for page, text in pages.items():
        page.write_text(put_into(text, parts(report)))
    if options.svg:
        for name, text in speed(report.series, caption(report), options.svg.stem).files():
            options.svg.with_name(name).write_text(text)
    return int(options.check and not all(verdict.met for verdict in report.verdicts))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"which to run (all): {', '.join(SCENARIOS)}")
    parser.add_argument(
        "--subject", action="append", choices=SUBJECTS, metavar="NAME", help="run only this one; repeatable"
    )
    parser.add_argument("--quick", action="store_true", help="at most 3 rounds, and a quarter of the growth")
    parser.add_argument("--rounds", type=_count, metavar="N", help="run N rounds in every scenario")
    parser.add_argument("--same-cpu", action="store_true", help="server and runtime on one processor in every scenario")
    parser.add_argument("--check", action="store_true", help="exit with status 1 unless every budget is met")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    parser.add_argument(
        "--svg", type=Path, metavar="FILE", help="draw the figures: a.svg is a-light.svg and a-dark.svg"
    )
    parser.add_argument(
        "--page",
        type=Path,
        metavar="PATH",
        help="insert the tables between the marks of a page, or of a folder's pages",
    )
    parser.add_argument(
        "--read", type=Path, metavar="FILE", help="report on figures that --json wrote, without measuring"
    )
    return parser


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _pages(options: argparse.Namespace) -> dict[Path, str]:
    """The pages with marks, and their texts. Raises BenchError for a file that could not be written later."""
    for file in filter(None, (options.json, options.page, options.svg)):
        if not file.parent.is_dir():
            raise BenchError(f"no folder {file.parent} for {file.name}")
        if file is options.page:
            if not file.exists():
                raise BenchError(f"no page or folder {file}")
        elif file.is_dir():
            raise BenchError(f"no file {file}")
    if not options.page:
        return {}
    files = sorted(options.page.rglob("*.md")) if options.page.is_dir() else [options.page]
    pages = {file: file.read_text() for file in files}
    marked = {file: text for file, text in pages.items() if check_marks(file.name, text)}
    if not marked:
        raise BenchError(
            f"{options.page} has no place for figures; it needs a line {START} and, below it, a line {END}"
        )
    return marked


def _read(file: Path) -> Report:
    try:
        return Report.from_json(file.read_text())
    except OSError as error:
        raise BenchError(f"cannot read {file}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise BenchError(f"{file} does not contain figures; pass a file that --json wrote") from error


def _measured(options: argparse.Namespace) -> Report:
    about = machine()
    if about["load before"] > QUIET * about["processors"]:
        print(f"benchmarks: this machine is not quiet: its load is {about['load before']}", file=sys.stderr)
    series: list[Series] = []
    scenarios = [_adjusted(scenario, options) for scenario in _chosen(options.scenarios)]
    with bench() as place, _progress() as progress:
        for scenario in scenarios:
            subjects = [SUBJECTS[name] for name in scenario.subjects if not options.subject or name in options.subject]
            series += measure(place, scenario, subjects, progress)
    settings = {
        "rounds": ", ".join(f"{scenario.name} {scenario.rounds}" for scenario in scenarios),
        "processors": "one in every scenario" if options.same_cpu else "as each scenario says",
    }
    return Report(about, settings, tuple(scenario.name for scenario in scenarios), tuple(series))


def _chosen(names: Sequence[str]) -> list[Scenario]:
    unknown = [name for name in names if name not in SCENARIOS]
    if unknown:
        raise BenchError(f"no scenario {', '.join(map(repr, unknown))}; available: {', '.join(SCENARIOS)}")
    chosen = [SCENARIOS[name] for name in names or SCENARIOS]
    if any(scenario.platforms for scenario in chosen):
        try:
            rie.binary()
        except rie.NoEmulator as reason:
            if names:
                raise BenchError(f"AWS's emulator cannot be had: {reason}") from reason
            print(f"benchmarks: the comparison with AWS's emulator is left out: {reason}", file=sys.stderr)
            chosen = [scenario for scenario in chosen if not scenario.platforms]
    if can_drop_file_cache():
        return chosen
    if any(SCENARIOS[name].cold_cache for name in names):
        raise BenchError("the file cache cannot be emptied: /proc/sys/vm/drop_caches is not writable for this user")
    return [scenario for scenario in chosen if not scenario.cold_cache]


def _adjusted(scenario: Scenario, options: argparse.Namespace) -> Scenario:
    rounds = options.rounds or (min(scenario.rounds, 3) if options.quick else scenario.rounds)
    measured = scenario.measured // 4 if options.quick and scenario.name == "growth" else scenario.measured
    placement = "together" if options.same_cpu else scenario.placement
    return replace(scenario, rounds=rounds, measured=measured, placement=placement)


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """One line that shows the current run, if standard error is a terminal; otherwise nothing."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    yield lambda text: print(f"\r{text:<60}", end="", file=sys.stderr, flush=True)
    print(f"\r{'':<60}\r", end="", file=sys.stderr)


if __name__ == "__main__":
    raise SystemExit(main())
