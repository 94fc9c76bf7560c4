"""`dispatch run` as a user calls it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support.local import write_bootstrap, write_handler, write_program
from support.wire import PATIENCE

DISPATCH = (sys.executable, "-m", "runtime.cli")


def dispatch(*arguments: str | Path, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run the command to its end."""
    return subprocess.run([*DISPATCH, *map(str, arguments)], input=stdin, capture_output=True, timeout=60, check=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a handler, and AWS's runtime client to run it."""
    write_bootstrap(tmp_path)
    return write_handler(tmp_path)


def run(root: Path, *arguments: str | Path, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """`dispatch run` with AWS's runtime client."""
    return dispatch("run", "app.handler", "--root", root, "--bootstrap", root / "bootstrap", *arguments, stdin=stdin)


def event_of(done: subprocess.CompletedProcess[bytes]) -> object:
    """The event that the handler got."""
    return json.loads(done.stdout)["event"]


def test_the_answer_is_all_there_is_on_standard_output(root: Path) -> None:
    """The answer goes to standard output, the function's own log to standard error, and the status is 0."""
    done = run(root, "-e", '{"name": "Ada"}')

    assert ({"name": "Ada"}, 0) == (event_of(done), done.returncode)
    assert b'the event is {"name": "Ada"}\n' == done.stderr


def test_the_lines_of_lambdas_log(root: Path) -> None:
    """-v shows them: START, END and REPORT, and INIT_REPORT for a function that does not load; so does --json."""
    done, failed = run(root, "-e", "{}", "-v"), dispatch("run", "no.handler", "--root", root, "-v", stdin=b"")
    assert [b"START", b"the", b"END", b"REPORT"] == [line.split()[0] for line in done.stderr.splitlines()]
    assert [1, 0] == [each.stderr.count(b"INIT_REPORT Init Duration") for each in (failed, done)]

    plain, whole = run(root, "-e", "{}", "--json"), run(root, "-e", "{}", "--json", "--verbose")
    assert [1, 4] == [len(json.loads(each.stdout)["log"]) for each in (plain, whole)]


def test_the_event_comes_from_where_it_is_given(root: Path) -> None:
    """By -e, a file, standard input asked for or found; else it is an empty object."""
    (root / "event.json").write_text('{"from": "file"}')

    assert {"from": "file"} == event_of(run(root, "-f", root / "event.json"))
    assert {"from": "pipe"} == event_of(run(root, "-", stdin=b'{"from": "pipe"}'))
    assert {"from": "pipe"} == event_of(run(root, stdin=b'{"from": "pipe"}'))
    assert {} == event_of(run(root, stdin=b""))


def test_a_function_error_is_shown_once(root: Path) -> None:
    """Type, message and the user's own frames are there, once each; the status is 1 and there is no answer."""
    done = run(root, "-e", '{"raise": "no such luck"}')

    assert (b"", 1) == (done.stdout, done.returncode)
    assert 1 == done.stderr.count(b"ValueError: no such luck")
    assert 1 == done.stderr.count(b'raise ValueError(event["raise"])')
    assert b"\r" not in done.stderr


def test_an_error_that_the_log_does_not_tell_is_told(tmp_path: Path) -> None:
    """A runtime that reports without logging has its report shown."""
    report = {"errorType": "Mine", "errorMessage": "it broke", "stackTrace": ['  File "a", line 1, in b\n    c()\n']}
    program = write_program(
        tmp_path / "bootstrap",
        f"""
import http.client, os
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    got = api.getresponse(); got.read()
    path = f"/2018-06-01/runtime/invocation/{{got.headers['Lambda-Runtime-Aws-Request-Id']}}/error"
    api.request("POST", path, {json.dumps(report)!r})
    api.getresponse().read()
""",
    )
    done = dispatch("run", "x", "--root", tmp_path, "--bootstrap", program, "-e", "")

    assert 1 == done.returncode
    assert b'Mine: it broke\n  File "a", line 1, in b\n    c()\n' in done.stderr


def test_an_init_error_is_shown_once(root: Path) -> None:
    """A handler that can't be loaded is told once, with status 1."""
    done = dispatch("run", "nowhere.handler", "--root", root, "--bootstrap", root / "bootstrap", stdin=b"")

    assert (b"", 1) == (done.stdout, done.returncode)
    assert 1 == done.stderr.count(b"No module named 'nowhere'")


@pytest.mark.parametrize(
    ("event", "options", "words"),
    [
        ('{"wait": "never"}', ["--timeout", "0.5"], b"--timeout changes it"),
        ('{"eat": 400}', ["--memory", "128", "--timeout", "60"], b"--memory changes it"),
        ('{"exit": 3}', [], b"exit status 3"),
    ],
)
def test_the_limits_are_kept_and_named(root: Path, event: str, options: list[str], words: bytes) -> None:
    """An event that takes too much ends with status 1 and says which option sets the limit."""
    done = run(root, "-e", event, *options)

    assert 1 == done.returncode
    assert words in done.stderr


def test_variables_and_repetition(root: Path) -> None:
    """--env reaches the function; --repeat sends the event to the same environment, an answer a line."""
    done = run(root, "-e", '{"env": ["A", "B"]}', "--env", "A=1", "--env", "B=x=y")
    assert {"A": "1", "B": "x=y"} == json.loads(done.stdout)

    done = run(root, "-e", "{}", "--repeat", "3")
    assert [1, 2, 3] == [json.loads(line)["calls"] for line in done.stdout.splitlines()]


def test_json_says_all_about_the_result(root: Path) -> None:
    """--json is one object with the answer, the log, the times and the error."""
    done, failed = run(root, "--json", "-e", "{}"), run(root, "--json", "-e", '{"raise": "no"}')

    good, bad = json.loads(done.stdout), json.loads(failed.stdout)
    assert ("success", None, False, 0) == (good["status"], good["error"], good["streamed"], done.returncode)
    assert {} == json.loads(good["answer"])["event"]
    assert good["initDurationMs"] > 0
    assert "the event is {}" in good["log"]
    assert ("error", "ValueError", 1) == (bad["status"], bad["error"]["errorType"], failed.returncode)


STREAMING = """
import os, socket, sys
host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
api = socket.create_connection((host, int(port)))
api.sendall(f"GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\nHost: {host}:{port}\\r\\n\\r\\n".encode())
head = api.makefile("rb")
while (line := head.readline()) != b"\\r\\n":
    name, _, value = line.decode().partition(":")
    if name.lower() == "lambda-runtime-aws-request-id":
        request_id = value.strip()
api.sendall(
    f"POST /2018-06-01/runtime/invocation/{request_id}/response HTTP/1.1\\r\\nHost: {host}:{port}\\r\\n"
    "Transfer-Encoding: chunked\\r\\nLambda-Runtime-Function-Response-Mode: streaming\\r\\n"
    "Content-Type: application/vnd.awslambda.http-integration-response\\r\\n\\r\\n".encode()
)
for chunk in (b'{"statusCode": 200}' + bytes(3), bytes(5) + b"first\\n"):
    api.sendall(b"%x\\r\\n%s\\r\\n" % (len(chunk), chunk))
while not os.path.exists("go"):
    pass
api.sendall(b"6\\r\\nsecond\\r\\n0\\r\\n\\r\\n")
api.recv(1000)
api.sendall(f"GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\nHost: {host}:{port}\\r\\n\\r\\n".encode())
api.recv(1000)
"""


def test_a_streamed_answer_is_printed_as_it_comes(tmp_path: Path) -> None:
    """The first chunk is there before the second is made, and the prelude, cut anywhere, is not printed."""
    program = write_program(tmp_path / "bootstrap", STREAMING)
    command = [*DISPATCH, "run", "x", "--root", str(tmp_path), "--bootstrap", str(program), "--timeout", "60", "-e", ""]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert b"first\n" == process.stdout.readline()
        (tmp_path / "go").touch()
        assert b"second" == process.stdout.read()

    assert 0 == process.returncode


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)])
def test_a_signal_leaves_no_process_behind(root: Path, number: signal.Signals, status: int) -> None:
    """Ctrl-C, SIGTERM and a closed terminal in the middle of an event end the command and the runtime."""
    write_handler(
        root,
        "import os, time\ndef handler(event, context):\n    print('pid', os.getpid())\n    time.sleep(60)\n",
    )
    command = [
        *DISPATCH,
        "run",
        "app.handler",
        "--root",
        str(root),
        "--bootstrap",
        str(root / "bootstrap"),
        "--timeout",
        "60",
    ]
    # Whoever starts the tests in the background has SIGINT ignored, which children inherit.
    default = ["env", f"--default-signal={number.name.removeprefix('SIG')}"]
    with subprocess.Popen([*default, *command, "-e", "{}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        pid = next(int(line.split()[1]) for line in process.stderr if line.startswith(b"pid "))
        watchdog = threading.Timer(PATIENCE, process.kill)
        watchdog.start()
        process.send_signal(number)
        rest = process.stderr.read()
        process.wait()
        watchdog.cancel()

    assert status == process.returncode
    assert b"Traceback" not in rest
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_reader_that_leaves_is_no_traceback(root: Path) -> None:
    """When nobody reads the answer any more, the command ends quietly."""
    command = [*DISPATCH, "run", "app.handler", "--root", str(root), "--bootstrap", str(root / "bootstrap"), "-e", "{}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--root", "nowhere"], "'nowhere' does not exist"),
        (["-f", "nowhere.json"], "'nowhere.json' does not exist"),
        (["--env", "NAME"], "NAME=VALUE"),
        (["--env", "_HANDLER=x"], "_HANDLER is reserved"),
        (["--timeout", "0"], "more than 0"),
        (["--memory", "1"], "128 to 10240"),
        (["--repeat", "0"], "x>=1"),
        (["-e", "{}", "-"], "more than one event"),
        (["--bootstrap", "nowhere"], "'nowhere' does not exist"),
    ],
)
def test_bad_input_is_a_usage_error(arguments: list[str], words: str) -> None:
    """What can't be used is named, with status 2."""
    done = dispatch("run", "app.handler", *arguments, stdin=b"")

    assert 2 == done.returncode
    assert words in done.stderr.decode()


