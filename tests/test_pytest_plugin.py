"""The fixtures for pytest: functions invoked in process and for real, plugins registered, conventions checked."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_type_hints

import pytest
from support.files import write

from dispatch import Invocation, Response, hookimpl, respond
from runtime.testing import Invoker

APP = """
import asyncio, logging, os, sys, time
from dispatch import HTTPResponse, after_response
TABLE = "real"
def count(event, context):
    print("counting", event)
    return {"table": TABLE, "n": len(event), "stage": os.environ.get("STAGE"), "name": context.function_name}
def fail(event, context):
    print("failing")
    raise ValueError("no Ada")
def leave(event, context):
    sys.exit(3)
def log(event, context):
    logging.getLogger().warning("careful")
    logging.getLogger().info("never")
    after_response(print, "later")
    return context.client_context.custom["a"]
async def stream(event, context):
    for number in range(3):
        yield f"{number}\\n"
        await asyncio.sleep(0.05)
    if event.get("fail"):
        raise ValueError("midway")
async def waits(event, context):
    print("begun")
    await asyncio.sleep(60)
def sleeps(event, context):
    time.sleep(60)
def page(event, context):
    return {"statusCode": 201, "headers": {"X-A": "1"}, "cookies": ["a=b"], "body": "hi"}
def old_page(event, context):
    return {"statusCode": 200, "multiValueHeaders": {"X-A": ["1", "2"], "Set-Cookie": ["a=b", "c=d"]}, "body": "aGk=",
            "isBase64Encoded": True}
def streamed_page(event, context):
    return HTTPResponse(202, {"X-A": "1"}, ["a=b"], iter(["h", "i"]))
def forks(event, context):
    process = os.fork()
    if process:
        os.waitpid(process, 0)
    return "parent" if process else "child"
"""
GREET = "import sys\nprint('Hello', sys.stdin.read(), end='')\nprint('greeting', file=sys.stderr)\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with functions."""
    return write(tmp_path / "functions", {"app.py": APP, "greet.py": GREET, "broken.py": "1 / 0\n"})


@pytest.mark.also_real
def test_an_answer(invoke: Invoker, root: Path) -> None:
    """The event is sent as JSON, the variables are set, prints are in the log."""
    result = invoke("app.count", [1, 2], convention="lambda", env={"STAGE": "test"}, root=root)
    assert None is result.error, result.log
    assert {"table": "real", "n": 2, "stage": "test", "name": "function"} == result.json
    assert result.body.decode() == result.text
    assert "counting [1, 2]" in result.log


@pytest.mark.also_real
@pytest.mark.parametrize(("event", "sent"), [(None, "{}"), ("a", "a"), (b"a", "a"), ({"a": 1}, '{"a": 1}'), ([], "[]")])
def test_events(invoke: Invoker, root: Path, event: object, sent: str) -> None:
    """Text and bytes go as they are, None as an empty object, anything else as JSON."""
    assert sent == invoke("event + ''", event, root=root).text


@pytest.mark.also_real
def test_a_script(invoke: Invoker, root: Path) -> None:
    """What it prints is the answer; its standard error is the log."""
    result = invoke("greet.py", "Ada", root=root)
    assert "Hello Ada" == result.text
    assert "greeting\n" in result.log


@pytest.mark.also_real
def test_a_failure(invoke: Invoker, root: Path) -> None:
    """An error has a type, a message, and a trace of the function's own frames."""
    result = invoke("app.fail", convention="lambda", root=root)
    assert result.error is not None
    assert ("ValueError", "no Ada") == (result.error.type, result.error.message)
    assert "in fail\n" in result.error.trace
    assert "in_process.py" not in result.error.trace
    assert "failing" in result.log
    assert 502 == result.http.status


@pytest.mark.also_real
@pytest.mark.parametrize(
    ("handler", "error_type"),
    [
        ("app.leave", "Runtime.ExitError"),
        ("app.nosuch", "Runtime.HandlerNotFound"),
        ("broken.handler", "ZeroDivisionError"),
    ],
)
def test_error_types(invoke: Invoker, root: Path, handler: str, error_type: str) -> None:
    """Exits and init errors are errors, too."""
    error = invoke(handler, convention="lambda", root=root).error
    assert error is not None
    assert error_type == error.type


@pytest.mark.also_real
def test_a_stream(invoke: Invoker, root: Path) -> None:
    """Chunks come with their times; a failure midway leaves the chunks that were sent."""
    result = invoke("app.stream", convention="lambda", root=root)
    assert ([b"0\n", b"1\n", b"2\n"], True) == (result.chunks, result.streaming)
    # Each after a pause; a busy reader may see the first ones late.
    assert 0.1 <= result.chunks[2].at
    failed = invoke("app.stream", {"fail": 1}, convention="lambda", root=root)
    assert failed.error is not None
    assert (b"0\n1\n2\n", "midway") == (failed.body, failed.error.message)


