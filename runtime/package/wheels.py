"""Fetches wheels for the target with pip, on any machine, and lays out what is in them.

Nothing is built and nothing of the fetched code is run: a requirement that has only a source distribution is refused.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from runtime.package.errors import PackageError
from runtime.package.target import Target

# pip writes these when it installs; they name the installing machine, or list files that are not laid out here.
LEFT_OUT = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")

_NOT_FOUND = re.compile(r"requirement (\S+)")


def fetch(
    requirements: Sequence[str],
    files: Sequence[Path],
    target: Target,
    into: Path,
    interpreter: Path | None,
) -> list[Path]:
    """Download the wheels of the requirements, and of what they require, that run on the target.

    Args:
        requirements: as pip takes them: "numpy", "num2words>=0.5", the path of a wheel.
        files: requirements files.
        target: the Python and architecture the wheels are for.
        into: an existing, empty folder.
        interpreter: a Python of the target's version, if one is at hand: pip judges environment markers by the
            interpreter that runs it, whatever version it downloads for.

    Raises:
        PackageError: pip is missing, or found no wheel for a requirement.
    """
    if not requirements and not files:
        return []
    _have_pip()
    command = [sys.executable, "-m", "pip"]
    if interpreter is not None:
        command += ["--python", str(interpreter)]
    command += [
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--only-binary=:all:",
        "--dest",
        str(into),
    ]
    command += ["--implementation=cp", f"--python-version={target.python}"]
    command += [f"--platform={platform}" for platform in target.platforms()]
    command += [argument for file in files for argument in ("--requirement", str(file))]
    done = subprocess.run([*command, *requirements], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise PackageError(_explain(done.stderr, target))
    return sorted(into.glob("*.whl"))


def _have_pip() -> None:
    done = subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, check=False)
    if done.returncode != 0:
        raise PackageError(
            f"no pip in the environment of {sys.executable}, and wheels are fetched with it; "
            "pip install 'handler-dispatch[build]' brings it"
        )


def _explain(output: str, target: Target) -> str:
    errors = [line.removeprefix("ERROR: ") for line in output.splitlines() if line.startswith("ERROR: ")]
    reason = "; ".join(errors) or output.strip()[-500:]
    missing = _NOT_FOUND.search(reason)
    name = missing.group(1) if missing and "find a version" in reason else None
    if name is None:
        return f"pip could not fetch the wheels for Python {target.python} on {target.arch}: {reason}"
    return (
        f"no wheel of {name} for Python {target.python} on {target.arch} (glibc 2.{_newest_glibc(target)} or older): "
        "the index has only source distributions of it, wheels for other platforms, or nothing of that name; "
        f"build a wheel of it on such a machine and give its path in place of the name. pip said: {reason}"
    )


def _newest_glibc(target: Target) -> str:
    return target.platforms()[0].split("_")[2]


def unpack(wheel: Path, into: Path) -> None:
    """Lay out a wheel's packages and metadata in a folder, as an installer would, without scripts and headers.

    Raises:
        PackageError: two wheels bring the same file with different content, or the wheel is no wheel.
    """
    try:
        archive = zipfile.ZipFile(wheel)
    except zipfile.BadZipFile:
        raise PackageError(f"{wheel.name} is not a wheel: it is no zip archive") from None
    with archive:
        for member, place in _places(archive):
            path = into / place
            if not path.resolve().is_relative_to(into.resolve()):
                raise PackageError(f"{wheel.name} has a file that would leave the folder: {member.filename}")
            content = archive.read(member)
            if path.exists() and path.read_bytes() != content:
                raise PackageError(f"{wheel.name} brings {place}, and so does another package with different content")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            if member.external_attr >> 16 & 0o111:
                path.chmod(0o755)


def _places(archive: zipfile.ZipFile) -> Iterator[tuple[zipfile.ZipInfo, str]]:
    """Each file to lay out, with its place: the two library folders of ``NAME.data`` belong to the top."""
    for member in archive.infolist():
        parts = PurePosixPath(member.filename).parts
        if member.is_dir() or (len(parts) == 2 and parts[0].endswith(".dist-info") and parts[1] in LEFT_OUT):
            continue
        if not parts[0].endswith(".data"):
            yield member, member.filename
        elif len(parts) > 2 and parts[1] in ("purelib", "platlib"):
            yield member, "/".join(parts[2:])


def install(
    requirements: Sequence[str],
    files: Sequence[Path],
    target: Target,
    into: Path,
    interpreter: Path | None,
) -> list[str]:
    """Fetch and lay out; the names and versions of what came, as "name==version", sorted."""
    with tempfile.TemporaryDirectory() as folder:
        wheels = fetch(requirements, files, target, Path(folder), interpreter)
        into.mkdir(parents=True, exist_ok=True)
        for wheel in wheels:
            unpack(wheel, into)
        return sorted(_name(wheel) for wheel in wheels)


def _name(wheel: Path) -> str:
    name, version, *_ = wheel.name.split("-")
    return f"{name.replace('_', '-').lower()}=={version}"
