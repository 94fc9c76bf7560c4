"""Every console block in the README, the docs and the examples does what it shows.

A block of Python whose first line is ``# NAME.py`` is written to that file for the blocks behind it. A line that starts
with ``$`` is a command, run by a shell in a copy of the page's folder; what follows is its standard output.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("examples/**/README.md"))]
#: Programs of the pages' readers that a machine may lack; a page is then tested as far as it comes.
OPTIONAL = {"cc"}
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks(page: Path, tmp_path: Path) -> None:
    """What a page shows is what comes out."""
    folder = tmp_path / page.parent.name
    shutil.copytree(page.parent, folder) if page.parent.parent == ROOT / "examples" else folder.mkdir()
    for language, text in BLOCK.findall(page.read_text()):
        if language == "python" and (name := re.match(r"# (\S+\.py)\n", text)):
            (folder / name[1]).write_text(text)
        elif language == "python":
            compile(text, str(page), "exec")
        elif language == "console":
            for command, shown in commands(text):
                if command.split()[0] in OPTIONAL and shutil.which(command.split()[0]) is None:
                    pytest.skip(f"no {command.split()[0]}")
                assert (command, output(command, folder)) == (command, shown)


def commands(text: str) -> list[tuple[str, str]]:
    """The commands of a block, each with the output that it shows."""
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    return [(command, shown) for command, _, shown in (part.partition("\n") for part in parts)]


def output(command: str, folder: Path) -> str:
    """A command's standard output, without blanks at the ends of lines."""
    scripts = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    return "".join(f"{line}\n" for line in lines)
