"""What a function may do in the process of a test without harm to the test run."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from support.files import write

from dispatch import asynchrony
from runtime.testing import Invoker
from runtime.testing.configured import folders_of
from runtime.testing.process_state import show_output

APP = """
import logging, os, signal, time
def stubborn(event, context):
    while True:
        try: time.sleep(60)
        except: continue
async def hangs(event, context):
    await waits()
async def waits():
    import asyncio
    await asyncio.sleep(60)
def endless(event, context):
    while True:
        yield "tick"
        time.sleep(0.01)
def leaves(event, context):
    os._exit(0)
def slow(event, context):
    time.sleep(0.1)
    return event
def nothing(event, context):
    raise ValueError
def untidy(event, context):
    os.environ["SET_BY_FUNCTION"] = os.environ.get("SET_BY_FUNCTION", "") + "x"
    os.environ.pop("SHARED", None)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    logging.disable(logging.CRITICAL)
    return [os.environ["SET_BY_FUNCTION"], "SHARED" in os.environ]
def loop(event, context):
    import asyncio
    return asyncio.get_event_loop().run_until_complete(asyncio.sleep(0, "done"))
"""

POLICY = """
import asyncio
class Own(asyncio.DefaultEventLoopPolicy): pass
asyncio.set_event_loop_policy(Own())
def handler(event, headers):
    return type(asyncio.get_event_loop_policy()).__name__
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with functions."""
    return write(tmp_path / "functions", {"app.py": APP, "spaces/deep/app.py": "def handler(*_): return 'deep'\n"})


def test_code_that_catches_everything(invoke: Invoker, root: Path) -> None:
    """A deadline ends even a loop that catches every exception, and the test runner's timer goes on after it."""
    fired = []
    before = signal.signal(signal.SIGALRM, lambda *_: fired.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    error = invoke("app.stubborn", convention="lambda", timeout=20, root=root).error
    assert error is not None
    assert "Sandbox.Timedout" == error.type
    deadline = time.monotonic() + 5
    while not fired and time.monotonic() < deadline:
        time.sleep(0.01)
    signal.signal(signal.SIGALRM, before)
    assert [1] == fired


def test_where_it_was_waiting(invoke: Invoker, root: Path) -> None:
    """The trace of an `async def` that took too long leads to what it awaited, and it does not go on later."""
    error = invoke("app.hangs", convention="lambda", timeout=0.2, root=root).error
    assert error is not None
    assert ["in hangs\n", "in waits\n"] == [line[-9:] for line in error.trace.splitlines(keepends=True)[::2]]
    assert "await asyncio.sleep(60)" in error.trace
    assert not asyncio.all_tasks(asynchrony.event_loop()[0])


@pytest.mark.also_real
def test_a_current_event_loop(invoke: Invoker, root: Path) -> None:
    """A function finds one, also after a test that has used asyncio, which leaves none."""
    asyncio.run(asyncio.sleep(0))
    with warnings.catch_warnings(action="ignore"):
        result = invoke("app.loop", convention="lambda", root=root)
    assert ("done" if sys.version_info < (3, 14) else None) == (result.json if result.error is None else None)


def test_a_policy_of_event_loops(invoke: Invoker, tmp_path: Path) -> None:
    """One that a function's module sets, as packages do that prefer uvloop, is the function's, not the test's."""
    with warnings.catch_warnings(action="ignore"):
        before = asyncio.get_event_loop_policy()
        answers = [invoke("app.handler", root=write(tmp_path, {"app.py": POLICY})).text for _ in range(2)]
        assert (["Own", "Own"], before) == (answers, asyncio.get_event_loop_policy())


@pytest.mark.also_real
def test_a_stream_without_end(invoke: Invoker, root: Path) -> None:
    """What was sent until the deadline is there, and the error is the platform's."""
    late = invoke("app.endless", convention="lambda", timeout=0.5, root=root)
    assert late.error is not None
    assert ("Sandbox.Timedout", b"tick") == (late.error.type, late.chunks[0])


def test_exit(invoke: Invoker, root: Path) -> None:
    """`os._exit` is an error of the function, as on Lambda, not the end of the test run."""
    error = invoke("app.leaves", convention="lambda", root=root).error
    assert "<Runtime.ExitError: the handler called os._exit(0)>" == repr(error)


@pytest.mark.also_real
def test_an_error_without_a_message(invoke: Invoker, root: Path) -> None:
    """It has an empty one, and the report is shown in one line."""
    result = invoke("app.nothing", convention="lambda", root=root)
    assert result.error is not None
    assert ("", "<ValueError>", "<ValueError>") == (result.error.message, repr(result.error), repr(result.json))


def test_what_a_function_changes(invoke: Invoker, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function finds its variables again at its next event; nobody else sees them, its signals or its log levels."""
    monkeypatch.setenv("SHARED", "1")
    before = [dict(os.environ), signal.getsignal(signal.SIGUSR1), logging.root.manager.disable]
    answers = [invoke("app.untidy", convention="lambda", root=root).json for _ in range(2)]
    assert [["x", False], ["xx", False]] == answers
    assert before == [dict(os.environ), signal.getsignal(signal.SIGUSR1), logging.root.manager.disable]


def test_namespace_packages(root: Path) -> None:
    """They are loaded again by the next test, like any module."""
    for _ in range(2):
        with Invoker([root]) as invoke:
            assert "deep" == invoke("spaces.deep.app.handler").text
        assert not [name for name in sys.modules if name.startswith("spaces")]


def test_where_functions_are_found(tmp_path: Path) -> None:
    """In the folders above a test, nearest first, and in the `src` of each."""
    write(tmp_path, {"src/app.py": "", "tests/unit/test_app.py": "", "app.py": ""})
    test = tmp_path / "tests" / "unit" / "test_app.py"
    assert [tmp_path / "tests/unit", tmp_path / "tests", tmp_path, tmp_path / "src"] == folders_of(test, tmp_path)


@pytest.mark.also_real
def test_threads(invoke: Invoker, root: Path) -> None:
    """Several threads of a test may invoke functions at once."""
    with ThreadPoolExecutor(4) as pool:
        results = pool.map(lambda number: invoke("app.slow", number, convention="lambda", root=root), range(4))
        assert [0, 1, 2, 3] == [result.json for result in results]


def test_functions_that_invoke_functions(invoke: Invoker, root: Path) -> None:
    """A function may be a client of another one."""
    assert "1" == invoke(lambda *_: invoke("app.slow", 1, convention="lambda", root=root).text).text


def test_output_of_a_debugger(invoke: Invoker, capfd: pytest.CaptureFixture[str]) -> None:
    """A debugger that stops a function writes to the terminal, not to the function's log."""

    def stopped(*_: object) -> None:
        show_output(True)
        os.write(1, b"(Pdb) ")
        show_output(False)
        os.write(1, b"a print")

    assert ("a print", "(Pdb) ") == (invoke(stopped).log, capfd.readouterr().out)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"event": {"when": date(2025, 1, 1)}}, "the event is not JSON: Object of type date is not JSON serializable"),
        ({"event": float("nan")}, "the event is not JSON: Out of range float values are not JSON compliant"),
        ({"env": {"STAGE": 1}}, "a variable is text without null characters, not 1 "),
        ({"env": {"STAGE": "a\0"}}, "a variable is text without null characters, not 'a"),
        ({"headers": {"Lambda-Runtime-Client-Context": {"a": 1}}}, "a header is text, not {'a': 1} "),
    ],
)
def test_values_of_other_types(invoke: Invoker, options: dict[str, Any], words: str) -> None:
    """What cannot be sent is refused, with the reason."""
    with pytest.raises((TypeError, ValueError), match=words):
        invoke("event", **options)


FAILING = """
import json, pytest

def fails(event, context):
    print("a print")
    raise ValueError("no Ada")

@pytest.fixture
def total(invoke):
    yield lambda: invoke(fails, convention="lambda").json
    assert invoke(fails, convention="lambda").json == 1

def test_by_a_fixture(total):
    assert total() == {"n": 1}

@pytest.fixture
def early(invoke):
    assert invoke(fails, convention="lambda").json["n"] == 1

def test_early(early):
    pass

def test_served(lambda_service):
    client = lambda_service("json.nosuch", convention="lambda").client()
    assert json.load(client.invoke(FunctionName="function")["Payload"]) == 1
"""


def test_where_tests_fail(tmp_path: Path) -> None:
    """The log is shown wherever a test has failed, also of functions that fixtures have invoked or served."""
    pytest.importorskip("boto3")
    write(tmp_path, {"test_it.py": FAILING})
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert "2 failed, 2 errors" in done.stdout, done.stdout
    assert 4 == done.stdout.count("\na print\n"), done.stdout
    assert 1 == done.stdout.count("\n[ERROR] Runtime.HandlerNotFound: "), done.stdout
