"""Standard streams that are closed, full or broken: no command ends in a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RUN = "run app.handler -e hello"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a handler."""
    (tmp_path / "app.py").write_text("def handler(event, headers): return event or 'nothing'\n")
    return tmp_path


@pytest.mark.parametrize(
    ("command", "answer", "told", "status"),
    [
        (f"{RUN} >&-", "", "", 0),
        (f"{RUN} 2>&-", "hello", "", 0),
        (f"{RUN} <&- >&- 2>&-", "", "", 0),
        ("run app.handler - <&-", "nothing", "", 0),
        ("explain app.handler >&-", "", "", 0),
        (f"{RUN} > /dev/full", "", "Error: cannot write the output: No space left on device", 1),
        ("explain app.handler > /dev/full", "", "Error: cannot write the output: No space left on device", 1),
        ("--version > /dev/full", "", "Error: cannot write the output: No space left on device", 1),
        ("run app.handler -f /proc/self/mem", "", "from /proc/self/mem: Input/output error", 2),
    ],
)
def test_streams_that_cannot_be_used(root: Path, command: str, answer: str, told: str, status: int) -> None:
    """A closed stream is like the null device; one that is full or broken is a sentence."""
    done = subprocess.run(
        f"exec {sys.executable} -m runtime.cli {command}",
        shell=True,
        cwd=root,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (answer, status) == (done.stdout, done.returncode)
    assert told == (told and done.stderr[-len(told) - 1 :].rstrip("\n"))
    assert told or not done.stderr
