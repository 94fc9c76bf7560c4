"""Checks damaged and hostile archives for a while: no traceback, no file outside, no long work.

Run `python scripts/fuzz/archives.py --seconds 60`. It prints how many archives it has checked, and for each failure the
seed with which `--seed` makes the archive again. The status is 1 if there was a failure.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[2] / "tests")]

from support.hostile import check_hostile, hostile_archive

#: Seconds that a check may take on a busy machine, and bytes of memory for all of them.
LONGEST, MEMORY = 20, 2 * 1024**3


def main() -> int:
    """Check archives until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long")
    parser.add_argument("--seed", type=int, help="only the archive of this seed")
    parser.add_argument("--first", type=int, default=0, help="the seed to begin with")
    given = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    first = given.first if given.seed is None else given.seed
    end, seed, failed, slowest = time.monotonic() + given.seconds, first, 0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "a.zip"
        while time.monotonic() < end:
            file.write_bytes(hostile_archive(seed))
            start = time.monotonic()
            problem = check_hostile(file, seed)
            took = time.monotonic() - start
            slowest = max(slowest, took)
            if problem or took > LONGEST:
                failed += 1
                print(f"seed {seed}: {problem or f'took {took:.0f} s'}")
            seed += 1
            if given.seed is not None:
                break
    print(f"{seed - first} archives, {failed} failures, the slowest took {slowest:.1f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
