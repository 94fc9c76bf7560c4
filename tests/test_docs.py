"""Every block in the README, the docs and the examples does what it shows.

A block whose first line is `# NAME` or `// NAME` is written to that file for the blocks after it; a file of tests is run
at the end of the page. A line that starts with `$` is a command, run by a shell in a copy of the page's folder; what
follows is its standard output. Blocks of `sh` show what depends on a machine or an account: their syntax, and the options
of `dispatch` in them, are checked. A test that has more to do with a page than this runs it in a file of its own.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import click
import pytest
import yaml

from runtime.cli.group import command as dispatch_command

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md")), *sorted(ROOT.glob("examples/**/README.md"))]
#: What ends a command of a shell.
OPERATORS = {"|", "||", "&", "&&", ";", ">", ">>", "<"}
#: Programs that a machine may lack, or packages that bring a program of that name; a page that needs one is then tested up to that point.
OPTIONAL = ("cc", "functions-framework", "jq", "mcp", "node", "perl")
#: Packages that bring no program, and the words by which a page says that it needs one.
OPTIONAL_PACKAGES = {
    "convention agentcore": "bedrock_agentcore",
    "convention azure": "azure",
    "convention fn": "fdk",
    "convention nuclio": "nuclio_sdk",
    "dispatch_opentelemetry": "opentelemetry",
    "dispatch_sentry": "sentry_sdk",
}
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks(page: Path, tmp_path: Path) -> None:
    """What a page shows is what comes out."""
    folder = tmp_path / page.parent.name
    shutil.copytree(page.parent, folder) if page.parent.parent == ROOT / "examples" else folder.mkdir()
    for language, text in BLOCK.findall(page.read_text()):
        if language == "console":
            for command, shown in commands(text):
                if lacking := lacks(command, folder):
                    pytest.skip(f"the rest needs {lacking}, which is not installed")
                assert (command, output(command, folder)) == (command, shown)
            continue
        PARSERS.get(language, str)(text)
        if name := re.match(r"(?:#|//) (\S+\.\w+)\n", text):
            (folder / name[1]).parent.mkdir(parents=True, exist_ok=True)
            (folder / name[1]).write_text(text)
    if tests := sorted(path.name for path in folder.glob("test_*.py") if f"# {path.name}\n" in page.read_text()):
        # Only our plugin: the others that are installed here take a second to load.
        command = f"PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 pytest -q -p pytest_handler_dispatch -p no:cacheprovider {' '.join(tests)}"
        assert "failed" not in output(command, folder)


def parse_python(text: str) -> None:
    """Raises a SyntaxError if the text is not Python."""
    compile(text, "block", "exec")


def parse_shell(text: str) -> None:
    """Fails if the text is not a script of the shell, or passes a command of ours what it does not accept."""
    subprocess.run(["sh", "-n", "-c", text], check=True)
    for line in text.replace("\\\n", " ").splitlines():
        if re.match(r"(\S*/)?dispatch ", line):
            words = shlex.split(line, comments=True)
            arguments = words[1 : next((at for at, word in enumerate(words) if word in OPERATORS), None)]
            with suppress(click.exceptions.Exit):  # --help and --version
                check_options(dispatch_command, click.Context(dispatch_command, info_name="dispatch"), arguments)


def check_options(group: click.Group, context: click.Context, arguments: list[str]) -> None:
    """Raises a UsageError if a command or one of its options does not exist, or has no such value."""
    name, found, rest = group.resolve_command(context, arguments)
    assert found is not None
    if isinstance(found, click.Group):
        check_options(found, click.Context(found, parent=context, info_name=name), rest)
        return
    try:
        found.make_context(name, rest, parent=context)
    except click.BadParameter as error:  # a reader's file, which does not exist here
        if "does not exist" not in error.message:
            raise


#: What reads the blocks of a language, and fails if they are malformed.
PARSERS: dict[str, Callable[[str], object]] = {
    "json": json.loads,
    "python": parse_python,
    "sh": parse_shell,
    "toml": tomllib.loads,
    "yaml": lambda text: [*yaml.compose_all(text, yaml.SafeLoader)],
}


def commands(text: str) -> list[tuple[str, str]]:
    """The commands of a block, each with the output that it shows."""
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    return [(command, shown) for command, _, shown in (part.partition("\n") for part in parts)]


def lacks(command: str, folder: Path) -> str:
    """A program that the command or the files that it names need, and that is missing; empty if there is none."""
    names = re.findall(r"[\w.-]+", command)
    text = " ".join(
        [
            command,
            *(path.read_text(errors="replace") for path in folder.iterdir() if path.is_file() and path.name in names),
        ]
    )
    needed = [name for name in OPTIONAL if re.search(rf"(?<![\w.-]){name}(?![\w-])", text)]
    packages = [package for words, package in OPTIONAL_PACKAGES.items() if words in command]
    missing = [package for package in packages if find_spec(package) is None]
    return next((name for name in needed if shutil.which(name, path=searched()) is None), "".join(missing[:1]))


def searched() -> str:
    """The folders in which programs are found."""
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def output(command: str, folder: Path) -> str:
    """A command's standard output, without blanks at the ends of lines."""
    environment = {**os.environ, "PATH": searched()}
    done = subprocess.run(
        command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    return "".join(f"{line}\n" for line in lines)
