"""Several execution environments side by side: processes under a supervisor."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path

import pytest
from support.api import OK, event, refusal
from support.logs import JSON, records
from support.process import await_true
from support.runtime import Serve
from support.workers import LogServer, end_at_start, gone, polls, ready

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are found by /proc")

PID = "import os\nloaded_by = os.getpid()\ndef handler(event, headers):\n    return f'{loaded_by} {os.getpid()}'\n"
TWO = {"HANDLER_WORKERS": "2"}
HOOKS = "import os\ndef dispatch_shutdown(reason):\n    print(f'SHUTDOWN {reason} {os.getpid()}')\n"


@pytest.mark.parametrize("variable", ["HANDLER_WORKERS", "AWS_LAMBDA_MAX_CONCURRENCY"])
def test_side_by_side(serve: Serve, tmp_path: Path, variable: str) -> None:
    """So many events are handled at the same time, each by a process that has loaded the function itself."""
    source = "import os\nloaded_by = os.getpid()\ndef handler(event, headers):\n    print('BUSY\\n', end='')\n"
    source += "    open('gate').close()\n    return f'{loaded_by} {os.getpid()}'\n"
    runtime = serve(source, env={variable: "3"})
    os.mkfifo(tmp_path / "task" / "gate")
    workers = ready(runtime, 3)
    runtime.api.hand_out(*[event(b"", f"event-{number}") for number in range(3)])
    for number in range(3):
        runtime.child.wait_log("BUSY\n" * (number + 1))
    with (tmp_path / "task" / "gate").open("wb"):  # a named pipe opens for its readers while there is a writer
        answers = [runtime.answer(f"event-{number}").body.decode().split() for number in range(3)]
    assert sorted([str(worker)] * 2 for worker in workers) == sorted(answers)


def test_workers_win_over_concurrency(serve: Serve) -> None:
    """HANDLER_WORKERS wins over what the platform says; one worker needs no supervisor."""
    runtime = serve(PID, env={"HANDLER_WORKERS": "1", "AWS_LAMBDA_MAX_CONCURRENCY": "4"})
    assert f"{runtime.child.process.pid} {runtime.child.process.pid}".encode() == runtime.invoke().body


def test_termination(serve: Serve) -> None:
    """SIGTERM is passed on; every worker ends in order, and the runtime with status 0."""
    runtime = serve({"app.py": PID, "own.py": HOOKS}, env={**TWO, "HANDLER_PLUGINS": "own"})
    workers = ready(runtime)
    assert sorted(workers) == sorted(map(int, re.findall(r"SHUTDOWN SIGTERM (\d+)", runtime.end())))


def test_interruption(serve: Serve) -> None:
    """Ctrl-C ends all, with the status that one process would have."""
    runtime = serve(PID, env=TWO)
    ready(runtime)
    runtime.child.signal(signal.SIGINT)
    assert 128 + signal.SIGINT == runtime.child.wait()


def test_termination_at_any_moment(serve: Serve) -> None:
    """SIGTERM that comes while workers are being started reaches them as well."""
    for _ in range(5):
        end_at_start(serve(PID, env={"HANDLER_WORKERS": "4"}))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_worker_that_dies(serve: Serve, number: signal.Signals) -> None:
    """A worker that was killed, or told to end alone, is replaced after a growing pause; the others go on meanwhile."""
    runtime = serve(PID, env=TWO)
    first, second = ready(runtime)
    for connections, _ in enumerate(range(3), 3):
        os.kill(first, number)
        await_true(lambda: gone(first), "the worker's end")  # noqa: B023 - it is called here and now
        answer = runtime.invoke().body.decode()
        workers = ready(runtime, connections)
        (first,) = set(workers) - {second}
        assert answer in [f"{worker} {worker}" for worker in workers]
    assert ["0.1", "0.2", "0.4"] == re.findall(
        r"died with status -?\d+; another starts in ([\d.]+) s", runtime.child.log
    )
    runtime.end()


def test_handler_that_exits_the_process(serve: Serve) -> None:
    """A handler that ends its process harms only its own event."""
    runtime = serve("import os\ndef handler(event, headers):\n    return os._exit(3) if event else 'fine'\n", env=TWO)
    ready(runtime)
    runtime.api.hand_out(event(b"exit", "lost"))
    runtime.child.wait_log("died with status 3")
    assert b"fine" == runtime.invoke().body
    ready(runtime, 3)
    assert [] == runtime.api.answers("lost")


@pytest.mark.parametrize("handler", ["app.missing", "broken.handler"])
def test_init_error(serve: Serve, handler: str) -> None:
    """An init error is posted by whoever has it, one counts, and all end with status 1."""
    runtime = serve(
        {"app.py": PID, "broken.py": "raise RuntimeError('broken')\n"}, handler, env={"HANDLER_WORKERS": "3"}
    )
    runtime.api.answer_posts(OK, refusal(403), refusal(403))
    assert 1 == runtime.child.wait()
    assert 1 <= len(runtime.api.finished("POST", "init/error")) <= 3
    assert "403" not in runtime.child.log
    assert 0 == polls(runtime)


def test_runtime_api_that_goes_away(serve: Serve) -> None:
    """When the Runtime API has gone, all workers and the supervisor end with status 1."""
    runtime = serve(PID, env=TWO)
    workers = ready(runtime)
    runtime.api.stop()
    assert 1 == runtime.child.wait()
    assert all(gone(worker) for worker in workers)


def test_supervisor_that_is_killed(serve: Serve) -> None:
    """A supervisor that is killed leaves no worker behind; they still end in order."""
    runtime = serve({"app.py": PID, "own.py": HOOKS}, env={**TWO, "HANDLER_PLUGINS": "own"})
    workers = ready(runtime)
    runtime.child.signal(signal.SIGKILL)
    assert -signal.SIGKILL == runtime.child.wait()
    await_true(lambda: all(gone(worker) for worker in workers), "the workers' end")
    assert sorted(workers) == sorted(map(int, re.findall(r"SHUTDOWN SIGTERM (\d+)", runtime.child.log)))


def test_random_numbers(serve: Serve) -> None:
    """Workers draw random numbers of their own."""
    source = """
    import random, uuid
    print(f"DRAWN {random.random()} {uuid.uuid4()}\\n", end="")
    def handler(event, headers):
        pass
    """
    runtime = serve(source, env={"HANDLER_WORKERS": "3"})
    ready(runtime, 3)
    assert 3 == len(set(re.findall("DRAWN .*", runtime.child.log)))


def test_the_supervisors_words(serve: Serve) -> None:
    """What the supervisor has to say is in the log's format."""
    runtime = serve("import os\ndef handler(event, headers):\n    os._exit(3)\n", env={**TWO, **JSON})
    runtime.api.hand_out(event(b""))
    runtime.child.wait_log("died with status 3")
    assert re.search(r'{"timestamp": "[^"]+", "level": "WARN", "message": "worker \d+ died with', runtime.child.log)