@pytest.mark.also_real
@pytest.mark.parametrize("handler", ["app.waits", "app.sleeps"])
def test_a_deadline(invoke: Invoker, root: Path, handler: str) -> None:
    """An event that takes too long is the platform's error; the next one gets a new environment."""
    late = invoke(handler, convention="lambda", timeout=0.3, root=root)
    assert late.error is not None
    assert "Sandbox.Timedout" == late.error.type
    assert "Task timed out after 0.30 seconds" in late.error.message
    assert None is invoke("app.count", [], convention="lambda", timeout=5, root=root).error


def test_where_it_was_interrupted(invoke: Invoker, root: Path) -> None:
    """In process, the trace shows what was running, and the test runner's own timer goes on."""
    late = invoke("app.sleeps", convention="lambda", timeout=0.1, root=root)
    assert late.error is not None
    assert "time.sleep(60)" in late.error.trace


@pytest.mark.also_real
def test_the_log(invoke: Invoker, root: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Records are written as in the runtime, calls after the answer are made, headers are passed."""
    caplog.set_level(logging.WARNING)
    headers = {"Lambda-Runtime-Aws-Request-Id": "abc", "Lambda-Runtime-Client-Context": '{"custom": {"a": 7}}'}
    result = invoke("app.log", convention="lambda", headers=headers, root=root)
    assert 7 == result.json
    assert "[WARNING]" in result.log
    assert "\tabc\tcareful" in result.log
    assert "later\n" in result.log
    assert "never" not in result.log


@pytest.mark.also_real
@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        ("app.page", (201, "1", ["a=b"], b"hi")),
        ("app.old_page", (200, "1, 2", ["a=b", "c=d"], b"hi")),
        ("app.streamed_page", (202, "1", ["a=b"], b"hi")),
    ],
)
def test_http(invoke: Invoker, root: Path, handler: str, expected: tuple[Any, ...]) -> None:
    """An answer can be read as the HTTP response that it becomes."""
    http = invoke(handler, convention="lambda", root=root).http
    assert expected == (http.status, http.headers["x-a"], http.cookies, http.body)
    assert "hi" == http.text


def test_what_is_not_http(invoke: Invoker) -> None:
    """An answer that cannot be an HTTP response says why."""
    with pytest.raises(ValueError, match="must be JSON"):
        assert invoke("event", "text").http


@pytest.mark.also_real
def test_forks(invoke: Invoker, root: Path) -> None:
    """A process that a handler forks does not run the rest of the test."""
    assert b'"parent"' == invoke("app.forks", convention="lambda", root=root).body


def test_mocks(invoke: Invoker, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Moto and monkeypatch reach a function in process, and a module that the test has imported is the function's."""
    moto, boto3 = pytest.importorskip("moto"), pytest.importorskip("boto3")
    (root / "buckets.py").write_text(
        "import boto3\ns3 = boto3.client('s3')\ndef names(*_): return [b['Name'] for b in s3.list_buckets()['Buckets']]\n"
    )
    with moto.mock_aws():
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="mine")
        assert ["mine"] == invoke("buckets.names", convention="json", root=root).json
    monkeypatch.syspath_prepend(write(root, {"patched.py": APP}))
    patched: Any = import_module("patched")
    monkeypatch.setattr(patched, "TABLE", "fake")
    assert "fake" == invoke(patched.count, [], convention="lambda").json["table"]


def test_functions_of_the_test(invoke: Invoker) -> None:
    """Any function can be invoked in process, and keeps its state."""
    seen = []

    async def keep(event: str, headers: object) -> str:
        await asyncio.sleep(0)
        seen.append(event)
        return event

    assert ["a", "b"] == [invoke(keep, event).text for event in ("a", "b")] == seen
    assert ["1", "2"] == [invoke(function).text for function in (lambda *_: "1", lambda *_: "2")]
    with pytest.raises(ValueError, match="no handler string names"):
        invoke(keep, real=True)


@pytest.mark.also_real
def test_one_environment(invoke: Invoker, tmp_path: Path) -> None:
    """A function is loaded once in a test, for all events with the same settings."""
    write(tmp_path, {"counter.py": "n = 0\ndef count(*_):\n    global n\n    n += 1\n    return str(n)\n"})
    assert ["1", "2"] == [invoke("counter.count", root=tmp_path).text for _ in range(2)]
    assert "1" == invoke("counter.count", root=tmp_path, convention="standard", env={"A": "1"}, real=True).text


