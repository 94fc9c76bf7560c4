"""Builds a layer: the runtime, its dependencies and other libraries, for AWS's Python or with one of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from runtime.package import start_scripts
from runtime.package.progress import OnProgress, no_progress
from runtime.package.staging import Built, Staging
from runtime.package.target import BuildTarget


def build_layer(
    file: Path,
    target: BuildTarget,
    *,
    requirements: Sequence[str] = (),
    files: Sequence[Path] = (),
    with_interpreter: bool = False,
    progress: OnProgress = no_progress,
) -> Built:
    """Build a layer archive, which Lambda unpacks at /opt.

    Args:
        file: the output.
        target: the Python and architecture to build for.
        requirements: other libraries to include.
        files: requirements files to include.
        with_interpreter: whether the layer includes a Python, for provided.al2023.
        progress: called at each step.

    Raises:
        PackageError: it cannot be built.
    """
    with Staging.open(file, target, progress, 3 + with_interpreter) as staging:
        staging.add_runtime("python", requirements, files)
        staging.add_script("dispatch", start_scripts.wrapper_script(target))
        if with_interpreter:
            staging.add_interpreter("python")
        staging.add_listing()
        compiled = staging.compile("/opt")
        return staging.finish(compiled, staging.pack())
