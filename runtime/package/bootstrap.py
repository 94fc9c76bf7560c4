"""Builds the self-contained bootstrap: an interpreter, its standard library and our runtime, zipped or in one file."""

from __future__ import annotations

from pathlib import Path

from runtime.package import onefile
from runtime.package.target import Target
from runtime.package.work import SITE, Built, Progress, work


def build(file: Path, target: Target, *, progress: Progress = lambda *_: None) -> Built:
    """Build a bootstrap that runs where there is no Python at all.

    Args:
        file: what to make: a name that ends in .zip is an archive with `bootstrap` at its top, to be a layer or part of
            a function; any other name is one executable file.
        target: the Python and architecture it is for.
        progress: told of each step.

    Raises:
        PackageError: it can't be built.
    """
    zipped = file.suffix == ".zip"
    with work(file, target, progress, 4) as making:
        making.add_runtime(SITE)
        making.add_interpreter(SITE)
        making.add_listing(SITE)
        compiled = making.compile("/opt" if zipped else "/bootstrap")
        sizes = making.pack() if zipped else onefile.write(making)
        return making.finish(compiled, sizes)