def test_the_command_loads_no_server() -> None:
    """`dispatch run` imports neither a web server nor a file watcher."""
    heavy = {"uvicorn", "starlette", "watchfiles", "requests", "rich", "yaml"}
    code = "import sys, runtime.cli.run, runtime.cli.group; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.split()

    assert set() == heavy & set(loaded)


def test_a_missing_library_names_its_extra() -> None:
    """Without click the command says what to install."""
    code = "import sys; sys.modules['click'] = None; from runtime.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, text=True)

    assert 1 == done.returncode
    assert "pip install 'handler-dispatch[local]'" in done.stderr


# -- with this project's own runtime


def test_a_script_answers_with_what_it_prints(tmp_path: Path) -> None:
    """Byte for byte, and from whatever folder the command is called."""
    (tmp_path / "hello.py").write_text("import sys\nsys.stdout.write('Hello, ' + sys.stdin.read() + '!')\n")
    done = dispatch("run", "hello.py", "--root", tmp_path, "-e", "Ada Ä")

    assert ("Hello, Ada Ä!".encode(), 0) == (done.stdout, done.returncode)


def test_the_convention_and_the_variables_reach_the_runtime(tmp_path: Path) -> None:
    """--convention and --env are what the runtime is started with."""
    (tmp_path / "app.py").write_text("import os\ndef handler(event, headers):\n    return [event, os.environ['A']]\n")
    arguments = ("run", "app.handler", "--root", tmp_path, "-e", '{"a": 1}', "--env", "A=x")

    assert [{"a": 1}, "x"] == json.loads(dispatch(*arguments, "--convention", "json").stdout)
    assert 1 == dispatch(*arguments, "--convention", "standard").returncode


