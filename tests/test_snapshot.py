"""SnapStart: what runs before the snapshot and after the restore, beside what AWS's own runtime client does."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support.api import Scripted, refusal
from support.files import write
from support.runtime import AWS, BOTH, OURS, Runtime, Serve, start
from support.wire import Reply

SNAP = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start", "AWS_EXECUTION_ENV": "AWS_Lambda_python3.13"}
HOOKS = """
    from snapshot_restore_py import register_before_snapshot, register_after_restore

    def say(*words, end="."):
        print(*words, end=end + "\\n")

    register_before_snapshot(say, "before", 1)
    register_before_snapshot(say, "before", 2, end="!")
    register_after_restore(say, "after", 1)

    @register_after_restore
    def decorated():
        say("after", 2)

    def handler(event, context):
        return "served"
"""


@pytest.mark.parametrize("which", BOTH)
def test_order(tmp_path: Path, which: str) -> None:
    """Before the snapshot in reverse order, then the restore is waited for, then after it in order, then the first poll."""
    write(tmp_path, {"app.py": HOOKS})
    gate = threading.Event()
    api = Scripted()
    api.script["restore/next"] = Reply(gate=gate)
    with start(which, "app.handler", tmp_path, SNAP, api=api) as runtime:
        api.wait(lambda: api.ending("restore/next"), "restore/next")
        runtime.child.wait_log("before 2!\nbefore 1.\n")
        assert "before 2!\nbefore 1.\n" == runtime.child.log
        gate.set()
        assert b'"served"' == runtime.invoke(b"1").body
        runtime.child.wait_log("after 2.\n")
        assert "before 2!\nbefore 1.\nafter 1.\nafter 2.\n" == runtime.child.log
        assert ["restore/next", "invocation/next"] == [request.route for request in api.requests[:2]]


FAILING = {
    "before": "@register_before_snapshot\ndef hook():\n    raise ValueError('hook failed')\n",
    "before, by exiting": "@register_before_snapshot\ndef hook():\n    raise SystemExit(3)\n",
    "after": "@register_after_restore\ndef hook():\n    raise ValueError('hook failed')\n",
    "after, by exiting": "@register_after_restore\ndef hook():\n    raise SystemExit(3)\n",
    "restore": "",
}


def told(runtime: Runtime) -> tuple[int, list[tuple[str, str | None, Any]]]:
    """How the runtime ended, and what it posted: where, with what type, and the report without the frames' marks."""
    status = runtime.child.wait()
    posts = runtime.api.finished("POST")
    header = "Lambda-Runtime-Function-Error-Type"
    return status, [(post.route, post.header(header), json.loads(post.body)) for post in posts]


def failed(which: str, root: Path, case: str, *, answer: Reply | None = None) -> tuple[int, list[Any], str]:
    """What one of the two runtimes does of a failing hook, or of this answer to its question for the restore."""
    imports = "from snapshot_restore_py import register_before_snapshot, register_after_restore\n"
    write(root, {"app.py": imports + FAILING[case] + "def handler(event, context):\n    pass\n"})
    api = Scripted()
    if answer is not None:
        api.script["restore/next"] = answer
    with start(which, "app.handler", root, SNAP, api=api) as runtime:
        return *told(runtime), runtime.child.log


@pytest.mark.parametrize("case", [case for case in FAILING if "exiting" not in case and case != "restore"])
def test_failing_hook(tmp_path: Path, case: str) -> None:
    """What is posted, the status and the log equal those of awslambdaric, without its own frames."""
    ours, aws = (failed(which, tmp_path, case) for which in (OURS, AWS))
    status, [(route, kind, report)], log = ours
    assert aws[0] == status == {"before": 64, "after": 65}[case]
    expected = {
        "before": ("init/error", "Runtime.BeforeSnapshotError"),
        "after": ("restore/error", "Runtime.AfterRestoreError"),
    }
    [(their_route, their_kind, their_report)] = aws[1]
    assert (their_route, their_kind) == (route, kind) == expected[case]
    assert ("hook failed", "ValueError") == (report["errorMessage"], report["errorType"])
    own = [frame for frame in their_report["stackTrace"] if "awslambdaric" in frame]
    assert {**their_report, "stackTrace": [f for f in their_report["stackTrace"] if f not in own]} == report
    their_log = re.sub(r"\xa0\xa0File [^\r]*awslambdaric[^\r]*\r\xa0[^\r]*\r", "", aws[2])
    assert their_log == log


