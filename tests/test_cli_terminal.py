"""What the command shows on a terminal, and how Ctrl-C ends it there."""

from __future__ import annotations

import os
import re
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from support.local import write_handler, write_program
from support.process import await_true
from support.terminal import CTRL_C, Terminal

DISPATCH = (sys.executable, "-m", "runtime.cli")
#: What sets a colour, or another style.
STYLE = re.compile(r"\x1b\[[\d;]*m")
HANDLER = """
import os, time
def handler(event, context):
    print("pid", os.getpid())
    if event.get("wait"):
        time.sleep(600)
    return {"a": 1}
"""
EMPTY_ZIP = b"PK\x05\x06" + bytes(18)
RUN = ("run", "app.handler", "--convention", "lambda")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a handler that waits if it is asked to."""
    return write_handler(tmp_path, HANDLER)


def terminal(root: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Terminal:
    """The command on a terminal."""
    return Terminal([*DISPATCH, *arguments], root, environment)


@pytest.mark.parametrize(
    ("environment", "styles"),
    [
        ({}, ["\x1b[2m", "\x1b[0m"]),
        ({"NO_COLOR": "1"}, []),
        ({"NO_COLOR": ""}, ["\x1b[2m", "\x1b[0m"]),
        ({"TERM": "dumb"}, []),
    ],
    ids=str,
)
def test_one_dim_line_at_the_end(root: Path, environment: dict[str, str], styles: list[str]) -> None:
    """The answer, the log, then what it took; without styles where they are not wanted."""
    with terminal(root, *RUN, "-e", "{}", environment=environment) as one:
        assert 0 == one.wait()
    assert styles == STYLE.findall(one.text)
    *_, answer, took, end = STYLE.sub("", one.text).split("\r\n")
    assert ('{"a": 1}', "") == (answer, end)
    assert re.fullmatch(r"duration \d+\.\d\d ms, start \d+ ms(, memory \d+ MB)?", took)
    assert "RequestId" not in one.text


def test_several_events_have_one_line(root: Path) -> None:
    """--repeat shows the median; -v shows Lambda's lines, dim, and no other."""
    with terminal(root, *RUN, "-e", "{}", "--repeat", "3") as one:
        assert 0 == one.wait()
    assert 1 == len(re.findall(r"duration median \d+\.\d\d ms of 3, start \d+ ms", one.text))
    with terminal(root, *RUN, "-e", "{}", "-v") as one:
        assert 0 == one.wait()
    assert "\x1b[2mSTART RequestId" in one.text
    assert "duration " not in one.text


def test_no_duration_without_an_invocation(root: Path) -> None:
    """A handler that is not found was never invoked."""
    with terminal(root, "run", "app.nothing", "-e", "{}") as one:
        assert 1 == one.wait()
    assert "Runtime.HandlerNotFound" in one.text
    assert "duration" not in one.text


def test_errors_have_no_colour_where_none_is_wanted(root: Path) -> None:
    """Of the commands' own text; the names of functions in the log of `serve` are text like it."""
    (root / "layer.zip").write_bytes(EMPTY_ZIP)
    missing = ("invoke", "x", "--endpoint", "http://127.0.0.1:1")
    for arguments in (missing, ("explain", "app.nothing"), ("plugins",), ("build", "check", "layer.zip")):
        with terminal(root, *arguments, environment={"NO_COLOR": "1"}) as one:
            one.wait()
        assert [] == STYLE.findall(one.text)
        assert one.text


def ends_quietly(one: Terminal) -> None:
    """Press Ctrl-C: nothing is said, and the status is 130."""
    before = one.text
    one.type(CTRL_C)
    status = one.wait()
    assert (130, "") == (status, one.text[len(before) :].replace("^C", ""))


def test_in_the_middle_of_an_event(root: Path) -> None:
    """The runtime's process is gone, too."""
    with terminal(root, *RUN, "-e", '{"wait": true}', "--timeout", "600") as one:
        one.shows("pid ")
        await_true(lambda: "\n" in one.text)
        ends_quietly(one)
    with pytest.raises(ProcessLookupError):
        os.kill(int(one.text.split()[1]), 0)


def test_again_while_the_runtime_ends(tmp_path: Path) -> None:
    """A runtime that ignores SIGTERM has its two seconds, and is gone then, however often Ctrl-C is pressed."""
    program = write_program(
        tmp_path / "bootstrap",
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: open('asked', 'w').close())\n"
        "print('pid', os.getpid(), flush=True)\nwhile True:\n    time.sleep(600)\n",
    )
    with terminal(tmp_path, "run", "x", "--bootstrap", str(program), "-e", "{}") as one:
        one.shows("pid ")
        await_true(lambda: "\n" in one.text)
        one.type(CTRL_C)
        await_true((tmp_path / "asked").exists)
        one.type(CTRL_C)
        ends_quietly(one)
    with pytest.raises(ProcessLookupError):
        os.kill(int(one.text.split()[1]), 0)


STUBBORN = """
import os, signal
def handler(event, context):
    signal.signal(signal.SIGTERM, lambda *_: open("asked", "w").close())
    print("pid", os.getpid())
"""


