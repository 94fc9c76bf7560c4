"""Compiles the two C programs: the Runtime API server, which measures, and the client, which is the floor."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Wpedantic")


def cache_folder() -> Path:
    """The folder that keeps compiled programs between runs (XDG Base Directory Specification)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "handler-dispatch" / "benchmarks"


def compiled(name: str) -> Path:
    """The executable of `{name}.c`, compiled if the source has changed. Raises FileNotFoundError without a compiler."""
    source = Path(__file__).with_name(f"{name}.c")
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise FileNotFoundError("the benchmarks need a C compiler: no 'cc' on PATH; install one or set CC")
    parts = [source.read_bytes(), source.with_name("request.h").read_bytes(), *map(str.encode, (compiler, *FLAGS))]
    digest = hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]
    program = cache_folder() / f"{name}-{digest}"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        # Renamed into place, so that a parallel run never sees half a program.
        unfinished = program.with_suffix(f".{os.getpid()}")
        subprocess.run([compiler, *FLAGS, "-o", str(unfinished), str(source)], check=True)
        unfinished.replace(program)
    return program
