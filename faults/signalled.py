"""Signals at random moments: SIGTERM to a runtime, Ctrl-C to the command."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from support.api import event
from support.process import INHERITED
from support.runtime import COMMAND, Runtime
from support.wire import PATIENCE

from faults.report import Fault, Plan, Seen

#: User code in places where Python swallows what a signal handler raises: forks, weakref callbacks, finalizers.
BUSY = '''
import os, weakref

class Finalized:
    """Works while it is finalized."""
    def __del__(self):
        sum(range(200))

def handler(event, headers):
    """Never ends by itself; what is in `finally` must happen."""
    try:
        while True:
            child = os.fork()
            if child == 0:
                os._exit(0)
            os.waitpid(child, 0)
            thing = Finalized()
            watched = weakref.ref(thing, lambda _: sum(range(200)))
            del thing
    finally:
        os.write(2, b"finally\\n")
'''

QUICK = """
def handler(event, headers):
    return event
"""


def sigterm(plan: Plan) -> Seen:
    """SIGTERM while the handler forks, or runs callbacks and finalizers."""
    (plan.folder / "app.py").write_text(BUSY)
    times, choose, broken = plan.times(500, 5), random.Random(plan.seed), []
    longest = 0.0
    for number in range(times):
        with Runtime([*COMMAND], plan.folder, {"HANDLER": "app.handler"}) as runtime:
            runtime.api.hand_out(event(b"x"))
            runtime.api.wait(lambda: not runtime.api.polls, "the poll")
            time.sleep(0.05 + choose.uniform(0, 0.05))
            began = time.monotonic()
            runtime.child.signal()
            try:
                status = runtime.child.wait()
            except subprocess.TimeoutExpired:
                broken.append(f"{number}: it did not end within {PATIENCE} s")
                continue
            longest = max(longest, time.monotonic() - began)
            log = runtime.child.log
        if status or "finally" not in log or "Traceback" in log or "Exception ignored" in log:
            broken.append(f"{number}: status {status}, {log[-300:]!r}")
    return Seen(
        f"{times} times",
        f"`finally` ran {times - len(broken)} times; the slowest end took {longest:.2f} s",
        tuple(broken),
    )


def interrupt(plan: Plan) -> Seen:
    """Ctrl-C during `dispatch run`, from its first import to its last line."""
    (plan.folder / "app.py").write_text(QUICK)
    command = [sys.executable, "-m", "runtime.cli", "run", "app.handler", "-e", "x"]
    environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
    usual = _seconds(command, plan.folder, environment)
    times, choose, broken = plan.times(300, 5), random.Random(plan.seed), []
    quiet = finished = early = 0
    for number in range(times):
        with subprocess.Popen(
            command, cwd=plan.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process:  # fmt: skip
            moment = choose.uniform(0, 1.1 * usual)
            time.sleep(moment)
            os.killpg(process.pid, signal.SIGINT)
            output, log = process.communicate(timeout=PATIENCE)
        if process.returncode == 0 and output == b"x":
            finished += 1
        elif process.returncode == 130 and b"Traceback" not in log:
            quiet += 1
        elif b"runtime/cli/" not in log:
            early += 1  # Python itself, before any code of ours
        else:
            broken.append(f"{number}, after {moment:.2f} s: status {process.returncode}, {log[-300:]!r}")
    return Seen(
        f"{times} times",
        f"{quiet} ended with status 130 and without a traceback, {finished} had already answered, "
        f"{early} were still in the interpreter's own start",
        tuple(broken),
    )


def _seconds(command: list[str], folder: Path, environment: dict[str, str]) -> float:
    began = time.monotonic()
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return time.monotonic() - began


FAULTS = (
    Fault(
        "sigterm",
        "SIGTERM while the handler forks, or while weakref callbacks and finalizers run",
        "`finally` runs, the process ends with status 0, nothing is printed",
        sigterm,
    ),
    Fault(
        "interrupt",
        "Ctrl-C at any moment of `dispatch run`",
        "it ends with status 130 and without a traceback",
        interrupt,
    ),
)