def test_log_socket(serve: Serve, tmp_path: Path) -> None:
    """Each worker has a connection for each of its streams; printing, logging and child processes write to them."""
    source = """
    import logging, os, subprocess
    def handler(event, headers):
        print("printed", os.getpid())
        logging.error("logged %d", os.getpid())
        subprocess.run(["echo", "child", str(os.getpid())])
        return str(os.getpid())
    """
    socket_path = str(tmp_path / "log")
    env = {"AWS_LAMBDA_MAX_CONCURRENCY": "2", "_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET": socket_path, **JSON}
    with LogServer(tmp_path / "log") as log_server:
        runtime = serve(source, env=env)
        ready(runtime)
        process = runtime.invoke().body.decode()
        assert "" == runtime.end()
        logs = log_server.wait_ended(4)
    assert ["", "", f"printed {process}\nchild {process}\n"] == [logs[0], logs[1], logs[2]]
    assert [f"logged {process}"] == [record["message"] for record in records(logs[3])]


def test_log_socket_that_is_not_there(serve: Serve, tmp_path: Path) -> None:
    """Without a log socket where one was promised, the log stays where it is, and says so."""
    env = {**TWO, "_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET": str(tmp_path / "none")}
    runtime = serve(PID, env=env)
    ready(runtime)
    runtime.invoke()
    assert 2 == runtime.child.log.count("_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET ")


@pytest.mark.parametrize("value", ["0", "-1", "two", "1.5"])
def test_number_that_is_none(serve: Serve, value: str) -> None:
    """A number of workers that is none is an init error."""
    failed = serve(PID, env={"HANDLER_WORKERS": value}).failed()
    assert 1 == failed.status
    assert f"HANDLER_WORKERS is '{value}'" in failed.log
