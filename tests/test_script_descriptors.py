"""A script's standard streams as descriptors: what reads and writes those has the event and the answer, too."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.files import write
from support.runtime import COMMAND, Runtime

#: Uses that Python announces: the script itself names nothing that reads a descriptor unannounced.
ANNOUNCED = {
    "open(0)": "print(open(0, closefd=False).read(), end='')",
    "/dev/stdin": "print(open('/dev/stdin').read(), end='')",
    "/proc": "print(open('/proc/self/fd/0', 'rb').read().decode(), end='')",
    "inherited": "print(subprocess.run(['cat'], capture_output=True, text=True).stdout, end='')",
    "shell": "print(subprocess.getoutput('cat'))",
    "stdin=sys.stdin": "print(subprocess.run(['cat'], stdin=sys.stdin, capture_output=True, text=True).stdout, end='')",
    "both streams": "subprocess.run(['cat'], stdin=sys.stdin, stdout=sys.stdout, check=True)",
    "both streams, in order": "sys.stdout.write('') ; subprocess.run(['cat'], stdout=sys.stdout); print(end='')",
    "sys.stdin as well": "print(open(0, closefd=False).read()[:1] + sys.stdin.read()[1:], end='')",
    "asyncio": "print(asyncio.run(child()), end='')",
    "input()": "print(input())",
}
#: Uses that it does not announce.
UNANNOUNCED = {
    "os.read": "print(os.read(0, 100).decode(), end='')",
    "os.dup": "print(os.fdopen(os.dup(0)).read(), end='')",
    "os.fstat": "print('abc' if os.fstat(0).st_size == 4 else 'no')",
    "fork": "child = os.fork()\n    if not child: os._exit(len(os.read(0, 100)))\n"
    "    print('abc' if os.waitpid(child, 0)[1] >> 8 == 4 else 'no')",
    "sys.stdin.fileno()": "print(os.read(sys.stdin.fileno(), 100).decode(), end='')",
    "after sys.stdin": "print(sys.stdin.read() + subprocess.getoutput('cat'), end='')",
    "os.close": "os.close(0); print('abc')",
    "os.close again": "os.close(0); print('abc')",
    "nothing": "print('abc')",
}
HEAD = """
import asyncio, subprocess, sys
import dispatch
async def child():
    process = await asyncio.create_subprocess_exec("cat", stdout=-1)
    return (await process.communicate())[0].decode()
which = dispatch.current().headers["which"]
"""


def script(uses: dict[str, str], head: str = "") -> str:
    """A script that does what the event's header says."""
    return head + HEAD + "".join(f"if which == {name!r}:\n    {code}\n" for name, code in uses.items())


