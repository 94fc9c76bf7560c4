"""Execution environments with AWS's runtime client, and with programs that misbehave."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.local import aws_function, write_handler, write_program
from support.process import await_true
from support.runtime import AWS_COMMAND
from support.wire import PATIENCE

from runtime.local.environments.environment import LocalEnvironment
from runtime.local.environments.log_lines import LogLine
from runtime.local.environments.platform import UnknownFunction
from runtime.local.environments.pool import Throttled
from runtime.local.environments.process_tree import process_tree
from runtime.local.function import ACCOUNT, FunctionSettingError
from runtime.testing import Function, LocalPlatform, Result, serving


def ask(local: LocalPlatform, event: Any = None, **fields: str) -> Result:
    """Invoke the only function with JSON."""
    return local.invoke(json.dumps({} if event is None else event), **fields)


def gone(pid: int) -> bool:
    """Whether a process has ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_an_environment_is_used_again(tmp_path: Path) -> None:
    """The first event pays for the start, the second finds the same process."""
    with serving(aws_function(tmp_path)) as local:
        first, second = ask(local, {"n": 1}, request_id="one"), ask(local, {"n": 2})

    one, two = json.loads(first.body), json.loads(second.body)
    assert ({"n": 1}, 1, {"n": 2}, 2, one["pid"]) == (
        one["event"],
        one["calls"],
        two["event"],
        two["calls"],
        two["pid"],
    )
    assert first.report.init is not None
    assert second.report.init is None
    assert "one" == one["id"]
    assert 20_000 < one["left"] <= 30_000
    assert f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:function" == one["arn"].replace(
        one["arn"].split(":")[3], "us-east-1"
    )
    assert two["trace"].startswith("Root=1-")
    assert str(tmp_path) == one["cwd"]
    await_true(lambda: gone(one["pid"]))


def test_the_end_of_a_process_without_descriptors_of_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a system that has none, a thread waits for the process; the status is the same."""
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    program = write_program(tmp_path / "bootstrap", "import sys\nsys.exit(7)\n")
    with serving(Function(handler="x", root=tmp_path, command=(str(program),))) as local:
        result = ask(local)
    assert result.error is not None
    assert "exit status 7" in result.error.message


def test_the_log_reads_as_lambda_writes_it(tmp_path: Path) -> None:
    """START, the function's own lines, END and REPORT, with tabs where Lambda has them."""
    lines: list[LogLine] = []
    with serving(aws_function(tmp_path), write_log=lines.append) as local:
        result = ask(local, {"n": 1}, request_id="one")

    start, own, end, report = result.log.splitlines()
    fields = report.split("\t")
    assert ("START RequestId: one Version: $LATEST", 'the event is {"n": 1}', "END RequestId: one") == (start, own, end)
    assert [
        "REPORT RequestId: one",
        "Duration",
        "Billed Duration",
        "Memory Size",
        "Max Memory Used",
        "Init Duration",
    ] == [
        fields[0],
        *(field.partition(":")[0] for field in fields[1:]),
    ]
    assert "Memory Size: 128 MB" in fields
    assert [True, False, True, True] == [line.platform for line in lines if line.request_id == "one"]


def test_a_timeout_kills_and_says_so(tmp_path: Path) -> None:
    """The process and its children end, the caller is told in Lambda's words, the next event gets a new process."""
    child = "import subprocess, sys; print('pid', subprocess.Popen(['sleep', '600']).pid, flush=True)"
    (tmp_path / "before.py").write_text(child)
    with serving(aws_function(tmp_path, timeout=0.5)) as local:
        write_handler(tmp_path, f"import before\n{(tmp_path / 'app.py').read_text()}")
        result = ask(local, {"wait": "never"}, request_id="one")
        pool = local.platform.pools["function"]
        left = list(pool.environments)
        pool.function = replace(pool.function, timeout=30)  # the next event may take its time on a busy machine
        after = ask(local)

    expected = {
        "errorType": "Sandbox.Timedout",
        "errorMessage": "RequestId: one Error: Task timed out after 0.50 seconds",
    }
    assert expected == json.loads(result.body)
    assert "one Task timed out after 0.50 seconds\n" in result.log
    assert "\tStatus: timeout\n" in result.log
    child_pid = int(next(line for line in result.log.splitlines() if line.startswith("pid ")).split()[1])
    await_true(lambda: gone(child_pid))
    assert after.error is None
    assert after.report.environment != result.report.environment
    assert [] == left


