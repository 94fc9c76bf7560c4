"""Many invocations in each convention: memory, descriptors and threads must stay as they are."""

import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks import native
from benchmarks.subjects import LAMBDA
from dispatch.discovery import BUILT_IN
from faults.report import Fault, Plan, Seen
from runtime.scaffold import files, function

#: What may be added after the warm-up, in KiB: one arena of CPython's allocator. The smallest leak, one object for each
#: of 200,000 invocations, would be three.
ARENA = 1024

#: The invocations before the first look at memory, for each 20 that follow.
WARM_UP = 2


def run(plan: Plan) -> Seen:
    """Run each convention's function, as `dispatch new function` writes it, under the benchmarks' Runtime API."""
    platform = native.compiled("platform")
    count = plan.times(200_000, 200)
    grown: dict[str, float] = {}
    broken, left_out = [], []
    for convention in BUILT_IN:
        print(f"  {convention}", file=sys.stderr, flush=True)
        folder = plan.folder / convention
        files.write(folder, function.files("steady", convention))
        done = subprocess.run(
            [platform, "-e", _event(folder), "-o", folder / "answer", "-t", "14400", "-w", str(count // 20 * WARM_UP),
             "-n", str(count), "--", sys.executable, "-P", "-m", "runtime", function.about(convention).handler],
            cwd=folder / "function", env=_variables(convention, folder), capture_output=True, text=True, check=False,
        )  # fmt: skip
        if "No module named" in done.stderr:
            left_out.append(convention)
        elif done.returncode:
            broken.append(f"{convention}: {done.stderr.strip()[-300:]}")
        else:
            figures = json.loads(done.stdout)
            grown[convention] = figures["resident_kib"] - figures["resident_before_kib"]
            broken += _changes(convention, figures)
    most = max(grown, key=lambda name: grown[name], default="")
    missing = f"; not tried, because a package is missing: {', '.join(left_out)}" if left_out else ""
    return Seen(
        f"{count:,} invocations in each of {len(grown)} conventions",
        f"memory grew by at most {grown.get(most, 0):.0f} KiB ({most}); no descriptor or thread was left{missing}",
        tuple(broken),
    )


def _changes(convention: str, figures: dict[str, float]) -> list[str]:
    grown = figures["resident_kib"] - figures["resident_before_kib"]
    found = [f"{convention}: memory grew by {grown:.0f} KiB"] if grown > ARENA else []
    return found + [
        f"{convention}: {figures[f'{name}_before']:.0f} {name} became {figures[name]:.0f}"
        for name in ("descriptors", "threads")
        if figures[name] > figures[f"{name}_before"]
    ]


def _event(folder: Path) -> Path:
    return next(folder.glob("event.*"))


def _variables(convention: str, folder: Path) -> dict[str, str]:
    return {
        **LAMBDA,
        "PATH": os.environ["PATH"],
        "LAMBDA_TASK_ROOT": str(folder / "function"),
        "HANDLER_CONVENTION": convention,
        **function.about(convention).variables,
    }


FAULTS = (
    Fault(
        "steady",
        "many invocations in one execution environment, in each convention",
        f"every answer is right; memory grows by at most {ARENA} KiB, descriptors and threads not at all",
        run,
    ),
)
