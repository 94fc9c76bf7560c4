"""What `pyproject.toml` says of this project agrees with the code."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from dispatch import __version__
from dispatch.shadowing import OUR_PACKAGES

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def settings() -> dict[str, Any]:
    """The file as a mapping."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_the_version_stands_in_one_place(settings: dict[str, Any]) -> None:
    """The build backend reads it from the code, so the installed distribution has it too."""
    assert ["version"] == settings["project"]["dynamic"]
    assert "dispatch/__init__.py" == settings["tool"]["hatch"]["version"]["path"]
    assert __version__ == version("handler-dispatch")


def test_the_command_shows_the_version() -> None:
    """`dispatch --version` shows that of the code."""
    done = subprocess.run(
        [sys.executable, "-m", "runtime.cli", "--version"], capture_output=True, text=True, timeout=60, check=False
    )
    assert ("", f"dispatch, version {__version__}\n") == (done.stderr, done.stdout)


@pytest.mark.parametrize(
    "path",
    ["hatch.build.targets.wheel.packages", "importlinter.root_packages", "coverage.run.source"],
)
def test_our_packages(settings: dict[str, Any], path: str) -> None:
    """Each list of our packages is the one in the code."""
    found = settings["tool"]
    for key in path.split("."):
        found = found[key]
    assert [*OUR_PACKAGES] == found


@pytest.mark.parametrize("path", ["hatch.build.targets.sdist.include", "mypy.files"])
def test_our_packages_among_others(settings: dict[str, Any], path: str) -> None:
    """Each list that begins with our packages has them as in the code."""
    found = settings["tool"]
    for key in path.split("."):
        found = found[key]
    assert [*OUR_PACKAGES] == found[: len(OUR_PACKAGES)]
