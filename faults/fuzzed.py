"""Random inputs for every parser, guided by coverage where atheris is installed (`pip install atheris`)."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from faults.report import Fault, Plan, Seen

ROOT = Path(__file__).parents[1]


def run(plan: Plan) -> Seen:
    """Fuzz each parser in a process of its own."""
    names = _fuzz().stdout.split()
    guided = find_spec("atheris") is not None
    how = ["--seconds", str(plan.times(60))] if guided else ["--inputs", str(plan.times(20_000, 50))]
    inputs, tried, broken, left_out = 0, 0, [], []
    for name in names:
        print(f"  {name}", file=sys.stderr, flush=True)
        done = _fuzz(name, *how, "--seed", str(plan.seed))
        counted = re.search(r"number_of_executed_units: (\d+)|^(\d+) inputs", done.stdout + done.stderr, re.MULTILINE)
        if done.returncode == 2:
            left_out.append(name)
            continue
        tried += 1
        inputs += int(next(filter(None, counted.groups()))) if counted else 0
        if done.returncode or not counted:
            broken.append(f"{name}: {done.stderr.strip()[-600:]}")
    missing = f"; not tried, because a package is missing: {', '.join(left_out)}" if left_out else ""
    return Seen(
        f"{inputs:,} inputs for {tried} parsers{', guided by coverage' if guided else ''}",
        f"{len(broken)} of them raised anything else{missing}",
        tuple(broken),
    )


def _fuzz(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "faults.fuzz", *arguments], cwd=ROOT, capture_output=True, text=True, check=False,
        errors="replace",
    )  # fmt: skip


FAULTS = (
    Fault(
        "fuzz",
        "random inputs for every parser that gets a stranger's bytes",
        "each is read, or refused with one of Dispatch's own errors; nothing else is raised, nothing hangs",
        run,
    ),
)
