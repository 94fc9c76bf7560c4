"""Variables that change with each event: for Python, for child processes, and without leaking memory."""

from __future__ import annotations

import json
import subprocess
import sys

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


ACTION = """
import os, subprocess

def main(args):
    told = subprocess.run(["printenv", "__OW_ACTIVATION_ID"], capture_output=True, text=True).stdout.strip()
    return {"same": told == os.environ["__OW_ACTIVATION_ID"], "told": told}
"""


@pytest.mark.parametrize("convention", ["openwhisk", "digitalocean"])
def test_child_processes_see_the_activation(serve: Serve, convention: str) -> None:
    """Also the variables that a port sets for each event."""
    runtime = serve(ACTION, "app.main", convention)
    answers = [json.loads(runtime.invoke(b"{}").body) for _ in range(3)]
    assert [True] * 3 == [answer["same"] for answer in answers]
    assert 3 == len({answer["told"] for answer in answers})


MEMORY = """
import itertools, os
from dispatch.event_variables import set_variable

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def events(count):
    for number in itertools.islice(numbers, count):
        set_variable("ONE", f"value {number}" + "x" * 100)
        set_variable(f"NAME_{number}", "set and removed")
        set_variable(f"NAME_{number}", None)

numbers = itertools.count()
events(1000)
before = resident()
events(100_000)
print(resident() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory from /proc")
def test_values_are_freed() -> None:
    """The C library, which would keep every value, gets none unless a child process starts."""
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1024 * 1024
