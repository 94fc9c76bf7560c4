"""Builds the self-contained bootstrap: an interpreter, its standard library and our runtime, as a zip or one file."""

from __future__ import annotations

from pathlib import Path

from runtime.package import onefile
from runtime.package.progress import OnProgress, no_progress
from runtime.package.staging import SITE, Built, Staging
from runtime.package.target import BuildTarget


def build_bootstrap(file: Path, target: BuildTarget, *, progress: OnProgress = no_progress) -> Built:
    """Build a bootstrap that runs on systems without Python.

    Args:
        file: the output: a name that ends in .zip makes an archive with `bootstrap` at its top, for a layer or as part
            of a function; any other name makes one executable file.
        target: the Python and architecture to build for.
        progress: called at each step.

    Raises:
        PackageError: it cannot be built.
    """
    zipped = file.suffix == ".zip"
    with Staging.open(file, target, progress, 4) as staging:
        staging.add_runtime(SITE)
        staging.add_interpreter(SITE)
        staging.add_listing(SITE)
        compiled = staging.compile("/opt" if zipped else "/bootstrap")
        sizes = staging.pack() if zipped else onefile.write_executable(staging)
        return staging.finish(compiled, sizes)
