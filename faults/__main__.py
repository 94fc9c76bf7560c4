"""The command `python -m faults`: tries every fault and reports what was seen; `--help` lists its options."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from faults import archived, fuzzed, killed, sequences, signalled, steady
from faults.queues import tried as queues
from faults.report import Plan, Report, put_into, table

FAULTS = (
    *steady.FAULTS,
    *sequences.FAULTS,
    *killed.FAULTS,
    *queues.FAULTS,
    *signalled.FAULTS,
    *archived.FAULTS,
    *fuzzed.FAULTS,
)

DESCRIPTION = """
Try each fault many times, with the real runtime and the real local platform, and report what was seen.
The usual numbers take about two hours; --scale 0.01 takes a minute or two. Examples:

  python -m faults crowd sigterm --scale 0.1
  python -m faults --json docs/explanations/reliability.json --page docs/explanations/reliability.md
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status: 1 if a promise was broken."""
    names = [fault.name for fault in FAULTS]
    parser = argparse.ArgumentParser(
        prog="python -m faults", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=f"which to try (all): {', '.join(names)}")
    parser.add_argument("--scale", type=float, default=1.0, metavar="X", help="X times the usual numbers (1)")
    parser.add_argument("--seed", type=int, default=14, metavar="N", help="what random choices follow from (14)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was seen to FILE")
    parser.add_argument("--page", type=Path, metavar="FILE", help="insert the table between the marks of FILE")
    parser.add_argument("--read", type=Path, metavar="FILE", help="begin with what --json wrote")
    options = parser.parse_args(arguments)
    for name in options.faults:
        if name not in names:
            parser.error(f"no fault {name!r}; known: {', '.join(names)}")
    with TemporaryDirectory(prefix="faults-") as folder:
        plan = Plan(options.scale, options.seed, Path(folder))
        report = Report.from_json(options.read.read_text()) if options.read else Report.begun(plan)
        chosen = [] if options.read and not options.faults else [*options.faults] or names
        for fault in FAULTS:
            if fault.name in chosen:
                print(f"{fault.name}: {fault.what}", file=sys.stderr, flush=True)
                place = plan.folder / fault.name
                place.mkdir()
                report.seen[fault.name] = fault.run(replace(plan, folder=place))
    print(table(report, FAULTS))
    if options.json:
        options.json.write_text(report.to_json())
    if options.page:
        put_into(options.page, table(report, FAULTS))
    return int(any(one.broken for one in report.seen.values()))


if __name__ == "__main__":
    raise SystemExit(main())