@pytest.mark.parametrize(
    ("event", "words"),
    [({"exit": 3}, "exit status 3"), ({"exit": 0}, "Runtime exited without providing a reason")],
)
def test_a_crash_is_an_exit_error(tmp_path: Path, event: Any, words: str) -> None:
    """The caller is told how the process ended, and the next event gets a fresh one."""
    with serving(aws_function(tmp_path)) as local:
        ask(local)
        result, after = ask(local, event, request_id="one"), ask(local)

    assert result.error is not None
    assert "Runtime.ExitError" == result.error.type
    assert words in result.error.message
    assert result.error.message in result.log
    assert 1 == json.loads(after.body)["calls"]


def test_a_signal_is_named(tmp_path: Path) -> None:
    """A process that a signal ended is reported with the signal's name."""
    program = write_program(tmp_path / "bootstrap", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    with serving(Function(root=tmp_path, command=[str(program)])) as local:
        error = ask(local).error

    assert error is not None
    assert error.message.endswith("Error: Runtime exited with error: signal: segmentation fault")


def test_too_much_memory_ends_the_environment(tmp_path: Path) -> None:
    """A function that takes more than its memory is killed, and the report says how much it was."""
    with serving(aws_function(tmp_path, memory=128, timeout=60)) as local:
        result, after = ask(local, {"eat": 400}), ask(local)

    assert result.error is not None
    assert "Runtime.OutOfMemory" == result.error.type
    assert result.report.memory_used > 128
    assert after.error is None


def test_an_init_error_is_reported_and_tried_again(tmp_path: Path) -> None:
    """The caller gets the runtime's own report; once the code is cured, so is the function."""
    function = aws_function(tmp_path)
    with serving(function) as local:
        write_handler(tmp_path, "import nowhere")
        failed = ask(local)
        write_handler(tmp_path)
        cured = ask(local)

    assert failed.error is not None
    assert "Runtime.ImportModuleError" == failed.error.type
    assert "nowhere" in failed.error.message
    assert "Phase: init\tStatus: error\tError Type: Runtime.ImportModuleError" in failed.log
    assert cured.error is None


def test_a_program_that_is_not_there_is_an_init_error(tmp_path: Path) -> None:
    """What can't be started is reported as Lambda reports a missing bootstrap."""
    with serving(Function(root=tmp_path, command=[str(tmp_path / "bootstrap")])) as local:
        error = ask(local).error

    assert error is not None
    assert "Runtime.InvalidEntrypoint" == error.type
    assert str(tmp_path / "bootstrap") in error.message


def test_slow_loading_is_tried_again_on_the_events_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function that takes longer to load than Lambda allows is started once more, on the event's time."""
    monkeypatch.setattr("runtime.local.environments.environment.INIT_LIMIT", 1.0)
    source = f"#!/bin/sh\n[ -e tried ] || {{ : >tried; exec sleep 600; }}\nexec {shlex.join(AWS_COMMAND)} app.handler\n"
    program = write_program(tmp_path / "bootstrap", source)
    with serving(replace(aws_function(tmp_path), command=[str(program)])) as local:
        result = ask(local)

    assert result.error is None
    assert result.report.init is None
    assert "Phase: init\tStatus: timeout" in result.log


def test_environments_run_side_by_side_up_to_the_limit(tmp_path: Path) -> None:
    """As many as the limit work at once; one more is refused at once."""
    with serving(aws_function(tmp_path, concurrency=3)) as local, ThreadPoolExecutor(3) as pool:
        busy = [pool.submit(ask, local, {"wait": "go"}) for _ in range(3)]
        await_true(lambda: 3 == len(local.platform.pools["function"].environments))
        with pytest.raises(Throttled, match="runs 3 at once"):
            ask(local)
        (tmp_path / "go").touch()
        pids = {json.loads(one.result().body)["pid"] for one in busy}
        assert json.loads(ask(local).body)["pid"] in pids

    assert 3 == len(pids)


def test_fifty_at_once_lose_nothing(tmp_path: Path) -> None:
    """Fifty events at once, on as many environments, each get their own answer."""
    with serving(aws_function(tmp_path, timeout=60)) as local, ThreadPoolExecutor(50) as pool:
        results = list(pool.map(lambda n: ask(local, {"n": n}), range(50)))

    assert [{"n": n} for n in range(50)] == [json.loads(result.body)["event"] for result in results]


def test_new_code_while_the_old_runs(tmp_path: Path) -> None:
    """What is running finishes on the old code; the next event gets the new one."""
    function = aws_function(tmp_path)
    with serving(function) as local, ThreadPoolExecutor(1) as pool:
        running = pool.submit(ask, local, {"wait": "go"})
        await_true(lambda: any(one.invocations for one in local.platform.pools["function"].environments))
        write_handler(tmp_path, "def handler(event, context):\n    return 'new'\n")
        local.run(local.platform.replace(function))
        assert b'"new"' == ask(local).body
        (tmp_path / "go").touch()
        old = json.loads(running.result().body)
        await_true(lambda: gone(old["pid"]))


def test_a_process_that_died_while_waiting_is_replaced(tmp_path: Path) -> None:
    """An environment whose process ended between two events is not given the second."""
    with serving(aws_function(tmp_path)) as local:
        pid = json.loads(ask(local).body)["pid"]
        environment = local.platform.pools["function"].environments[0]
        os.kill(pid, 9)
        await_true(lambda: not environment.usable)
        assert 1 == json.loads(ask(local).body)["calls"]


def test_an_answer_that_breaks_off_ends_the_environment(tmp_path: Path) -> None:
    """The caller is told that the answer is cut, and the stuck process does not get another event."""
    program = write_program(
        tmp_path / "bootstrap",
        """
import http.client, os, socket
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    got = api.getresponse(); got.read()
    api.putrequest("POST", f"/2018-06-01/runtime/invocation/{got.headers['Lambda-Runtime-Aws-Request-Id']}/response")
    api.putheader("Content-Length", "10"); api.endheaders(b"short")
    api.sock.shutdown(socket.SHUT_WR); api.getresponse().read(); api.close()
""",
    )
    with serving(Function(root=tmp_path, command=[str(program)])) as local:
        result = ask(local)

    assert result.error is not None
    assert "Runtime.TruncatedResponse" == result.error.type


def test_the_reserved_variables_are_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function sees what Lambda would tell it, its own variables, the developer's, and nothing of another one."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "another")
    monkeypatch.setenv("HANDLER", "another.handler")
    monkeypatch.setenv("EDITOR", "ed")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    expected = {
        "_HANDLER": "app.handler",
        "HANDLER": None,
        "AWS_LAMBDA_FUNCTION_NAME": "one",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/one",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_EXECUTION_ENV": None,
        "LAMBDA_TASK_ROOT": str(tmp_path),
        "TZ": ":UTC",
        "EDITOR": "ed",
        "MINE": "yes",
    }
    with serving(aws_function(tmp_path, name="one", memory=256, environment={"MINE": "yes"})) as local:
        result = ask(local, {"env": [*expected, "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_SECRET_ACCESS_KEY"]})

    got = json.loads(result.body)
    assert result.report.environment == got.pop("AWS_LAMBDA_LOG_STREAM_NAME")
    assert got.pop("AWS_SECRET_ACCESS_KEY") is not None
    assert expected == got


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"timeout": 0}, "more than 0 and at most 900"),
        ({"timeout": 901}, "more than 0 and at most 900"),
        ({"memory": 64}, "128 to 10240 MB, not 64"),
        ({"concurrency": 0}, "at least 1"),
        ({"name": "not a name"}, "letters, digits"),
        ({"root": Path("nowhere")}, "not a folder: nowhere"),
        ({"environment": {"_HANDLER": "x"}}, "_HANDLER is reserved"),
        ({"environment": {"AWS_LAMBDA_RUNTIME_API": "x"}}, "AWS_LAMBDA_RUNTIME_API is reserved"),
        ({"environment": {"1": "x"}}, "starts with a letter"),
    ],
)
def test_settings_that_lambda_would_not_take(settings: dict[str, Any], words: str) -> None:
    """A wrong setting is refused with what it may be."""
    with pytest.raises(FunctionSettingError, match=words):
        Function(**settings)