@pytest.mark.parametrize("case", ["before, by exiting", "after, by exiting"])
def test_exiting_hook(tmp_path: Path, case: str) -> None:
    """A hook that exits has failed as well; status and place are those of awslambdaric."""
    ours, aws = (failed(which, tmp_path, case) for which in (OURS, AWS))
    assert aws[0] == ours[0] == (64 if case.startswith("before") else 65)
    assert aws[1][0][:2] == ours[1][0][:2]


@pytest.mark.parametrize("answer", [refusal(403), Reply(500, body=b"broken")])
def test_restore_that_fails(tmp_path: Path, answer: Reply) -> None:
    """Where the question for the restore fails, it ends as a failure before the snapshot, with status 64."""
    ours, aws = (failed(which, tmp_path, "restore", answer=answer) for which in (OURS, AWS))
    assert aws[0] == ours[0] == 64
    assert aws[1][0][:2] == ours[1][0][:2] == ("init/error", "Runtime.BeforeSnapshotError")


def test_restore_that_is_cut_off(tmp_path: Path) -> None:
    """Half an answer is no restore, for which awslambdaric takes it."""
    status, [(route, kind, _)], _ = failed(OURS, tmp_path, "restore", answer=Reply(drop="midway"))
    assert (64, "init/error", "Runtime.BeforeSnapshotError") == (status, route, kind)


def test_every_convention_without_the_library(serve: Serve) -> None:
    """A function that has registered nothing, in any convention, is restored as well, and served."""
    runtime = serve("def handler(event, headers):\n    return event\n", env=SNAP)
    assert b"one" == runtime.invoke(b"one").body
    assert ["restore/next", "invocation/next"] == [request.route for request in runtime.api.requests[:2]]


def test_only_where_there_is_a_snapshot(serve: Serve) -> None:
    """Without SnapStart neither hooks run nor is a restore asked for."""
    runtime = serve(HOOKS, env={"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand"})
    assert b"served" == runtime.invoke().body
    assert ("", []) == (runtime.child.log, runtime.api.finished("GET", "restore"))


PLUGIN = """
    def dispatch_startup():
        print("plugin startup")
    def dispatch_before_snapshot():
        print("plugin before")
    def dispatch_after_restore():
        print("plugin after")
    def dispatch_before_invoke():
        print("plugin invoke")
"""


def test_plugins(serve: Serve) -> None:
    """Plugins take part: the first before the snapshot, the last after the restore."""
    runtime = serve({"app.py": HOOKS, "own.py": PLUGIN}, env={**SNAP, "HANDLER_PLUGINS": "own"})
    runtime.invoke()
    runtime.child.wait_log("plugin invoke\n")
    expected = "plugin startup plugin before before 2! before 1. after 1. after 2. plugin after plugin invoke"
    assert expected.split() == runtime.child.log.split()


def test_failing_plugin(serve: Serve) -> None:
    """A plugin's hook that fails is logged, and harms nobody."""
    plugin = "def dispatch_before_snapshot():\n    raise ValueError('mine')\ndef dispatch_after_restore():\n    1 / 0\n"
    runtime = serve({"app.py": HOOKS, "own.py": plugin}, env={**SNAP, "HANDLER_PLUGINS": "own"})
    assert b"served" == runtime.invoke().body
    runtime.child.wait_log("ValueError: mine")
    runtime.child.wait_log("ZeroDivisionError")


RANDOM = """
    import random
    random.seed(4711)
    def handler(event, headers):
        return str(random.random())
"""


@pytest.mark.parametrize("settings", [{}, SNAP], ids=["without", "snapshot"])
def test_random_numbers(serve: Serve, settings: Mapping[str, str]) -> None:
    """What was drawn from one seed before the snapshot is not drawn again after each restore."""
    drawn = {serve(RANDOM, env=settings).invoke().body for _ in range(2)}
    assert len(drawn) == (2 if settings else 1)


def test_random_of_the_users_own(serve: Serve) -> None:
    """A task root with a random.py of its own is restored as well."""
    files = {
        "app.py": "import random\ndef handler(event, headers):\n    return random.WORD\n",
        "random.py": "WORD = 'mine'\n",
    }
    assert b"mine" == serve(files, env=SNAP).invoke().body


def test_termination_while_frozen(serve: Serve) -> None:
    """SIGTERM while it waits for the restore ends it in order."""
    api = Scripted()
    api.script["restore/next"] = Reply(gate=threading.Event())
    runtime: Runtime = serve(HOOKS, env=SNAP, api=api)
    api.wait(lambda: api.ending("restore/next"), "restore/next")
    runtime.end()
    assert [] == runtime.api.finished("POST")