def test_what_is_put_back(invoke: Invoker, tmp_path: Path) -> None:
    """Two functions may have modules of one name; streams, loggers, folder, path and variables are the test's own."""
    helper = "import helper\ndef handler(*_): return helper.__file__\n"
    for name in "ab":
        write(tmp_path / name, {"same.py": helper, "helper.py": "", "runtime.py": "import os\n"})
    before = [os.getcwd(), dict(os.environ), [*sys.path], [*sys.meta_path], sys.stdout, sys.stderr, time.tzname]
    handlers = [*logging.getLogger().handlers]
    for name in "aba":
        assert str(tmp_path / name / "helper.py") == invoke("same.handler", root=tmp_path / name).text
    assert before == [os.getcwd(), dict(os.environ), sys.path, sys.meta_path, sys.stdout, sys.stderr, time.tzname]
    assert handlers == logging.getLogger().handlers
    assert "runtime.testing" in sys.modules


def test_ctrl_c(invoke: Invoker) -> None:
    """Ctrl-C ends the test run, not only the invocation."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        invoke(interrupted)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"env": {"AWS_LAMBDA_X": "1"}}, "AWS_LAMBDA_X is reserved"),
        ({"timeout": 0}, "the timeout must be more than 0"),
        ({"root": "nosuch"}, "is not a folder: nosuch"),
        ({"headers": {"X-Own": "1"}, "real": True}, "the Runtime API has no header X-Own; with real=True: Lambda-"),
    ],
)
def test_wrong_arguments(invoke: Invoker, options: dict[str, Any], words: str) -> None:
    """An argument that cannot be used is refused, with the reason."""
    with pytest.raises(ValueError, match=words):
        invoke("event", **options)


def pairs(function: Callable[..., Any]) -> Callable[..., Response]:
    """A convention that keeps its promises, unless it is asked for what they forbid."""
    return lambda invocation: respond(function(invocation.text.split("=")), "=".join, "text/plain")


@pytest.mark.also_real
@pytest.mark.parametrize(
    ("name", "file"), [("plugin_module", "plugin_module.py"), ("plugin_package", "plugin_package/__init__.py")]
)
def test_a_plugin(invoke: Invoker, use_plugin: Callable[[Any], None], tmp_path: Path, name: str, file: str) -> None:
    """A plugin that is a module or a package is registered for one test."""
    source = "from dispatch import respond\ndef own(function):\n    return lambda invocation: respond(function(invocation.text), str, 'text/plain')\n"
    write(tmp_path, {file: f"{source}def dispatch_conventions(): return {{'own': own}}\n"})
    sys.path.insert(0, str(tmp_path))
    use_plugin(name)
    sys.path.remove(str(tmp_path))
    assert "cba" == invoke("text.turned", "abc", convention="own", root=write(tmp_path / "f", TURNED)).text


TURNED = {"text.py": "def turned(text): return text[::-1]\n"}


def test_hooks_of_an_object(invoke: Invoker, use_plugin: Callable[[Any], None]) -> None:
    """A plugin may be any object, whose hooks see what happens."""
    seen: list[tuple[str, BaseException | None]] = []

    @hookimpl(specname="dispatch_before_invoke")
    def begin(invocation: Invocation) -> None:
        seen.append((f"before {invocation.text}", None))

    use_plugin(
        SimpleNamespace(
            dispatch_conventions=lambda: {"pairs": pairs},
            dispatch_after_invoke=lambda invocation, error: seen.append((invocation.text, error)),
            begin=begin,
        )
    )
    assert "b=a" == invoke(lambda pair: pair[::-1], "a=b", convention="pairs").text
    assert [("before a=b", None), ("a=b", None)] == seen
    with pytest.raises(ValueError, match="cannot be registered with real=True"):
        invoke("event", real=True)


def test_without_it(invoke: Invoker) -> None:
    """The next test does not have the plugin."""
    error = invoke("event", "a=b", convention="pairs").error
    assert error is not None
    assert "Runtime.UnknownConvention" == error.type


@pytest.mark.parametrize(
    ("name", "event", "answer", "bad"),
    [
        ("standard", "text", "text", [b"\xff"]),
        ("json", "[1]", {"a": [1]}, [b"", b"{"]),
        ("lambda", "[1]", {"a": [1]}, [b"", b"{"]),
    ],
)
def test_built_in_conventions(
    check_convention: Callable[..., None], name: str, event: str, answer: Any, bad: list[bytes]
) -> None:
    """The conventions of functions keep the promises of every convention."""
    check_convention(name, event=event, answer=answer, bad=bad)


def listing(function: Callable[..., Any]) -> Callable[..., Response]:
    """A convention that breaks most promises."""
    state: list[object] = []

    def handle(invocation: Any) -> Response:
        state.append(1)
        value = function(json.loads(invocation.body))
        return Response(json.dumps([*value, len(state)]).encode(), "application/json")

    return handle


def by_annotation(function: Callable[..., Any]) -> Callable[..., Response]:
    """A convention that converts the event to the type that a function wants, as typed conventions do."""
    wanted = next(iter(get_type_hints(function).values()), str)
    return pairs(lambda event: function(wanted(event)))


def test_a_convention_that_reads_annotations(
    check_convention: Callable[..., None], use_plugin: Callable[[Any], None]
) -> None:
    """The functions that a convention is tried with want no type."""
    use_plugin(SimpleNamespace(dispatch_conventions=lambda: {"typed": by_annotation}))
    promises = ["stream", "async stream", "no stream", "http", "none", "unsendable", "bytes"]
    check_convention("typed", event="a=b", answer=["c"], except_for=promises)


def test_a_convention_that_breaks_its_promises(
    check_convention: Callable[..., None], use_plugin: Callable[[Any], None]
) -> None:
    """The check names each promise and what happened instead."""
    use_plugin(SimpleNamespace(dispatch_conventions=lambda: {"listing": listing}))
    with pytest.raises(pytest.fail.Exception) as failed:
        check_convention("listing", event="[1]", answer=[1], bad=[b"{"])
    names = [line.partition(":")[0] for line in str(failed.value).splitlines()[1:]]
    assert ["again", "stream", "async stream", "http", "none", "unsendable", "empty", "bytes", "bad"] == names
    assert "none: None is sent, or refused with MarshalError; the error was <TypeError:" in str(failed.value)
    check_convention("listing", event="[1]", answer=[1], except_for=names[:-1])
    with pytest.raises(ValueError, match="unknown promises: nosuch; known: again, answer"):
        check_convention("listing", event="[1]", answer=[1], except_for=["nosuch"])


PROJECT = {
    "app.py": "import runtime, dispatch\ndef handler(event, headers):\n    import dispatch.sub\n    return f'{runtime.VALUE} {dispatch.X}'\n"
    "def fail(event, headers):\n    print('a print')\n    raise ValueError('no Ada')\n",
    "runtime.py": "VALUE = 1\n",
    "dispatch/__init__.py": "X = 5\n",
    "dispatch/sub.py": "",
    "pytest.ini": "[pytest]\npythonpath = .\nasyncio_default_fixture_loop_scope = function\n",
    "tests/test_a_start.py": "import sys\ndef test_nothing_of_ours(): assert 'conventions' not in sys.modules\n",
    "tests/test_app.py": """
