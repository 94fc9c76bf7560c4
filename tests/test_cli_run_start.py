"""What `dispatch run` does until the function has its event, and after the answer: counted and not timed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.files import write

#: Runs the command, and reports what it has cost, as `atexit` functions still can.
COUNTING = """
import atexit, gc, json, os, sys

class Last:
    def __del__(self, write=os.write): write(2, b"freed")

gc.collect()
before, collections, sys.last = set(sys.modules), [], Last()
gc.callbacks.append(lambda phase, _: collections.append(phase))
atexit.register(lambda: print(json.dumps([sorted({*sys.modules} - before), len(collections)]), file=sys.stderr))
from runtime.cli import main
main()
"""
#: What an ordinary call does without; the whole package, if no module of it is named.
NEEDLESS = {
    "hashlib", "hmac", "ipaddress", "rich", "requests", "secrets", "shutil", "ssl", "starlette", "statistics",
    "tempfile", "urllib", "uvicorn", "watchfiles", "yaml", "runtime.package.recognition", "runtime.local.serve",
    "runtime.local.config.dispatch_toml", "runtime.local.web.app",
}  # fmt: skip
#: In the command, waits until the function is loaded before it imports the local platform; then does what is asked.
WAITING = """
import os, sys, time
then, process, began = os.environ.pop("THEN", ""), os.getpid(), []

def hook(event, arguments):
    if then and os.getpid() == process and event == "subprocess.Popen":
        began.append(time.perf_counter())
    if then and os.getpid() == process and event == "import" and arguments[0] == "runtime.cli.run_events":
        with open("loaded") as loaded, open("pid", "w") as pid:
            pid.write(loaded.read())
        open("waited", "w").write(str(1000 * (time.perf_counter() - began[0])))
        exec(then)

sys.addaudithook(hook)
"""
LOADED = "import os\nwith open('loaded', 'w') as loaded:\n    loaded.write(str(os.getpid()))\n"
ECHO = "def handler(event, context):\n    return event\n"


def dispatch(root: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder to its end."""
    own = {"PYTHONPATH": str(root / "site"), "HANDLER_CONVENTION": "lambda", **variables}
    return subprocess.run(
        [sys.executable, *command], cwd=root, env={**os.environ, **own}, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip


def test_what_an_ordinary_call_does_not_do(tmp_path: Path) -> None:
    """It imports nothing for errors and for other commands, collects no cycles, and does not free all modules."""
    write(tmp_path, {"app.py": ECHO})
    done = dispatch(tmp_path, "-c", COUNTING, "run", "app.handler", "-e", '{"a": 1}')
    assert ('{"a": 1}', 0) == (done.stdout, done.returncode)
    assert "freed" not in done.stderr
    modules, collections = json.loads(done.stderr)
    assert {"runtime.cli.run_events", "asyncio"} <= {*modules}
    assert set() == NEEDLESS & {*modules, *(name.partition(".")[0] for name in modules)}
    assert 0 == collections


def waiting(root: Path, then: str, *options: str) -> subprocess.CompletedProcess[str]:
    """`dispatch run`, which imports the local platform only after the function is loaded."""
    write(root, {"app.py": LOADED + ECHO, "site/sitecustomize.py": WAITING})
    os.mkfifo(root / "loaded")
    return dispatch(root, "-m", "runtime.cli", "run", "app.handler", "-e", '{"a": 1}', *options, THEN=then)


def test_the_function_starts_before_the_platform_is_imported(tmp_path: Path) -> None:
    """Its first poll waits for the platform; the start that is reported began with the process."""
    done = waiting(tmp_path, "pass", "--json")
    assert ("", 0) == (done.stderr, done.returncode)
    answer = json.loads(done.stdout)
    assert '{"a": 1}' == answer["answer"]
    assert answer["initDurationMs"] >= float((tmp_path / "waited").read_text())


@pytest.mark.parametrize(
    ("then", "status"),
    [
        ("os.kill(process, __import__('signal').SIGINT)", 130),
        ("os.kill(process, __import__('signal').SIGTERM)", 143),
        ("os.kill(process, __import__('signal').SIGHUP)", 143),
        ("raise RuntimeError('broken')", 1),
    ],
)
def test_a_command_that_ends_before_leaves_no_process(tmp_path: Path, then: str, status: int) -> None:
    """By a signal or by an error, while the platform is imported."""
    done = waiting(tmp_path, then)
    assert ("", status) == (done.stdout, done.returncode)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_runtime_that_cannot_be_started(tmp_path: Path) -> None:
    """It is the function's error, as of any environment."""
    program = tmp_path / "bootstrap"
    program.write_text("#!/no/such/interpreter\n")
    program.chmod(0o755)
    done = dispatch(tmp_path, "-m", "runtime.cli", "run", "x", "--bootstrap", "bootstrap", "-e", "{}")
    assert ("", 1) == (done.stdout, done.returncode)
    assert "Runtime.InvalidEntrypoint" in done.stderr