def test_the_argument_and_the_flags_win_over_the_variables(tmp_path: Path) -> None:
    """HANDLER and the variables of --convention and --plugins by --env change nothing that the command line says."""
    (tmp_path / "app.py").write_text(
        "def one(event, headers):\n    return [1]\ndef two(event, headers):\n    return '2'\n"
    )
    (tmp_path / "own.py").write_text("def dispatch_startup(function):\n    print('own has started')\n")
    overridden = ("HANDLER=app.two", "HANDLER_CONVENTION=standard", "HANDLER_PLUGINS=nosuch")
    variables = [argument for variable in overridden for argument in ("--env", variable)]
    flags = ("--convention", "json", "--plugins", "own")
    done = dispatch("run", "app.one", "--root", tmp_path, "-e", "{}", *flags, *variables)

    assert (b"[1]", 0) == (done.stdout, done.returncode)
    assert b"own has started" in done.stderr


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import nowhere\n", b"No module named 'nowhere'"),
        ("def handlr(event, headers):\n    pass\n", b"it has: handlr"),
        ("def handler(event:\n", b"SyntaxError"),
        ("def handler(event, headers):\n    raise ValueError('no such luck')\n", b"no such luck"),
    ],
)
def test_every_failure_is_told_once(tmp_path: Path, source: str, words: bytes) -> None:
    """Loading or handling, the message is there once, and the status is 1."""
    (tmp_path / "app.py").write_text(source)
    done = dispatch("run", "app.handler", "--root", tmp_path, "-e", "{}")

    assert (b"", 1) == (done.stdout, done.returncode)
    told = [line for line in done.stderr.splitlines() if re.match(rb"(\[ERROR\] )?[\w.]+: ", line) and words in line]
    assert 1 == len(told), done.stderr


@pytest.mark.parametrize("raised", ["KeyError", "ValueError('\"quoted\" é')"])
@pytest.mark.parametrize("log", ["Text", "JSON"])
def test_an_error_is_told_once_in_either_format(tmp_path: Path, raised: str, log: str) -> None:
    """With a message or without one."""
    (tmp_path / "app.py").write_text(f"def handler(event, headers):\n    raise {raised}\n")
    done = dispatch("run", "app.handler", "--root", tmp_path, "-e", "1", "--env", f"AWS_LAMBDA_LOG_FORMAT={log}")

    assert 1 == done.stderr.decode().count("in handler"), done.stderr
    assert 1 == len(re.findall(r"(?<!raise )(?:Key|Value)Error\b", done.stderr.decode())), done.stderr


def test_a_failure_after_the_first_chunk(tmp_path: Path) -> None:
    """What came before it is printed, and the failure is told."""
    (tmp_path / "app.py").write_text("def handler(event, headers):\n    yield b'first'\n    raise ValueError('late')\n")
    done = dispatch("run", "app.handler", "--root", tmp_path, "-e", "{}")

    assert (b"first", 1) == (done.stdout, done.returncode)
    assert b"ValueError: late" in done.stderr
