"""Builds a layer: the runtime, its dependencies and any other libraries, for AWS's managed Python or with its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from runtime.package import scripts
from runtime.package.target import Target
from runtime.package.work import Built, Progress, work


def build(
    file: Path,
    target: Target,
    *,
    requirements: Sequence[str] = (),
    files: Sequence[Path] = (),
    with_interpreter: bool = False,
    progress: Progress = lambda *_: None,
) -> Built:
    """Build a layer archive; Lambda unpacks it at /opt.

    Args:
        file: the archive to make.
        target: the Python and architecture it is for.
        requirements: other libraries to put in.
        files: requirements files to put in.
        with_interpreter: whether the layer brings its own Python, for provided.al2023.
        progress: told of each step.

    Raises:
        PackageError: it can't be built.
    """
    with work(file, target, progress, 3 + with_interpreter) as making:
        making.add_runtime("python", requirements, files)
        making.add_script("dispatch", scripts.wrapper(target))
        if with_interpreter:
            making.add_interpreter("python")
        making.add_listing()
        compiled = making.compile("/opt")
        return making.finish(compiled, making.pack())
