"""Task roots that hold modules named like Python's own, like the libraries that the runtime uses, or a copy of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.runtime import Serve

import dispatch
from conventions import codec

#: Modules of Python's own that error reports, orjson or pluggy need, and that a user may well have another of.
NAMES = ("token", "traceback", "linecache", "tokenize", "textwrap", "keyword", "operator", "uuid", "weakref", "queue")
LIBRARIES = ("pluggy", "simplejson", "httptools", "orjson", "msgspec")
HANDLER = """
def handler(event, more):
    if len(event) > 3:
        return event
    raise ValueError(own)
"""


@pytest.mark.parametrize("plugin", [False, True])
@pytest.mark.parametrize("convention", ["standard", "json", "lambda"])
@pytest.mark.parametrize("name", NAMES + LIBRARIES)
def test_whatever_the_task_root_has(serve: Serve, name: str, convention: str, plugin: bool) -> None:
    """Errors are reported with the user's frames, large events answered; of a library's name the user gets the own."""
    own = f"from {name} import OWN as own" if name in LIBRARIES else "own = 'own'"
    files = {
        f"{name}.py": "OWN = 'own'\n",
        "app.py": f"{own}\n{HANDLER}",
        "own.py": "def dispatch_shutdown(): pass\n",
    }
    env = {"HANDLER_PLUGINS": "own"} if plugin else {}
    runtime = serve(files, convention=convention, env=env)
    report = runtime.invoke(b"1e0" if convention == "standard" else b'"a"').report
    assert ("ValueError", "own") == (report["errorType"], report["errorMessage"])
    assert "app.py" in "".join(report["stackTrace"])
    large = b'["%s"]' % (b"x" * codec.LARGE) if convention == "standard" else b'"%s"' % (b"x" * codec.LARGE)
    assert [large, large] == [runtime.invoke(large).body for _ in range(2)]


@pytest.mark.parametrize("module", ["runtime.lifecycle", "conventions.codec", "dispatch.error_reports"])
def test_a_module_named_like_one_of_ours(serve: Serve, module: str) -> None:
    """One module of the same name does not make a package a copy of ours."""
    name, _, part = module.partition(".")
    source = f"from {module} import OWN\ndef handler(event, headers):\n    return OWN\n"
    files = {f"{name}/__init__.py": "", f"{name}/{part}.py": "OWN = 'own'\n", "app.py": source}
    assert b"own" == serve(files).invoke(b"").body


def test_a_copy_of_this_project(serve: Serve, tmp_path: Path) -> None:
    """A task root that brings this project along, as an archive of all that a function needs does, has no module of its own."""
    task = tmp_path / "task"
    shutil.copytree(Path(dispatch.__file__).parent, task / "dispatch")
    handler = "import dispatch\ndef handler(event, headers):\n    return dispatch.current().request_id\n"
    answer = serve(handler).invoke(b"")
    assert answer.body.decode() in answer.request.route
