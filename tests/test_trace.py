"""The trace id in the environment: of Python, of child processes, of no invocation that brought none."""

from __future__ import annotations

import pytest
from support.runtime import Serve

APP = """
import os, subprocess

def child():
    return subprocess.run(["printenv", "_X_AMZN_TRACE_ID"], capture_output=True, text=True).stdout.strip()

def handler(event, headers):
    system = os.popen("printenv _X_AMZN_TRACE_ID").read().strip() if event == "shell" else child()
    return f"{os.environ.get('_X_AMZN_TRACE_ID')} {system}"
"""


def test_child_processes_see_the_current_one(serve: Serve) -> None:
    """Python and its child processes see the invocation's own trace id, or none."""
    runtime = serve(APP)
    traces = ["Root=1", "Root=2", None, "Root=2", "Root=3"]
    answers = [
        runtime.invoke(event, {"Lambda-Runtime-Trace-Id": trace} if trace else None).body.decode()
        for trace in traces
        for event in (b"", b"shell")
    ]
    expected = [f"{trace} {trace or ''}" for trace in traces for _ in range(2)]
    assert expected == answers


SPAWNING = """
import multiprocessing, os
{first}

def tell(pipe):
    pipe.send(os.environ.get("_X_AMZN_TRACE_ID"))

def handler(event, headers):
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=tell, args=(theirs,))
    child.start()
    told = ours.recv()
    child.join()
    return str(told)
"""


@pytest.mark.parametrize("first", ["", "import multiprocessing.popen_spawn_posix"])
def test_spawned_processes_see_the_current_one(serve: Serve, first: str) -> None:
    """Also what multiprocessing spawns, which starts its processes without a word to anybody."""
    runtime = serve(SPAWNING.format(first=first))
    traces = ["Root=1", "Root=2", None, "Root=2"]
    answers = [runtime.invoke(b"", {"Lambda-Runtime-Trace-Id": trace} if trace else None).body for trace in traces]
    assert [str(trace).encode() for trace in traces] == answers
