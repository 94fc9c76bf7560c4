"""The command where the extras `build` and `aws` are not installed, by blocking the import of their libraries."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.files import write

BUILD = ("elftools", "packaging", "uv")
AWS = ("boto3", "botocore", "s3transfer")
PAGES = [
    ["build"],
    *(["build", name] for name in ("layer", "function", "bootstrap", "check")),
    ["publish"],
    *(["publish", name] for name in ("layer", "function")),
]


def dispatch(*arguments: str, without: Sequence[str], cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command without some libraries."""
    code = "import sys; sys.modules.update(dict.fromkeys(sys.argv.pop(1).split(','))); from runtime.cli import main; main()"
    command = [sys.executable, "-c", code, ",".join(without), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, cwd=cwd)


@pytest.mark.parametrize("page", PAGES, ids=" ".join)
def test_help_needs_no_extra(page: list[str]) -> None:
    """Each help page of `build` and `publish` is shown with its example."""
    done = dispatch(*page, "--help", without=(*BUILD, *AWS))
    assert ("", 0) == (done.stderr, done.returncode)
    assert f"Example: dispatch {' '.join(page)}" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "without", "libraries", "extras"),
    [
        ("build layer -o a.zip", BUILD, "elftools, packaging, uv", "build"),
        ("build function app.py -o a.zip", BUILD, "elftools, packaging, uv", "build"),
        ("build bootstrap -o a.zip", BUILD, "elftools, packaging, uv", "build"),
        ("build check app.zip", ("elftools",), "elftools", "build"),
        ("publish layer name app.zip", (*BUILD, *AWS), "elftools, packaging, uv, boto3, botocore", "build,aws"),
        ("publish function name app.zip --dry-run", AWS, "boto3, botocore", "aws"),
    ],
)
def test_a_command_names_the_extra_that_it_needs(
    tmp_path: Path, arguments: str, without: Sequence[str], libraries: str, extras: str
) -> None:
    """In words on standard error, and for a program in JSON; nothing is written."""
    write(tmp_path, {"app.py": "", "app.zip": ""})
    name = " ".join(arguments.split()[:2])
    expected = f"`dispatch {name}` needs {libraries}, not installed here; pip install 'handler-dispatch[{extras}]'"
    done = dispatch(*arguments.split(), "--json", without=without, cwd=tmp_path)
    assert ({"error": expected}, f"Error: {expected}\n", 1) == (
        json.loads(done.stdout),
        done.stderr,
        done.returncode,
    )
    assert ["app.py", "app.zip"] == sorted(path.name for path in tmp_path.iterdir())


@pytest.mark.parametrize(("arguments", "library"), [("build --help", "rich"), ("plugins", "packaging")])
def test_a_library_of_the_extra_local(arguments: str, library: str) -> None:
    """A library that a subcommand imports at once, or needs later, is of the extra `local`."""
    done = dispatch(*arguments.split(), without=(library,))
    name = arguments.partition(" ")[0]
    expected = f"`dispatch {name}` needs {library}, not installed here; pip install 'handler-dispatch[local]'"
    assert (f"Error: {expected}\n", 1) == (done.stderr, done.returncode)