import pytest, runtime

def test_own_modules(invoke, monkeypatch):
    monkeypatch.setattr(runtime, "VALUE", 2)
    assert invoke("app.handler").text == "2 5"
    monkeypatch.setattr(runtime, "VALUE", 3)
    assert invoke("app.handler").text == "3 5"
    import dispatch
    assert dispatch.X == 5

@pytest.mark.asyncio
async def test_in_asyncio(invoke):
    assert invoke("app.handler").text == "1 5"

@pytest.mark.anyio
async def test_in_anyio(invoke, anyio_backend_name):
    assert invoke("app.handler", timeout=9).text == "1 5"

@pytest.fixture
def anyio_backend():
    return "asyncio"

def test_mocked(invoke, mocker):
    mocker.patch("app.handler", return_value="mocked")
    assert invoke("app.handler", convention="standard").text == "mocked"

@pytest.mark.also_real
def test_marked_for_nothing():
    pass

@pytest.mark.parametrize("read", [lambda r: r.json == {}, lambda r: r.text == "5", lambda r: r.error is None])
def test_failing(invoke, read):
    result = invoke("app.fail")
    if read(result) is False:
        assert result.json == {"n": 1}
""",
}


def test_in_another_project(tmp_path: Path) -> None:
    """Beside pytest-asyncio, anyio, pytest-mock and pytest-xdist, in a project that has modules with our names.

    Nothing of ours is imported before a fixture is asked for.
    """
    pytest.importorskip("pytest_asyncio")
    write(tmp_path, PROJECT)
    # Without the summary: where the variable CI is set, it repeats each failed assertion whole.
    command = [sys.executable, "-m", "pytest", "-q", "-rN", "-n", "1", "-p", "no:cacheprovider", "-W", "error"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert "3 failed, 5 passed, 1 error" in done.stdout, done.stdout
    shown = done.stdout.partition("FAILURES")[2]
    assert 3 == shown.count("assert <ValueError: no Ada> instead of {'n': 1}")
    assert 3 == shown.count("invoked app.fail")
    assert 3 == shown.count("\na print\n")
    assert "also_real needs the fixture invoke; add it to the test's arguments" in done.stdout
    assert "errorMessage" not in shown