def test_an_unknown_function_is_named(tmp_path: Path) -> None:
    """Asking for a function that is not there says which there are."""
    with (
        serving(Function(name="one", root=tmp_path), Function(name="two", root=tmp_path)) as local,
        pytest.raises(UnknownFunction, match="no such function: 'three'; available: one, two"),
    ):
        local.invoke(name="three")


def test_leaving_ends_what_still_runs(tmp_path: Path) -> None:
    """A platform that is closed in the middle of an event leaves no process behind, and its caller is told."""
    with ThreadPoolExecutor(1) as pool:
        with serving(aws_function(tmp_path, timeout=60)) as local:
            running = pool.submit(ask, local, {"wait": "never"})
            environments: list[LocalEnvironment] = local.platform.pools["function"].environments
            await_true(lambda: any(one.invocations for one in environments))
            process = environments[0]._runtime.process
            assert process is not None
            pids = process_tree(process.pid)
        assert pids
        assert all(gone(pid) for pid in pids)
        assert running.exception(PATIENCE) is not None


def test_only_its_own_process_reaches_the_runtime_api(tmp_path: Path) -> None:
    """Any other connection is closed, and the log says so; children are let in, and one that is a zombie opens nothing.

    The two others are as near as they can be: one has the address of the runtime's own connection but for the host.
    """
    if not Path("/proc/net/tcp").exists():
        pytest.skip("the system does not tell whose a connection is: no /proc/net/tcp")
    write_handler(tmp_path, PROBE)
    lines: list[LogLine] = []
    with serving(Function(handler="app.handler", root=tmp_path, convention="lambda"), write_log=lines.append) as local:
        told = json.loads(ask(local).body)
        port = int(told["api"].rpartition(":")[2])
        for host, own in (("127.0.0.1", ("127.0.0.1", 0)), ("127.0.0.1", ("127.0.0.2", told["port"]))):
            with socket.create_connection((host, port), source_address=own, timeout=PATIENCE) as other:
                other.sendall(b"GET /2018-06-01/ping HTTP/1.1\r\nHost: %b\r\n\r\n" % told["api"].encode())
                with contextlib.suppress(ConnectionResetError):
                    assert b"" == other.recv(1)
        await_true(lambda: sum("was refused" in line.text for line in lines) == 2)

    assert "pong" == told["child"]


