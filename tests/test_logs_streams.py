"""What is printed, what is too much, and where it goes: streams that are slow, closed or in the way, and frames."""

from __future__ import annotations

import json
import os
import select
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support.api import event
from support.files import write
from support.logs import DESCRIPTOR, JSON, LogPipe, records
from support.runtime import COMMAND, Runtime, Serve
from support.wire import PATIENCE

#: Bytes that a slow reader takes at once.
SLOW = 4096
BIG = """
    import logging, os
    def handler(event, headers):
        if event == "logged":
            logging.error("x" * 1_000_000)
        elif event == "printed":
            print("y" * 1_000_000)
        else:
            os.system("head -c 1000000 /dev/zero | tr '\\\\0' z")
"""


@pytest.mark.parametrize("settings", [JSON, {}], ids=["json", "text"])
def test_a_megabyte(serve: Serve, settings: Mapping[str, str]) -> None:
    """A record of a megabyte arrives whole, logged, printed or out of a child process."""
    runtime = serve(BIG, env=settings)
    for way in (b"logged", b"printed", b"of a child"):
        assert "response" == runtime.invoke(way).kind
    log = runtime.end()
    assert [1_000_000] * 3 == [log.count(letter * 1000) * 1000 for letter in "xyz"]


@pytest.mark.parametrize("blocking", [True, False], ids=["blocking", "not blocking"])
@pytest.mark.parametrize("threads", [1, 4])
def test_slowly_read_frames(tmp_path: Path, blocking: bool, threads: int) -> None:
    """Frames of a megabyte arrive whole, one after another, however slowly they are read and by whom they are written."""
    source = f"""
    import logging, os, threading
    os.set_blocking({DESCRIPTOR}, {blocking})
    log = logging.getLogger()
    ours = log.handlers[0]
    def write(name):
        ours.log_sink.write(name * 1_000_000, 40)
    def handler(event, headers):
        threads = [threading.Thread(target=write, args=(name,)) for name in "abcd"[:{threads}]]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        logging.error("é" * 300_000)
        return "fine"
    """
    write(tmp_path, {"app.py": source})
    frames: list[Any] = []
    with (
        LogPipe(tmp_path / "log") as pipe,
        Runtime(pipe.command(COMMAND), tmp_path, {"HANDLER": "app.handler", **pipe.env}) as runtime,
    ):
        runtime.api.hand_out(event(b"", "one"))
        runtime.api.wait_for("GET", "next")  # by now the pipe has a writer
        reader = threading.Thread(target=lambda: frames.extend(pipe.frames(SLOW)))
        reader.start()
        assert b"fine" == runtime.answer("one").body
        runtime.end()
        reader.join()
    assert sorted("abcd"[:threads]) == sorted(frame.text[0] for frame in frames[:threads])
    assert {1_000_000} == {frame.text.count(frame.text[0]) for frame in frames[:threads]}
    assert 300_000 == frames[-1].text.count("é")


def test_printing_into_a_full_pipe(tmp_path: Path) -> None:
    """What is printed is not cut short where standard output does not block and is read slowly, or a signal comes."""
    source = """
    import os, signal
    os.set_blocking(1, False)
    signal.signal(signal.SIGALRM, lambda *_: None)
    def handler(event, headers):
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        print("x" * 1_000_000)
        print("end")
        signal.setitimer(signal.ITIMER_REAL, 0)
        return "fine"
    """
    write(tmp_path, {"app.py": source})
    os.mkfifo(tmp_path / "out")
    reader = os.open(tmp_path / "out", os.O_RDONLY | os.O_NONBLOCK)
    command = ["/bin/sh", "-c", 'exec >out; exec "$@"', "sh", *COMMAND]
    data = b""
    with Runtime(command, tmp_path, {"HANDLER": "app.handler"}) as runtime:
        runtime.api.hand_out(event(b"", "one"))
        runtime.api.wait_for("GET", "next")  # by now the pipe has a writer
        while not data.endswith(b"end\n") and select.select([reader], [], [], PATIENCE)[0]:
            piece = os.read(reader, SLOW)
            assert piece, runtime.child.log
            data += piece
        assert b"fine" == runtime.answer("one").body
    os.close(reader)
    assert b"x" * 1_000_000 + b"\nend\n" == data


PRINTS = """
    import os, subprocess, sys, threading, warnings
    def fork():
        child = os.fork()
        if child == 0:
            print("out of a fork")
            os._exit(0)
        os.waitpid(child, 0)
    def bytes_():
        sys.stdout.buffer.write(b"as bytes")
        sys.stdout.writelines(["", "\\n"])
    WAYS = {
        "in a thread\\n": lambda: threading.Thread(target=print, args=("in a thread",)).start(),
        "by a child\\n": lambda: subprocess.run(["echo", "by a child"]),
        "by a child as an error\\n": lambda: subprocess.run("echo by a child as an error >&2", shell=True),
        "by a shell\\n": lambda: os.system("echo by a shell"),
        "out of a fork\\n": fork,
        "UserWarning: as a warning": lambda: warnings.warn("as a warning"),
        "as bytes\\n": bytes_,
        "as \\\\udc80\\n": lambda: print("as \\udc80"),
        "on the descriptor": lambda: os.write(1, b"on the descriptor"),
        "without an end": lambda: print("without an end", end=""),
    }
    def handler(event, headers):
        WAYS[event]()
        threading.Event().wait() if event == "without an end" else None
"""
WAYS = (
    "in a thread\n",
    "by a child\n",
    "by a child as an error\n",
    "by a shell\n",
    "out of a fork\n",
    "UserWarning: as a warning",
    "as bytes\n",
    "as \\udc80\n",
    "on the descriptor",
    "without an end",
)