@pytest.fixture(scope="module", params=["announced", "unannounced"])
def runtime(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """One runtime for all uses of a kind."""
    files = {"announced.py": script(ANNOUNCED), "unannounced.py": script(UNANNOUNCED, "import os\n")}
    root = write(Path(tmp_path_factory.mktemp("descriptors")), files)
    with Runtime(COMMAND, root, {"HANDLER": f"{request.param}.py"}) as one:
        one.uses = ANNOUNCED if request.param == "announced" else UNANNOUNCED  # type: ignore[attr-defined]
        yield one


def test_the_event_is_there(runtime: Runtime) -> None:
    """However it is read; an event after it has its own, and a script that stops in the middle leaves nothing."""
    for name in runtime.uses:  # type: ignore[attr-defined]
        answers = [runtime.invoke(event, {"which": name}).body for event in (b"abc\n", b"xyz\n")]
        assert b"abc\n" == answers[0], name
        assert answers[1] in {b"xyz\n", b"abc\n" if "abc" in runtime.uses[name] else b""}, name  # type: ignore[attr-defined]


#: What a script does to the descriptors of its standard streams; each event has its answer, and its line in the log.
REPLACED = {
    "open(1)": "open(1, 'w').close()",
    "open(1) as a global": "kept = open(1, 'w')",
    "open(2) as stderr": "sys.stderr = open(2, 'w')",
    "os.fdopen": "os.fdopen(1, 'w').close()",
    "os.close": "os.close(1); os.close(2)",
    "all three": "os.closerange(0, 3)",
    "os.dup2": "[os.dup2(os.open('/dev/null', os.O_RDWR), number) for number in range(3)]",
    "open(0) as a global": "kept = open(0); os.read",
    "stdout's own": "sys.stdout = open(sys.stdout.fileno(), 'w', buffering=1)",
    "stdout's own, closed": "open(sys.stdout.fileno(), 'w').close()",
    "stdout's own as a global": "kept = open(sys.stdout.fileno(), 'w')",
    "stdout's own, another file": "os.close(sys.stdout.fileno()); another = open('/dev/null')",
    "stdout's own, for a child": "fd = sys.stdout.fileno(); saved = os.dup(fd); os.dup2(os.open('/dev/null', 1), fd)\n"
    "subprocess.run(['echo', 'noise'], stdout=sys.stdout); os.dup2(saved, fd)",
}


@pytest.mark.parametrize("use", REPLACED.values(), ids=REPLACED)
@pytest.mark.parametrize("whole", ["def main():", "if True:"], ids=["main", "whole file"])
def test_descriptors_are_restored(tmp_path: Path, use: str, whole: str) -> None:
    """A script may close or replace them, and those of the streams; the same works for the next event."""
    lines = [
        "event = sys.stdin.read()",
        "print('log', event, file=sys.stderr)",
        *use.split("\n"),
        "print(event, end='')",
    ]
    body = "\n    ".join(lines)
    source = f"import os, subprocess, sys\n{whole}\n    {body}\n"
    with Runtime(COMMAND, write(tmp_path, {"app.py": source}), {"HANDLER": "app.py"}) as one:
        for event in ("one", "two", "three"):
            assert event == one.invoke(event.encode()).body.decode()
            one.child.wait_log(f"log {event}")


def test_no_descriptor_is_left(tmp_path: Path) -> None:
    """After many events as many are open as after one, and between two events descriptor 0 is what it was."""
    source = """
    import os, subprocess, sys
    def main():
        subprocess.run(["true"], stdin=sys.stdin, stdout=sys.stdout)
        print(sorted(os.listdir("/proc/self/fd")), end="")
    """
    root = write(tmp_path, {"app.py": source})
    with Runtime(COMMAND, root, {"HANDLER": "app.py"}) as one:
        assert 1 == len({one.invoke(b"event").body for _ in range(20)})
        where = Path(f"/proc/{one.child.process.pid}/fd/0")
        one.api.wait_for("GET", "next", 21)
        assert "/dev/null" == str(where.readlink())


def test_a_child_of_an_earlier_event(tmp_path: Path) -> None:
    """What an event has left behind reads that event, not the next one."""
    source = """
    import subprocess, sys
    waiting = []
    def main():
        if not waiting:
            waiting.append(subprocess.Popen(["sh", "-c", "read go < go; cat > left; : > done"]))
        elif "go" in sys.stdin.read():
            open("go", "w").write("go\\n")
            waiting[0].wait()
            print(open("left").read(), end="")
    """
    root = write(tmp_path, {"app.py": source})
    os.mkfifo(root / "go")
    with Runtime(COMMAND, root, {"HANDLER": "app.py"}) as one:
        one.invoke(b"first")
        one.invoke(b"second")
        assert b"first" == one.invoke(b"go").body


@pytest.mark.parametrize("variable", ["HANDLER", "_HANDLER"])
@pytest.mark.parametrize("argument", [(), ("other.handler",)])
def test_handler_variable(tmp_path: Path, variable: str, argument: tuple[str, ...]) -> None:
    """`_HANDLER` is what is served, whichever setting has named it."""
    source = "import os\ndef handler(event, headers): return os.environ['_HANDLER']\n"
    root = write(tmp_path, {"app.py": source, "other.py": source})
    with Runtime([*COMMAND, *argument], root, {"_HANDLER": "wrong.handler", variable: "app.handler"}) as one:
        assert (argument or ("app.handler",))[0] == one.invoke().body.decode()


#: Settings and functions that are wrong, each in its own way.
WRONG = {
    "transport": {"HANDLER_TRANSPORT": "pigeon"},
    "encoding": {"HANDLER_ENCODING": "nosuch"},
    "workers": {"HANDLER_WORKERS": "many"},
    "root": {"LAMBDA_TASK_ROOT": "/nosuch"},
    "convention": {"HANDLER_CONVENTION": "nosuch"},
    "plugin": {"HANDLER_PLUGINS": "nosuch", "HANDLER_CONVENTION": "own"},
    "handler": {"HANDLER": "app.nosuch"},
    "module": {"HANDLER": "nosuch.handler"},
    "address": {"AWS_LAMBDA_RUNTIME_API": "https://there"},
    "no address": {"AWS_LAMBDA_RUNTIME_API": ""},
    "wrapper": {"AWS_LAMBDA_EXEC_WRAPPER": "/nosuch"},
    "concurrency": {"HANDLER_CONCURRENCY": "async"},
    "log socket": {"_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET": "/nosuch", "HANDLER": "app.nosuch"},
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_settings_in_json(tmp_path: Path, what: str) -> None:
    """Where the log is JSON, so is each line about what keeps the environment from starting."""
    root = write(tmp_path, {"app.py": "def handler(event, headers): return event\n"})
    env = {"HANDLER": "app.handler", "AWS_LAMBDA_LOG_FORMAT": "JSON", **WRONG[what]}
    with Runtime(COMMAND, root, env) as one:
        assert 1 == one.child.wait()
        lines = one.child.log.splitlines()
    assert lines
    for line in lines:
        record = json.loads(line)
        assert {"timestamp", "level"} < record.keys()
        assert record.get("message") or record.get("errorMessage")