def test_after_the_answer(tmp_path: Path) -> None:
    """What ends the runtime goes on: one that ignores SIGTERM is killed."""
    write_handler(tmp_path, STUBBORN)
    with terminal(tmp_path, *RUN, "-e", "{}") as one:
        one.shows("null")
        await_true((tmp_path / "asked").exists)
        ends_quietly(one)
    with pytest.raises(ProcessLookupError):
        os.kill(int(one.text.split()[1]), 0)


def test_while_an_event_is_typed(root: Path) -> None:
    """The command reads standard input."""
    with terminal(root, *RUN, "-") as one:
        await_true(lambda: reads_standard_input(one.process.pid))
        ends_quietly(one)


def reads_standard_input(process: int) -> bool:
    """Whether its main thread is in the system call `read(0, …)`, by Linux's numbers for x86-64 and arm64."""
    try:
        return Path(f"/proc/{process}/syscall").read_text().startswith(("0 0x0 ", "63 0x0 "))
    except OSError:
        pytest.skip("this system does not show what a process waits for")


def test_a_server(root: Path) -> None:
    """`dispatch serve` ends with its environments."""
    with terminal(root, "serve", "app.handler", "--port", "0", "--queue", str(root / "queue.sqlite")) as one:
        one.shows("AWS_ENDPOINT_URL_LAMBDA=")
        await_true(lambda: one.text.endswith("\n"))
        ends_quietly(one)


@pytest.mark.parametrize("repeat", [(), ("--repeat", "1000", "--concurrency", "3")], ids=str)
def test_while_an_answer_is_awaited(root: Path, repeat: tuple[str, ...]) -> None:
    """`dispatch invoke` does not wait for the events that are under way, and gives the cursor back."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        with terminal(root, "invoke", "function", "-e", "{}", "--endpoint", address, *repeat) as one:
            calls = [server.accept()[0] for _ in range(3 if repeat else 1)]
            one.type(CTRL_C)
            assert 130 == one.wait()
            for call in calls:
                call.close()
    assert one.text.count("\x1b[?25l") == one.text.count("\x1b[?25h")
    assert "Traceback" not in one.text
    assert "Abort" not in one.text


#: Sends a Ctrl-C to the process at the first audit event with this name and this first argument.
INTERRUPTING = """
import os, signal, sys
moment, process = os.environ.pop("INTERRUPT_AT", "").split(), os.getpid()

def hook(event, arguments):
    if moment and os.getpid() == process and moment == [event, *map(str, arguments)][: len(moment)]:
        moment.clear()
        os.kill(process, signal.SIGINT)

sys.addaudithook(hook)
"""
#: Looks for what a runtime has left behind.
CLEANING_UP = "os.listdir /proc"
BUILD = ("build", "function", "app.py", "-o", "function.zip")
PUBLISH = ("publish", "layer", "x", "layer.zip", "--endpoint-url", "http://127.0.0.1:1")


def interrupted(root: Path, moment: str, *arguments: str) -> Terminal:
    """The command, which gets a Ctrl-C at that moment."""
    (root / "site").mkdir()
    (root / "site" / "sitecustomize.py").write_text(INTERRUPTING)
    own = {"PYTHONPATH": str(root / "site"), "TMPDIR": str(root / "temporary")}
    return terminal(root, *arguments, environment={**own, "INTERRUPT_AT": moment, "TERM": "dumb"})


@pytest.mark.parametrize(
    ("moment", "arguments"),
    [
        ("import click", ("--help",)),
        ("import runtime.local.environments.platform", RUN),
        ("import asyncio", (*RUN, "-e", "{}")),
        ("socket.bind", (*RUN, "-e", "{}")),
        ("subprocess.Popen", (*RUN, "-e", "{}")),
        ("import uvicorn", ("serve", "app.handler")),
        ("socket.bind", ("serve", "app.handler", "--port", "0")),
        ("import requests", ("invoke", "x")),
        ("socket.connect", ("invoke", "x", "--endpoint", "http://127.0.0.1:1")),
        ("import runtime.package.function", BUILD),
        ("tempfile.mkdtemp", BUILD),
        ("compile", BUILD),
        ("import runtime.package.check", PUBLISH),
        ("os.fork", ("explain", "app.handler")),
        ("subprocess.Popen", ("explain", "app.handler", "--imports")),
        (CLEANING_UP, ("explain", "app.handler", "--imports")),
        ("os.fork", ("plugins",)),
        ("import rich.console", ("plugins",)),
        ("os.mkdir", ("new", "function", "orders")),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_at_any_moment(root: Path, moment: str, arguments: tuple[str, ...]) -> None:
    """While it imports, starts or works, each command ends without a word and leaves no temporary files."""
    (root / "layer.zip").write_bytes(EMPTY_ZIP)
    (root / "temporary").mkdir()
    with interrupted(root, moment, *arguments) as one:
        # A progress bar ends its line, and a server may have said where it is.
        assert (130, "") == (one.wait(), re.sub(r"Serving on (?s:.*)LAMBDA=\S+", "", one.text).strip())
    assert [] == [*(root / "temporary").iterdir()]
