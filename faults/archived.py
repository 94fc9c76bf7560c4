"""Damaged and hostile archives, checked as by `dispatch build check`."""

import resource
import time

from support.hostile import check_hostile, hostile_archive

from faults.report import Fault, Plan, Seen

#: Seconds that a check may take on a busy machine, and bytes of memory for this process.
LONGEST, MEMORY = 20, 2 * 1024**3


def run(plan: Plan) -> Seen:
    """Check archives that are made from seeds; `hostile_archive(seed)` makes one of them again."""
    file, slowest, broken = plan.folder / "a.zip", 0.0, []
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, limits[1]))
    seeds = range(plan.seed, plan.seed + plan.times(20_000, 20))
    try:
        for seed in seeds:
            file.write_bytes(hostile_archive(seed))
            start = time.monotonic()
            problem = check_hostile(file, seed)
            took = time.monotonic() - start
            slowest = max(slowest, took)
            if problem or took > LONGEST:
                broken.append(f"seed {seed}: {problem or f'it took {took:.0f} s'}")
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
    return Seen(f"{len(seeds):,} archives", f"the slowest took {slowest:.1f} s", tuple(broken))


FAULTS = (
    Fault(
        "archives",
        "damaged and hostile archives for `dispatch build check`: lying sizes, links, bombs, broken ELF files",
        f"a report, or an error in a sentence, within {LONGEST} s and {MEMORY >> 30} GB",
        run,
    ),
)
