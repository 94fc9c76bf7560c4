"""`python -m benchmarks.tricks`: what each trick of docs/explanations/tricks.md saves a cold start, in milliseconds.

Each figure is the time of the imports that the trick avoids, less that of what takes their place: the median of many
fresh interpreters, in each of which what the runtime has imported anyway is there already.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence

#: What the runtime imports in any case.
_THERE = "import contextvars, os, sys, time, zipimport; from importlib import import_module; import dispatch.cold_start"

#: What is avoided, and what takes its place.
TRICKS: Mapping[str, tuple[str, str]] = {
    "stand-in for typing": (
        "import httptools",
        "dispatch.cold_start.import_without('typing', 'httptools')",
    ),
    "stand-in for inspect": (
        "import pluggy",
        "dispatch.cold_start.import_without('inspect', 'pluggy')",
    ),
    "logging, when it is imported": ("import logging", ""),
    "no pluggy without a plugin": ("import pluggy", ""),
    "entry_points.txt": ("import importlib.metadata", "import dispatch.discovery"),
    "_signal": ("import signal", "import _signal"),
    "_socket": ("import socket", "import _socket"),
    "_collections_abc": ("import collections.abc", "import _collections_abc"),
    "the tree without ast": ("import ast", "import _ast"),
    "the host as bytes": ("import encodings.idna", ""),
    "simplejson when it is needed": ("import simplejson", "import dispatch.late"),
    "asyncio at the first awaitable": ("import asyncio", ""),
}


def seconds(statement: str) -> float:
    """How long a statement takes in a fresh interpreter."""
    code = f"{_THERE}\nbefore = time.perf_counter()\n{statement}\nprint(time.perf_counter() - before)"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


def saved(rounds: int) -> Mapping[str, float]:
    """What each trick saves, in seconds: a median over rounds, in each of which every statement runs once."""
    differences: dict[str, list[float]] = {name: [] for name in TRICKS}
    for _ in range(rounds):
        for name, (avoided, instead) in TRICKS.items():
            differences[name].append(seconds(avoided) - seconds(instead or "pass"))
    return {name: statistics.median(values) for name, values in differences.items()}


def main(arguments: Sequence[str]) -> None:
    """Print a line for each trick; `--quick` measures once instead of 25 times."""
    for name, value in saved(1 if "--quick" in arguments else 25).items():
        print(f"{value * 1000:6.1f} ms  {name}")


if __name__ == "__main__":
    main(sys.argv[1:])
