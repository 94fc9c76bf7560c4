"""`dispatch serve` as a user starts it: settings, reload, debugging, the end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support.local import ServerProcess, client, save
from support.process import await_true
from support.wire import PATIENCE, reserved_port

INVOKE = "/2015-03-31/functions/{}/invocations"


def ask(server: ServerProcess, event: Any = None, name: str = "function") -> Any:
    """Invoke a function; its answer."""
    with client(server.host) as one:
        return one.call("POST", INVOKE.format(name), json.dumps({} if event is None else event)).json


def write(root: Path, answer: str, like: os.stat_result | None = None) -> None:
    """A handler that answers so."""
    save(root / "app.py", f"def handler(event, context):\n    return {answer}\n", like)


def test_a_saved_change_is_served(tmp_path: Path) -> None:
    """Once per change, with one line that says what and how long; ignored files change nothing."""
    write(tmp_path, "'old'")
    (tmp_path / ".gitignore").write_text("ignored.py\n")
    caching = {"PYTHONDONTWRITEBYTECODE": ""}
    with ServerProcess(tmp_path, "app.handler", "--convention", "lambda", environment=caching) as server:
        assert "old" == ask(server)
        (tmp_path / "ignored.py").write_text("1")
        # As in the same second, and of the same size: what cached bytecode is judged by.
        write(tmp_path, "'new'", (tmp_path / "app.py").stat())
        line = server.line("reloaded function in ")
        assert "new" == ask(server)
        assert line.endswith(": app.py")
        write(tmp_path, "'newer'")
        server.line("reloaded", 2)
        assert "newer" == ask(server)
        assert 2 == len([line for line in server.lines if "reloaded" in line])


def test_what_runs_finishes_on_the_old_code(tmp_path: Path) -> None:
    """A change in the middle of an event does not disturb it."""
    (tmp_path / "app.py").write_text(
        "import os, time\ndef handler(event, context):\n    open('started', 'w').close()\n"
        "    while not os.path.exists('go'):\n        time.sleep(0.01)\n    return 'old'\n"
    )
    (tmp_path / ".gitignore").write_text("started\ngo\n")
    with (
        ServerProcess(tmp_path, "app.handler", "--convention", "lambda", "--timeout", "60") as server,
        ThreadPoolExecutor(1) as pool,
    ):
        running = pool.submit(ask, server)
        await_true((tmp_path / "started").exists)
        write(tmp_path, "'new'")
        server.line("reloaded")
        assert "new" == ask(server)
        (tmp_path / "go").touch()
        assert "old" == running.result(PATIENCE)


def test_a_syntax_error_is_shown_at_once_and_the_next_save_cures_it(tmp_path: Path) -> None:
    """No event is needed to see it, and no restart to get over it."""
    write(tmp_path, "'good'")
    with ServerProcess(tmp_path, "app.handler", "--convention", "lambda") as server:
        assert "good" == ask(server)
        write(tmp_path, "(")
        assert f"{tmp_path / 'app.py'}:2: SyntaxError" in server.line("SyntaxError")
        assert "Runtime.UserCodeSyntaxError" == ask(server)["errorType"]
        write(tmp_path, "'cured'")
        server.line("reloaded", 2)
        assert "cured" == ask(server)


def test_the_describing_file_is_read_again(tmp_path: Path) -> None:
    """Functions come and go with dispatch.toml; a broken one keeps what was."""
    write(tmp_path, "event")
    file = tmp_path / "dispatch.toml"
    table = "[functions.{}]\nhandler = 'app.handler'\nconvention = 'lambda'\n"
    file.write_text("name = 'unused'\n" + table.format("one"))
    with ServerProcess(tmp_path) as server:
        assert {} == ask(server, name="one")
        save(file, table.format("two"))
        server.line("read ")
        assert {} == ask(server, name="two")
        assert "Function not found" in ask(server, name="one")["message"]
        save(file, "[functions")
        server.line("dispatch.toml: ")
        assert {} == ask(server, name="two")


def test_options_are_variables_and_keys_too(tmp_path: Path) -> None:
    """The command line wins over variables, and they over the file."""
    (tmp_path / "app.py").write_text(
        "import os\ndef handler(event, context):\n"
        "    return [os.environ['AWS_LAMBDA_FUNCTION_MEMORY_SIZE'], os.environ['A'], context.function_name]\n"
    )
    (tmp_path / "dispatch.toml").write_text(
        'memory = 200\nname = "fromfile"\nconvention = "lambda"\nenv = { A = "file" }\n'
    )
    assert ["200", "file", "fromfile"] == served(tmp_path, "fromfile")
    assert ["300", "file", "fromfile"] == served(tmp_path, "fromfile", environment={"DISPATCH_SERVE_MEMORY": "300"})
    assert ["400", "x", "named"] == served(tmp_path, "named", "--memory", "400", "--env", "A=x", "--name", "named")


def test_the_argument_and_the_flags_win_over_the_variables(tmp_path: Path) -> None:
    """As in `dispatch run`."""
    (tmp_path / "app.py").write_text("def handler(event, headers):\n    return ['json']\n")
    variables = ("--env", "HANDLER=app.other", "--env", "HANDLER_CONVENTION=standard")

    assert ["json"] == served(tmp_path, "function", "--convention", "json", *variables)


def served(root: Path, name: str, *arguments: str, environment: dict[str, str] | None = None) -> Any:
    """Serve, ask once."""
    with ServerProcess(root, "app.handler", "--no-reload", *arguments, environment=environment) as server:
        return ask(server, name=name)


def test_a_sam_template_is_served(tmp_path: Path) -> None:
    """`--config template.yaml` serves its functions, and says what it leaves out."""
    write(tmp_path, "event")
    (tmp_path / "template.yaml").write_text(
        "Resources:\n"
        "  Hello:\n    Type: AWS::Serverless::Function\n"
        "    Properties: {CodeUri: ., Handler: app.handler, Runtime: python3.13}\n"
        "  Other: {Type: 'AWS::Serverless::Function', Properties: {CodeUri: ., Handler: a.b, Runtime: java21}}\n"
    )
    with ServerProcess(tmp_path, "--config", "template.yaml") as server:
        assert {"a": 1} == ask(server, {"a": 1}, "Hello")
        assert "java21 is not served" in server.line("Other is left out")


def test_a_handler_can_be_started_by_an_ide(tmp_path: Path) -> None:
    """--only-api starts nothing and prints the variables; a runtime started with them gets the events."""
    write(tmp_path, "event")
    with ServerProcess(tmp_path, "app.handler", "--only-api") as server, ThreadPoolExecutor(1) as pool:
        server.line("  TZ=")
        told = dict(line.split(":", 1)[1].strip().split("=", 1) for line in server.lines if "dispatch:   " in line)
        waiting = pool.submit(ask, server, {"early": True})
        server.line("is not there yet")
        command = [sys.executable, "-P", "-m", "runtime"]
        environment = {**os.environ, **told, "HANDLER_CONVENTION": "lambda"}
        for _ in range(2):
            with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as runtime:
                try:
                    assert {"early": True} == waiting.result(PATIENCE)
                    assert {"n": 1} == ask(server, {"n": 1})
                finally:
                    runtime.terminate()


def test_a_debugger_is_waited_for(tmp_path: Path) -> None:
    """With --debug the environment listens for a debugger (debugpy) and the deadline is off."""
    pytest.importorskip("debugpy")
    write(tmp_path, "context.get_remaining_time_in_millis()")
    arguments = ("app.handler", "--convention", "lambda", "--timeout", "1", "--debug")
    with (
        reserved_port() as port,
        ServerProcess(tmp_path, *arguments, str(port)) as server,
        ThreadPoolExecutor(1) as pool,
    ):
        server.line(f"waiting for a debugger on 127.0.0.1:{port}")
        waiting = pool.submit(ask, server)
        with attach(port):
            assert waiting.result(60) > 60_000


class attach:  # noqa: N801 - used as a function
    """A debugger that attaches and lets run: the few messages of the Debug Adapter Protocol that this needs."""

    def __init__(self, port: int) -> None:
        await_true(lambda: self._connects(port))
        threading.Thread(target=self._answer, daemon=True).start()
        self._send(1, "initialize", {"adapterID": "test", "pathFormat": "path"})
        self._send(2, "attach", {"justMyCode": False})

    def _connects(self, port: int) -> bool:
        try:
            self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        except OSError:
            return False
        return True

    def _send(self, number: int, command: str, arguments: dict[str, Any]) -> None:
        body = json.dumps({"seq": number, "type": "request", "command": command, "arguments": arguments}).encode()
        self._socket.sendall(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))

    def _answer(self) -> None:
        received = b""
        while b'"initialized"' not in received:
            received += self._socket.recv(65536)
        self._send(3, "configurationDone", {})

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        self._socket.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_all(tmp_path: Path, number: signal.Signals) -> None:
    """SIGTERM and a closed terminal end the server and the environments with status 0, Ctrl-C with 130."""
    write(tmp_path, "__import__('os').getpid()")
    with ServerProcess(tmp_path, "app.handler", "--convention", "lambda") as server:
        pid = ask(server)
        server.process.send_signal(number)
        assert (130 if number is signal.SIGINT else 0) == server.wait()
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        assert [] == [line for line in server.lines if "Traceback" in line]


WAITING = """
import atexit, os, time
def handler(event, context):
    atexit.register(open, 'left', 'w')
    open(event['name'], 'w').close()
    while not os.path.exists('go'):
        time.sleep(0.01)
    return 'done'
