"""AWS's runtime client and ours, where there is no function to serve: report, type, log and exit status are the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from support.differential import LAMBDA, RENAMED, SAMPLES, Outcome, Post, Side, in_ascii
from support.files import Files, write
from support.runtime import BOTH

#: AWS's client says before each init error that updates of AWS's managed runtime may be to blame.
WARNING = "LAMBDA_WARNING: Unhandled exception."

FILES: Files = {
    "app.py": "def handler(event, context):\n    return event\n",
    "needy.py": "import not_installed\n",
    "from_nowhere.py": "from os import no_such_name\n",
    "inner.py": "import needy\n",
    "broken.py": "def handler(event, context):\n    return (\n",
    "indented.py": "def handler(event, context):\n        x = 1\n    return x\n",
    "tabbed.py": "if True:\n        x = 1\n\ty = 2\n",
    "imports_broken.py": "import broken\n",
    "umlaut.py": "größe = §\n",
    "encoded.py": "# coding: no-such-encoding\n",
    "latin.py": b"x = '\xe4'\n",
    "raising.py": "def inner():\n    raise ValueError('ümläut')\n\n\ninner()\n",
    "silent.py": "raise ValueError\n",
    "chained.py": "try:\n    {}['a']\nexcept KeyError as error:\n    raise ValueError('outer') from error\n",
    "exiting.py": "raise RuntimeError('line 1\\nline 2')\n",
    "package/__init__.py": "",
    "package/mod.py": "def handler(event, context):\n    return 1\n",
    "package/needy.py": "import not_installed\n",
}

HANDLERS = [
    *("missing.handler", "app.missing", "app.handler.deeper", "package.missing.handler", "package/missing.handler"),
    *(
        "package.mod.missing",
        "package/mod.missing",
        "missing/mod.handler",
        "package.needy.handler",
        "package/needy.handler",
    ),
    *("needy.handler", "from_nowhere.handler", "inner.handler"),
    *("broken.handler", "indented.handler", "tabbed.handler", "imports_broken.handler", "umlaut.handler"),
    *("encoded.handler", "latin.handler"),
    *("raising.handler", "silent.handler", "chained.handler", "exiting.handler"),
    *("sys.handler", "time.handler", "builtins.print"),
    *("handler", "app"),
]


def started(folder: Path, handler: str, env: Mapping[str, str]) -> Mapping[str, Outcome]:
    """How the start of each of the two ended."""
    root = write(folder / "task", FILES)
    found = {}
    for name in BOTH:
        with Side(name, handler, root, env) as side:
            found[name] = side.start()
    return found


def without_content_type(post: Post) -> Post:
    """The post as AWS's client sends it, which names no content type here."""
    assert "application/json" == post.headers["Content-Type"]
    return replace(post, headers={**post.headers, "Content-Type": None})


@pytest.mark.parametrize("handler", HANDLERS)
def test_init_error(tmp_path: Path, handler: str) -> None:
    """The report, its type header, the log and the exit status are the same."""
    theirs, ours = started(tmp_path, handler, LAMBDA).values()
    assert (1, 1) == (theirs.status, ours.status)
    assert theirs.posts == [in_ascii(without_content_type(post)) for post in ours.posts]
    warning, _, log = theirs.log.partition("\n")
    assert log == ours.log
    assert WARNING in warning


@pytest.mark.parametrize("handler", HANDLERS)
def test_another_name(tmp_path: Path, handler: str) -> None:
    """Offered by a plugin under another name, the convention's init errors are the same."""
    files = {**FILES, "lambda2.py": (SAMPLES / "lambda2.py").read_text()}
    root = write(tmp_path / "task", files)
    outcomes = []
    for env in ({}, RENAMED):
        with Side("dispatch", handler, root, {**LAMBDA, **env}) as side:
            outcomes.append(side.start())
    assert outcomes[0] == outcomes[1]
