"""The `shell` convention: functions of a shell file, called by bash."""

from __future__ import annotations

import pytest
from support.runtime import Ask, Fail, Serve

#: The function of AWS's tutorial, "Building a custom runtime for AWS Lambda".
TUTORIAL = """\
function handler () {
  EVENT_DATA=$1
  echo "$EVENT_DATA" 1>&2;
  RESPONSE="Echoing request: '$EVENT_DATA'"

  echo $RESPONSE
}
"""


@pytest.mark.parametrize("convention", ["", "shell"])
def test_tutorial(serve: Serve, convention: str) -> None:
    """The function of AWS's tutorial works unchanged, and its standard error is the log."""
    runtime = serve({"function.sh": TUTORIAL}, "function.handler", convention)
    assert b"""Echoing request: '{"text":"Hello"}'\n""" == runtime.invoke(b'{"text":"Hello"}').body
    runtime.child.wait_log('{"text":"Hello"}')


def test_folder_with_a_blank(ask: Ask) -> None:
    """A folder's name may have a blank."""
    assert b"x" == ask({"my files/all.sh": "echo_it() { cat; }\n"}, b"x", handler="my files/all.echo_it").body


def test_module_comes_first(ask: Ask) -> None:
    """Under `auto`, a module of the same name is chosen."""
    files = {"function.sh": TUTORIAL, "function.py": "def handler(event, headers): return 'python'\n"}
    assert b"python" == ask(files, handler="function.handler").body


@pytest.mark.parametrize(
    "event",
    [
        b"",
        b"\n\n",
        b"a b  c",
        b"*",
        b"$(echo no) `echo no` \\n '\"",
        "ü 世界\n".encode(),
        b"\xff\xfe",
        b"x" * 1_000_000,
    ],
)
def test_event(serve: Serve, event: bytes) -> None:
    """The function gets the event whole, as its argument and on standard input, line ends included."""
    source = 'argument() { printf %s "$1"; }\ninput() { cat; }\n'
    for function in ("argument", "input"):
        assert event == serve({"folder/all.sh": source}, f"folder/all.{function}").invoke(event).body


def test_nul(serve: Serve) -> None:
    """An argument cannot hold NUL and ends before it, as in any program; standard input has all bytes."""
    source = 'argument() { printf %s "$1"; }\ninput() { cat; }\n'
    assert b"one" == serve({"all.sh": source}, "all.argument").invoke(b"one\0two").body
    assert b"one\0two" == serve({"all.sh": source}, "all.input").invoke(b"one\0two").body


@pytest.mark.parametrize(
    ("source", "function", "expected"),
    [
        ('set -euo pipefail\ntrap "echo trapped" ERR\nwork() { echo "got $1"; }\n', "work", b"got x\n"),
        ('read() { echo mine; }\nsource() { echo mine; }\nwork() { echo "$1"; }\n', "work", b"x\n"),
        ("function time { echo mine; }\n", "time", b"mine\n"),
        ("say-it() { echo said; }\n", "say-it", b"said\n"),
        ('shopt -s extglob\nwork() { case "$1" in !(y)) echo not y ;; esac; }\n', "work", b"not y\n"),
        ("work() { ( sleep 600 & ); echo one; }\n", "work", b"one\n"),
        ("cat\nwork() { cat; }\n", "work", b"x"),
        ("trap 'echo; echo bye' EXIT\nwork() { echo one; }\n", "work", b"one\n\nbye\n"),
    ],
)
def test_files_as_people_write_them(ask: Ask, source: str, function: str, expected: bytes) -> None:
    """Strict mode, names of builtins and keywords, extended patterns, background jobs, input at the top, an exit trap."""
    assert expected == ask({"all.sh": source}, b"x", handler=f"all.{function}", convention="shell").body


def test_fresh_for_each_event(serve: Serve) -> None:
    """Each event has a shell of its own; what the file prints when it is loaded goes to the log."""
    source = 'echo loading\nn=0\ncount() { n=$((n + 1)); echo $n "$0"; }\n'
    runtime = serve({"counter.sh": source}, "counter.count")
    assert [b"1"] * 2 == [runtime.invoke().body.split()[0] for _ in range(2)]
    runtime.child.wait_log("loading")


@pytest.mark.parametrize(
    ("command", "status"), [("return 3", 3), ("exit 4", 4), ("false", 1), ("no_such_command", 127)]
)
def test_failure(ask: Ask, command: str, status: int) -> None:
    """The status of the function is the invocation's; the message ends with what it wrote to standard error."""
    report = ask({"all.sh": f"work() {{ echo some; echo why >&2; {command}; }}\n"}, handler="all.work").report
    assert "Runtime.ExitError" == report["errorType"]
    assert report["errorMessage"].startswith(f"work in all.sh ended with status {status}")
    assert "why" in report["errorMessage"]


def test_streams(ask: Ask) -> None:
    """Under RESPONSE_STREAM the output is streamed."""
    answer = ask(
        {"all.sh": "work() { echo one; }\n"}, handler="all.work", env={"HANDLER_INVOKE_MODE": "RESPONSE_STREAM"}
    )
    assert (b"one\n", "chunked") == (answer.body, answer.request.header("Transfer-Encoding"))


@pytest.mark.parametrize(
    ("files", "handler", "error", "words"),
    [
        ({"all.sh": "one() { :; }\ntwo() { :; }\n"}, "all.three", "Runtime.HandlerNotFound", ["three", "one, two"]),
        ({"all.sh": "echo\n"}, "all.one", "Runtime.HandlerNotFound", ["no functions"]),
        (
            {"all.sh": "\ufeffone() { :; }\n"},
            "all.one",
            "Runtime.HandlerNotFound",
            ["byte-order mark comes before one"],
        ),
        ({"tool.sh": "echo\n"}, "tool.sh", "Runtime.HandlerNotFound", ["chmod +x"]),
        ({"all.sh": "one() {\n"}, "all.one", "Runtime.UserCodeSyntaxError", ["all.sh", "line 2"]),
        ({"all.sh": "one() { :; }\r\n"}, "all.one", "Runtime.UserCodeSyntaxError", ["convert its line ends to \\n"]),
        (
            {"all.sh": "one() { :; }\necho why >&2\nexit 5\n"},
            "all.one",
            "Runtime.ImportModuleError",
            ["status 5", "why"],
        ),
        ({"other.sh": ""}, "all.one", "Runtime.ImportModuleError", ["all.sh", "other.sh"]),
        ({"all.sh": ""}, "all.one two", "Runtime.HandlerNotFound", ["no function is 'one two'"]),
        ({"all.sh": ""}, "all", "Runtime.HandlerNotFound", ["file.function"]),
        ({"all.sh": ""}, "../all.one", "Runtime.MalformedHandlerName", ["leave the task root"]),
    ],
)
def test_bad_handlers(fail: Fail, files: dict[str, str], handler: str, error: str, words: list[str]) -> None:
    """A file that cannot be loaded or a function that it lacks is an init error that says what there is."""
    failed = fail(files, handler, "shell")
    assert error == failed.type
    assert [] == [word for word in words if word not in failed.report["errorMessage"]]


def test_without_bash(fail: Fail, tmp_path: object) -> None:
    """Without bash, the error says so."""
    failed = fail({"all.sh": TUTORIAL}, "all.handler", env={"PATH": str(tmp_path)})
    assert "needs bash" in failed.report["errorMessage"]