"""
WAITS = ("app.handler", "--convention", "lambda", "--timeout", "60", "--no-reload")


def refused(server: ServerProcess) -> bool:
    """Whether it takes no connection any more."""
    try:
        socket.create_connection(("127.0.0.1", int(server.host.partition(":")[2])), timeout=PATIENCE).close()
    except ConnectionRefusedError:
        return True
    return False


def test_events_under_way_finish_after_sigterm(tmp_path: Path) -> None:
    """Nothing new is taken; what is answered or queued is seen through; then the environments end in order."""
    (tmp_path / "app.py").write_text(WAITING)
    with ServerProcess(tmp_path, *WAITS, "--grace", "60") as server, ThreadPoolExecutor(1) as pool:
        with client(server.host) as one:
            one.call("POST", INVOKE.format("function"), '{"name": "b"}', {"X-Amz-Invocation-Type": "Event"})
            page = urllib.request.urlopen(f"{server.address}/_dispatch/feed", timeout=PATIENCE)
            running = pool.submit(ask, server, {"name": "a"})
            await_true(lambda: (tmp_path / "a").exists() and (tmp_path / "b").exists())
            server.process.send_signal(signal.SIGTERM)
            server.line("ending once the events under way are through, in 60 seconds at most")
            await_true(lambda: refused(server))
            assert None is server.process.poll()
            (tmp_path / "go").touch()
            assert "done" == running.result(PATIENCE)
            assert 0 == server.wait()
            page.close()
        assert (tmp_path / "left").exists()
        ends = [line for line in server.lines if line.startswith("REPORT") and "Status" not in line]
        assert (2, []) == (len(ends), [line for line in server.lines if "Traceback" in line or "broke off" in line])


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGTERM] * 2, [signal.SIGINT]], ids=str)
def test_events_that_do_not_finish_are_broken_off(tmp_path: Path, signals: list[signal.Signals]) -> None:
    """After --grace, by a second signal, or by Ctrl-C; the caller is told, and the status is 0, or 130."""
    (tmp_path / "app.py").write_text(WAITING)
    grace = "0.2" if len(signals) == 1 else "600"
    with ServerProcess(tmp_path, *WAITS, "--grace", grace) as server, ThreadPoolExecutor(1) as pool:
        running = pool.submit(ask, server, {"name": "a"})
        await_true((tmp_path / "a").exists)
        for number in signals:
            server.process.send_signal(number)
            if number is signal.SIGTERM:
                server.line("ending once")
        assert "the platform was stopped" in running.result(PATIENCE)["errorMessage"]
        assert (130 if signal.SIGINT in signals else 0) == server.wait()
        said = [line for line in server.lines if "broke off" in line]
        assert (1 if signals == [signal.SIGTERM] else 0) == len(said)
        assert [] == [line for line in server.lines if "Traceback" in line]


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`dispatch serve` that is expected to end at once."""
    command = [sys.executable, "-m", "runtime.cli", "serve", *arguments]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "pass a HANDLER"),
        (["app.handler", "--name", "no name"], "letters, digits"),
        (["app.handler", "--config", "nowhere.toml"], "does not exist"),
        (["app.handler", "--config", "wrong.toml"], "unknown key 'prot'; did you mean 'port'? known keys: "),
        (["--config", "singular.toml"], "unknown key 'function'; did you mean 'functions'?"),
        (["--config", "environment.toml"], "[functions.a]: unknown key 'env'; did you mean 'environment'?"),
        (["--config", "marked.toml"], "unknown key 'prot'; did you mean 'port'? known keys: "),
        (["--config", "deep.toml"], "deep.toml: maximum recursion depth exceeded"),
        (["--config", "empty.yaml"], "no function to serve in"),
        (["app.handler", "--token", "two words"], "a token is one or more letters, digits"),
        (["app.handler", "--token", ""], "a token is one or more letters, digits"),
    ],
)
def test_bad_settings_are_usage_errors(tmp_path: Path, arguments: list[str], words: str) -> None:
    """What can't be served is said, with status 2."""
    (tmp_path / "wrong.toml").write_text("prot = 1")
    (tmp_path / "singular.toml").write_text("[function.a]\nhandler = 'app.handler'")
    (tmp_path / "environment.toml").write_text("[functions.a]\nhandler = 'app.handler'\nenv = {}")
    (tmp_path / "marked.toml").write_text("\ufeffprot = 1")
    (tmp_path / "deep.toml").write_text(f"a = {'[' * 5000}{']' * 5000}")
    (tmp_path / "empty.yaml").write_text("Resources: {}")
    done = run(tmp_path, *arguments)

    assert 2 == done.returncode
    assert words in " ".join(done.stderr.split())


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    """Another server on the port is an error, not a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run(tmp_path, "app.handler", "--port", str(port))

    assert 1 == done.returncode
    assert (
        f"Error: cannot listen on 127.0.0.1:{port}: Address already in use; pass another --port or --host\n"
        == done.stderr
    )