def test_prints(serve: Serve) -> None:
    """What is printed is out at once, from wherever it is printed, before the invocation is over."""
    runtime = serve(PRINTS)
    for way in WAYS:
        runtime.api.hand_out(event(way.encode()))
        runtime.child.wait_log(way)


@pytest.mark.parametrize("closed", ["1>&-", "2>&-", "1>&- 2>&-", "0<&- 1>&- 2>&-"])
@pytest.mark.parametrize("settings", [{}, JSON], ids=["text", "json"])
def test_streams_that_are_closed_from_the_start(tmp_path: Path, closed: str, settings: Mapping[str, str]) -> None:
    """Where a standard stream is closed, nothing of the log gets into the connection to the Runtime API, or elsewhere."""
    source = """
    import logging, os, subprocess, sys
    def handler(event, headers):
        print("printed")
        print("printed", file=sys.stderr)
        logging.error("logged")
        subprocess.run(["sh", "-c", "cat; echo child; echo child >&2"], check=True)
        if event == "fail":
            raise ValueError(event)
        return event
    """
    write(tmp_path, {"app.py": source})
    command = ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", *COMMAND]
    with Runtime(command, tmp_path, {"HANDLER": "app.handler", **settings}) as runtime:
        assert [b"one", b"two"] == [runtime.invoke(body).body for body in (b"one", b"two")]
        assert "ValueError" == runtime.invoke(b"fail").report["errorType"]
        assert b"three" == runtime.invoke(b"three").body
        assert {"GET", "POST"} == {request.method for request in runtime.api.requests}
        runtime.end()


@pytest.mark.parametrize("way", ["sys.stdout.close()", "sys.stdout = None", "os.close(1); os.open(os.devnull, 1)"])
def test_streams_that_user_code_closes(serve: Serve, way: str) -> None:
    """A handler that closes standard output harms neither the answer nor what is logged."""
    source = f"import logging, os, sys\ndef handler(event, headers):\n    {way}\n"
    source += "    logging.error('said')\n    return event\n"
    runtime = serve(source, env=JSON)
    assert [b"a", b"b"] == [runtime.invoke(body).body for body in (b"a", b"b")]
    assert ["said", "said"] == [record["message"] for record in records(runtime.end())]


def test_log_that_nobody_reads_any_more(tmp_path: Path) -> None:
    """Where the log's reader has gone, printing and logging fail nobody."""
    source = """
    import logging, sys
    def handler(event, headers):
        for _ in range(3):
            print("x" * 100_000)
            logging.error("x")
            print("x", file=sys.stderr)
        return event
    """
    write(tmp_path, {"app.py": source})
    command = ["/bin/sh", "-c", '"$@" 2>&1 | head -c 1 >/dev/null', "sh", *COMMAND]
    with Runtime(command, tmp_path, {"HANDLER": "app.handler"}) as runtime:
        assert [b"one", b"two"] == [runtime.invoke(body).body for body in (b"one", b"two")]


def test_log_descriptor_that_is_not_open(serve: Serve) -> None:
    """A log descriptor that is not open is no place to write: its number may be the connection's."""
    for number in (3, 4, 5, 10**11):
        env = {"_LAMBDA_TELEMETRY_LOG_FD": str(number), **JSON}
        runtime = serve(
            "import logging\ndef handler(event, headers):\n    logging.error('said')\n    return event\n", env=env
        )
        assert [b"a", b"b"] == [runtime.invoke(body).body for body in (b"a", b"b")]
        assert ["said", "said"] == [record["message"] for record in records(runtime.end())]


def test_log_descriptor_is_not_for_the_function(tmp_path: Path) -> None:
    """The function does not see the platform's variable; what it prints goes where it would."""
    write(
        tmp_path,
        {
            "app.py": "import os\ndef handler(event, headers):\n    print('printed')\n    return str(sorted(os.environ))\n"
        },
    )
    with LogPipe(tmp_path / "log") as pipe:
        with Runtime(pipe.command(COMMAND), tmp_path, {"HANDLER": "app.handler", **pipe.env}) as runtime:
            assert b"_LAMBDA_TELEMETRY_LOG_FD" not in runtime.invoke().body
            assert "printed\n" == runtime.end()
        assert [] == pipe.frames()


def test_framed_init_error(tmp_path: Path) -> None:
    """An init error is one frame, in text with line ends as they are, in JSON an object."""
    write(tmp_path, {"app.py": "def handler(event, headers):\n    pass\n"})
    told = []
    for number, settings in enumerate(({}, JSON)):
        with LogPipe(tmp_path / f"log-{number}") as pipe:
            env = {"HANDLER": "app.missing", **settings, **pipe.env}
            with Runtime(pipe.command(COMMAND), tmp_path, env) as runtime:
                assert 1 == runtime.failed().status
            (frame,) = pipe.frames()
            told.append((f"{frame.kind:x}", frame.text.count("\n"), frame.text.count("no 'missing'")))
            assert not settings or json.loads(frame.text)["errorType"] == "Runtime.HandlerNotFound"
    assert [("a55a0017", 0, 1), ("a55a0016", 0, 1)] == told
