"""The command `python -m faults.fuzz`: one parser, many inputs; `--help` lists its options.

With atheris, inputs follow the coverage of our own code, and libFuzzer stops at the first failure, with the input in a
file. Without it, and with `--inputs`, the seeds are changed at random.
"""

import argparse
import random
import sys
import traceback
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from faults.fuzz.mutations import mutated


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status: 1 after a failure."""
    parser = argparse.ArgumentParser(prog="python -m faults.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("name", nargs="?", help="the parser; without a name, all are listed")
    parser.add_argument("--seconds", type=int, default=60, metavar="N", help="for how long, with atheris (60)")
    parser.add_argument("--inputs", type=int, metavar="N", help="change the seeds N times instead, without atheris")
    parser.add_argument("--seed", type=int, default=14, metavar="N", help="what random choices follow from (14)")
    options = parser.parse_args(arguments)
    if options.inputs is None and options.name:
        import atheris  # instruments what is imported from here on
    else:
        atheris = None
    with atheris.instrument_imports(include=["dispatch", "conventions", "runtime"]) if atheris else nullcontext():
        from faults.fuzz import parsers
    if options.name is None:
        print("\n".join(parsers.PARSERS))
        return 0
    if options.name not in parsers.PARSERS:
        parser.error(f"no parser {options.name!r}; known: {', '.join(parsers.PARSERS)}")
    try:
        with parsers.prepared(options.name) as (check, seeds):
            if atheris is None:
                return _changed(check, seeds, options.inputs, random.Random(options.seed))
            return _guided(atheris, check, seeds, options)
    except parsers.Unavailable as error:
        print(error, file=sys.stderr)
        return 2


def _changed(check: Any, seeds: list[bytes], count: int, choose: random.Random) -> int:
    pool, failures = list(seeds), 0
    for number in range(count):
        data = seeds[number] if number < len(seeds) else mutated(choose.choice(pool), choose)
        try:
            check(data)
        except Exception:  # noqa: BLE001 - that is what is looked for
            failures += 1
            print(f"failed for {data[:2000]!r}:\n{traceback.format_exc()}", file=sys.stderr)
            if failures == 5:
                break
        # What is changed further gets away from the seeds, but not for good.
        pool = [*seeds, *pool[len(seeds) :][-50:], data]
    print(f"{number + 1} inputs, {failures} failures")
    return int(failures > 0)


def _guided(atheris: Any, check: Any, seeds: list[bytes], options: argparse.Namespace) -> int:
    def mutate(data: bytes, most: int, seed: int) -> bytes:
        choose = random.Random(seed)
        new = mutated(data, choose) if choose.random() < 0.7 else atheris.Mutate(data, most)
        return bytes(new[:most])

    folder = _corpus(seeds)
    limits = [f"-max_total_time={options.seconds}", f"-seed={options.seed}", "-timeout=20", "-max_len=20000"]
    limits += ["-rss_limit_mb=4096", "-print_final_stats=1", "-verbosity=0", f"-artifact_prefix={folder}/", folder]
    atheris.Setup([sys.argv[0], *limits], check, custom_mutator=mutate)
    atheris.Fuzz()  # ends the process
    return 0


def _corpus(seeds: list[bytes]) -> str:
    """A new folder with the seeds, one file each, as libFuzzer takes them."""
    folder = Path(mkdtemp(prefix="fuzz-"))
    for number, seed in enumerate(seeds):
        (folder / f"seed{number}").write_bytes(seed)
    return str(folder)


if __name__ == "__main__":
    raise SystemExit(main())