PROBE = """
import os, socket, subprocess, sys
CODE = '''
import os, urllib.request
url = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/ping"
print(urllib.request.urlopen(url).read().decode(), end="")
'''
def handler(event, context):
    zombie = subprocess.Popen(["true"])
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    child = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    return {"api": os.environ["AWS_LAMBDA_RUNTIME_API"], "child": child.stdout, "port": own_port()}

def own_port():
    for number in map(int, os.listdir("/proc/self/fd")):
        try:
            with socket.socket(fileno=os.dup(number)) as one:
                return one.getsockname()[1]
        except OSError:
            continue
"""


def test_a_zombie_of_a_process_that_is_not_root_opens_nothing() -> None:
    """Its descriptors cannot be read; a stranger's connection is not admitted for that, whatever its address family."""
    if not Path("/proc/net/tcp").exists():
        pytest.skip("the system does not tell whose a connection is: no /proc/net/tcp")
    ended = subprocess.run(
        [sys.executable, "-c", OTHER_USER], capture_output=True, text=True, check=True, timeout=PATIENCE
    )

    assert {"own": True, "own by IPv6": True, "child": True, "stranger": False, "closed": False} == json.loads(
        ended.stdout
    )


#: Asks about a process that has a zombie, as a process that is not its child and that connects, too.
OTHER_USER = """
import ctypes, json, os, signal, socket
from runtime.local.environments.process_tree import owns_connection

if os.getuid() == 0:
    os.setgroups([])
    os.setuid(65534)
    ctypes.CDLL(None).prctl(4, 1)  # PR_SET_DUMPABLE, which a program has again that is started by that user
server = socket.create_server(("127.0.0.1", 0))
address = server.getsockname()
ready, say_ready = os.pipe()

def connect(host="127.0.0.1", family=socket.AF_INET):
    one = socket.socket(family)
    one.connect((host, address[1]))
    return one

def runtime():
    own = connect()
    by_6 = connect("::ffff:127.0.0.1", socket.AF_INET6) if os.path.exists("/proc/net/tcp6") else connect()
    inherited = connect()
    os.fork() or signal.pause()
    inherited.close()
    zombie = os.fork() or os._exit(0)
    os.waitid(os.P_PID, zombie, os.WEXITED | os.WNOWAIT)
    os.write(say_ready, b"x")
    signal.pause()

pid = os.fork()
if pid == 0:
    os.setsid()
    runtime()
os.close(say_ready)
server.settimeout(10)
try:
    connections = {name: server.accept() for name in ("own", "own by IPv6", "child")}
    os.read(ready, 1)
    stranger = connect()
    connections["stranger"] = server.accept()
    found = {name: owns_connection(pid, peer, address) for name, (_, peer) in connections.items()}
    found["closed"] = owns_connection(pid, ("127.0.0.1", 1), address)
finally:
    os.killpg(pid, signal.SIGKILL)
print(json.dumps(found))
"""
