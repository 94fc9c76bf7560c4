"""The `coprocess` convention: a program that stays, and whose answers never reach the wrong event."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from support.api import event
from support.files import write
from support.process import await_true, children
from support.runtime import Answer, Ask, Fail, Runtime, Serve
from support.wire import Reply

from conventions import piped
from conventions.json_lines import answered
from dispatch import protocol
from dispatch.errors import MarshalError

#: Runs the Python that an event brings as {"do": …}, and answers any other event with the very text that came.
CHILD = f"""#!{sys.executable} -SE
import json, os, select, signal, sys

def say(data):
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()

def result(value):
    say(json.dumps({{"result": value}}).encode() + b"\\n")

def chunk(value):
    say(json.dumps({{"chunk": value}}).encode() + b"\\n")

for line in sys.stdin.buffer:
    asked = json.loads(line)
    if isinstance(asked["event"], dict) and "do" in asked["event"]:
        exec(asked["event"]["do"])
    else:
        say(b'{{"result": ' + line[len(b'{{"event": '):line.rindex(b', "headers"')] + b'}}\\n')
"""


def start(serve: Serve, source: str = CHILD, **env: str) -> Runtime:
    """A runtime that serves this program."""
    return serve({"child": source}, "child", "coprocess", env=env)


def do(runtime: Runtime, code: str, **headers: str) -> Answer:
    """The answer of CHILD that runs this."""
    return runtime.invoke(json.dumps({"do": code}).encode(), headers)


def pid(runtime: Runtime) -> int:
    """The process of CHILD."""
    return int(do(runtime, "result(os.getpid())").body)


def gone(process: int) -> bool:
    """Whether the process has ended; a zombie has."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return True


def await_end(*processes: int) -> None:
    """Wait until all of these have ended."""
    await_true(lambda: all(map(gone, processes)), f"the end of {processes}")


def trailer(answer: Answer) -> dict[str, Any]:
    """The error report in the trailers of a streamed answer."""
    report: dict[str, Any] = json.loads(base64.b64decode(answer.request.trailers["lambda-runtime-function-error-body"]))
    return report


TEXTS = [b"null", b"[]", b"1.10", b"12345678901234567890123", b"1E400", '"é"'.encode(), b'"\\ud800"', b'"\xe2\x80\xa8"']


def test_texts(serve: Serve) -> None:
    """An event reaches the program as the very text that came, and so does its answer the caller."""
    runtime = start(serve)
    answers = [runtime.invoke(text) for text in TEXTS]
    assert TEXTS == [answer.body for answer in answers]
    assert {"application/json"} == {answer.request.header("Content-Type") for answer in answers}


def test_line_ends(ask: Ask) -> None:
    """An event of several lines becomes one; line ends within strings are escapes and stay."""
    assert b'[1,  2,  "a\\nb" ]' == ask({"child": CHILD}, b'[1,\r\n2, \n"a\\nb"\r]', "child", "coprocess").body


def test_large(serve: Serve) -> None:
    """Six megabytes go in and come out; an answer over the limit names its size and does not end the program."""
    runtime = start(serve)
    body = b'"' + b"x" * (protocol.EVENT_LIMIT - 2) + b'"'
    assert body == runtime.invoke(body).body
    first = pid(runtime)
    report = do(runtime, f"result('x' * {protocol.RESPONSE_LIMIT})").report
    assert ("Function.ResponseSizeTooLarge", True) == (
        report["errorType"],
        str(protocol.RESPONSE_LIMIT + 2) in report["errorMessage"],
    )
    assert first == pid(runtime)


def test_both_directions_at_once(ask: Ask) -> None:
    """A program that writes while it reads blocks nobody, though neither pipe holds what goes through it."""
    source = f"""#!{sys.executable} -SE
import os
os.write(1, b'{{"result": "')
while data := os.read(0, 65536):
    os.write(1, b"x" * len(data))
    if data.endswith(b"\\n"):
        os.write(1, b'"}}\\n')
"""
    body = b'"' + b"y" * 3_000_000 + b'"'
    assert len(ask({"child": source}, body, "child", "coprocess").body) > len(body)


def test_surroundings(serve: Serve, tmp_path: Path) -> None:
    """The program has the headers, runs in the task root in a process group of its own, and stays."""
    runtime = start(serve)
    own, group, folder, headers = json.loads(
        do(runtime, "result([os.getpid(), os.getpgid(0), os.getcwd(), asked['headers']])", **{"X-Own": "ü"}).body
    )
    assert (own, str(tmp_path / "task")) == (group, folder)
    assert "X-Own" in headers
    assert headers["Lambda-Runtime-Aws-Request-Id"]
    assert own == pid(runtime)


def test_command_line(ask: Ask) -> None:
    """The handler string is a command line, whose program may be on PATH."""
    handler = """sh -c 'while read -r line; do echo "{\\"result\\": \\"$0\\"}"; done' "a b" """
    assert b'"a b"' == ask("", b"1", handler, "coprocess", env={"PATH": os.environ["PATH"]}).body


def test_encoding(ask: Ask) -> None:
    """Events and answers are in HANDLER_ENCODING, the program's lines always in UTF-8."""
    answer = ask({"child": CHILD}, b'"\xe9"', "child", "coprocess", env={"HANDLER_ENCODING": "latin-1"})
    assert b'"\xe9"' == answer.body


def test_reported_error(serve: Serve) -> None:
    """An error that the program answers is the function's error, and the program stays."""
    runtime = start(serve)
    first = pid(runtime)
    fields = {"errorType": "Bad\nInput", "errorMessage": "no ü", "stackTrace": ["one", "two"]}
    answer = do(runtime, f"say(json.dumps({{'error': {fields}}}).encode() + b'\\n')")
    assert fields == {key: answer.report[key] for key in fields}
    assert "Bad Input" == answer.request.header("Lambda-Runtime-Function-Error-Type")
    assert first == pid(runtime)


def test_long_error_type(serve: Serve) -> None:
    """A type that no header could carry is cut there, and complete in the report."""
    answer = do(
        start(serve),
        'error = {"errorType": "é" * 9000, "errorMessage": ""}; say(json.dumps({"error": error}).encode() + b"\\n")',
    )
    assert "é" * 9000 == answer.report["errorType"]
    assert ("\\xe9" * 9000)[:1024] == answer.request.header("Lambda-Runtime-Function-Error-Type")


def test_event_that_is_not_json(serve: Serve) -> None:
    """An event that is not JSON never reaches the program."""
    runtime = start(serve)
    first = pid(runtime)
    for body in (b"", b"nope", b"\xff", b"NaN", b'{"a": 1} {"b": 2}', b"[" * 100_000):
        assert "Runtime.UnmarshalError" == runtime.invoke(body).report["errorType"]
    assert first == pid(runtime)
    assert "starting it again" not in runtime.child.log


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"result":1.10}', b"1.10"),
        (b'  { "result" : [1, 2] }\r', b"[1,2]"),
        (b'{"result": {"a" : "\\ud800"} }\r', b'{"a" : "\\ud800"}'),
        (b'\xef\xbb\xbf{"result": null}', b"null"),
        (b'{"id": 7, "result": "\\ud800"}', b'"\\ud800"'),
        (b'{"result": 1, "id": 12345678901234567890123}', b"1"),
    ],
)
def test_results(line: bytes, expected: bytes) -> None:
    """A result is passed on as text, wherever it is in its line."""
    assert ("result", expected) == answered(line, "child")


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b"nonsense", b"[]", b"{}", b'"result"', b"\xff", b"null"),
        *(b'{"result": 1, "error": {}}', b'{"result": 1} {"result": 2}', b'{"result": NaN}', b'{"result": }'),
        *(b'{"result": "\xed\xa0\x80"}', b'{"result": \xef\xbb\xbf1}', b'{"result": ' + b"[" * 100_000),
        *(b'{"error": "text"}', b'{"error": {"errorType": "A"}}', b'{"error": {"errorType": 1, "errorMessage": "b"}}'),
        *(b'{"error": {"errorType": "A", "errorMessage": "b", "stackTrace": %b}}' % trace for trace in (b"1", b'"c"')),
        *(b'{"error": {"errorType": "", "errorMessage": "b"}}', b'{"chunk": 1}', b'{"chunk": null}'),
    ],
)
def test_line_that_is_not_an_answer(line: bytes) -> None:
    """Any other line is an error that shows how it begins and what to write."""
    with pytest.raises(MarshalError) as caught:
        answered(line, "child")
    assert str(caught.value).startswith(f"child wrote a line that is not an answer: {line[:80]!r}; write {{")


def test_nonsense(serve: Serve) -> None:
    """After a line that is not an answer the next event gets a new program, and the log counts it."""
    runtime = start(serve)
    first = pid(runtime)
    report = do(runtime, "say(b'hello\\n')").report
    assert ("Runtime.MarshalError", True) == (report["errorType"], "'hello'" in report["errorMessage"])
    assert first != pid(runtime)
    assert gone(first)
    expected = "dispatch: coprocess child was ended because of Runtime.MarshalError; starting it again (restart 1)\n"
    assert 1 == runtime.child.log.count(expected)


@pytest.mark.parametrize(
    ("code", "how"),
    [
        ("os.write(2, b'why\\n'); sys.exit(3)", "child ended with status 3 before it had answered"),
        ("os.write(2, b'why\\n'); os.kill(0, signal.SIGSEGV)", "child was ended by SIGSEGV before it had answered"),
        ("os.write(2, b'why\\n'); os._exit(0)", "child ended with status 0 before it had answered"),
        ("os.write(2, b'why\\n'); os.close(1); signal.pause()", "child closed its standard output before"),
        ("say(b'{\"result\": 1}'); os.write(2, b'why\\n'); os._exit(0)", "child ended with status 0 before it had"),
    ],
)
def test_end_of_the_program(serve: Serve, code: str, how: str) -> None:
    """A program that ends fails the event with its status and its last words; the next event gets a new one."""
    runtime = start(serve)
    report = do(runtime, code).report
    assert "Runtime.ExitError" == report["errorType"]
    assert report["errorMessage"].startswith(how)
    assert report["errorMessage"].endswith("\nwhy")
    assert b"1" == runtime.invoke(b"1").body


@pytest.mark.parametrize("then", ["", "exec >&-; sleep 60"])
@pytest.mark.parametrize("before", ["", "exec <&-"])
def test_end_after_the_answer(serve: Serve, before: str, then: str) -> None:
    """A program that ends, or closes its pipes, after each answer has answered; it is replaced for each event."""
    runtime = start(serve, f'#!/bin/sh\nread -r line\n{before}\necho "{{\\"result\\": $$}}"\n{then}\n')
    assert 3 == len({runtime.invoke(b"1").body for _ in range(3)})


def test_end_before_the_next_event_is_read(serve: Serve) -> None:
    """A program that ends while the next event waits in the pipe has not received it; its successor answers it."""
    runtime = start(serve)
    ending = "result(1); select.select([0], [], []); os._exit(3)"
    assert [b"1", b"2"] == [do(runtime, ending).body, runtime.invoke(b"2").body]
    assert 1 == runtime.end().count("child ended with status 3; starting it again (restart 1)")


def test_program_that_always_ends(serve: Serve, tmp_path: Path) -> None:
    """A program that ends at once fails each event; it is started once for each, not again and again."""
    runtime = start(serve, "#!/bin/sh\necho started >>starts\nexit 3\n")
    messages = [runtime.invoke(b"1").report["errorMessage"] for _ in range(3)]
    assert ["child ended with status 3 before it had answered"] * 3 == messages
    assert len((tmp_path / "task" / "starts").read_text().splitlines()) <= 4


@pytest.mark.parametrize("size", [10, 3_000_000])
def test_input_that_is_not_read(serve: Serve, size: int) -> None:
    """A program that closes its input, or answers without reading it, fails the event and is replaced."""
    deaf = start(serve, "#!/bin/sh\nexec <&-\nsleep 60\n")
    body = b'"' + b"x" * size + b'"'
    for _ in range(2):
        assert "Runtime.ExitError" == deaf.invoke(body).report["errorType"]


def test_answer_before_the_event_is_read(serve: Serve) -> None:
    """An answer that comes while the event is unread answers another one, so it is an error."""
    runtime = start(serve)
    stale = 'result(1); select.select([0], [], []); say(b\'{"result": "stale"}\\n\'); signal.pause()'
    assert b"1" == do(runtime, stale).body
    report = runtime.invoke(b"2").report
    assert ("Runtime.MarshalError", True) == (report["errorType"], "before it had read" in report["errorMessage"])
    assert b"3" == runtime.invoke(b"3").body


@pytest.mark.parametrize("more", ["result('stale')", "say(b'{\"res')"])
def test_two_answers(serve: Serve, more: str) -> None:
    """A second answer is thrown away with its program."""
    runtime = start(serve)
    assert b"1" == do(runtime, f"result(1); {more}; open('written', 'w')").body
    await_true((Path(os.readlink(f"/proc/{runtime.child.process.pid}/cwd")) / "written").exists, "the second answer")
    assert [b"2", b"3"] == [runtime.invoke(body).body for body in (b"2", b"3")]
    assert 1 == runtime.child.log.count("wrote more than its answer: b'{\"res")


def test_deadline(serve: Serve) -> None:
    """At the deadline the program's whole group is ended, and the next event gets a new program."""
    runtime = start(serve)
    first = pid(runtime)
    helper = int(do(runtime, "helper = os.fork() or signal.pause(); result(helper)").body)
    soon = str(int(time.time() * 1000) + 700)
    report = do(runtime, "say(b'{\"res'); signal.pause()", **{"Lambda-Runtime-Deadline-Ms": soon}).report
    assert "child had not answered at the deadline, so it was ended by SIGKILL" == report["errorMessage"]
    await_end(first, helper)
    assert b"2" == runtime.invoke(b"2").body


def test_end_while_idle(serve: Serve) -> None:
    """A program that ends between two events is started again for the next; the log counts each time."""
    runtime = start(serve)
    for count in (1, 2):
        first = pid(runtime)
        os.kill(first, signal.SIGKILL)
        await_end(first)
        assert b"2" == runtime.invoke(b"2").body
        line = f"dispatch: coprocess child was ended by SIGKILL; starting it again (restart {count})\n"
        assert 1 == runtime.child.log.count(line)


def test_standard_error(serve: Serve, tmp_path: Path) -> None:
    """Megabytes on standard error between two events are logged, and do not stop the program."""
    runtime = start(serve)
    do(runtime, "result(1); [os.write(2, b'x' * 9999 + b'\\n') for _ in range(300)]; open('written', 'w')")
    await_true((tmp_path / "task" / "written").exists, "the end of its words")
    runtime.child.wait_log(("x" * 9999 + "\n") * 300)


def test_log_before_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """What the program has logged before its answer is in the log when the answer is read, whatever the thread does."""
    monkeypatch.setattr(piped, "start_new_thread", lambda *_: None)
    child = piped.Piped([str(write(tmp_path, {"child": CHILD}) / "child")])
    child.send(b'{"event": {"do": "os.write(2, b\'said before\'); result(1)"}}\n')
    assert b'{"result": 1}' == child.line(float("inf"))
    assert "said before" == capfd.readouterr().err
    child.end()


def test_line_without_end(serve: Serve) -> None:
    """A line that never ends is cut off with an error, not read until memory is full."""
    runtime = start(serve, "#!/bin/sh\nread -r line\nyes | tr -d '\\n'\n")
    report = runtime.invoke(b"1").report
    assert ("Runtime.MarshalError", True) == (report["errorType"], "a line of more than" in report["errorMessage"])


@pytest.mark.parametrize(("last", "expected"), [("None", "aé"), ("{'b': 1}", 'aé{"b": 1}'), ("''", 'aé""')])
@pytest.mark.parametrize("mode", ["BUFFERED", "RESPONSE_STREAM"])
def test_chunks(serve: Serve, mode: str, last: str, expected: str) -> None:
    """The answer is the text of the chunks, and the result unless it is null."""
    runtime = start(serve, HANDLER_INVOKE_MODE=mode)
    answer = do(runtime, f"chunk('a'); chunk(''); chunk('é'); result({last})")
    assert (expected.encode(), mode == "RESPONSE_STREAM") == (
        answer.body,
        answer.request.header(protocol.RESPONSE_MODE) == protocol.STREAMING,
    )
    assert b"1" == runtime.invoke(b"1").body
    assert "starting it again" not in runtime.child.log


def test_buffered_chunks_that_fail(serve: Serve) -> None:
    """An error after buffered chunks is an ordinary error; so are chunks that UTF-8 cannot express, or too many."""
    runtime = start(serve)
    code = 'chunk(\'a\'); say(b\'{"error": {"errorType": "Bad", "errorMessage": "no"}}\\n\')'
    assert ("Bad", "no") == (do(runtime, code).report["errorType"], do(runtime, code).report["errorMessage"])
    assert "Runtime.MarshalError" == do(runtime, "chunk('\\ud800'); result(1)").report["errorType"]
    endless = do(runtime, "while True: chunk('x' * 100000)").report
    assert "Function.ResponseSizeTooLarge" == endless["errorType"]
    assert b"1" == runtime.invoke(b"1").body


def test_streams(serve: Serve, tmp_path: Path) -> None:
    """Under RESPONSE_STREAM each chunk is sent at once; an error after one is reported in the trailers."""
    runtime = start(serve, HANDLER_INVOKE_MODE="RESPONSE_STREAM")
    os.mkfifo(tmp_path / "task" / "go")
    code = 'chunk(\'one\'); open(\'go\').read(); say(b\'{"error": {"errorType": "Bad", "errorMessage": "no"}}\\n\')'
    runtime.api.hand_out(event(json.dumps({"do": code}).encode(), "r1"))
    runtime.api.wait(lambda: [r for r in runtime.api.answers("r1") if r.body == b"one"], "the first chunk")
    (tmp_path / "task" / "go").write_text("on\n")
    answer = runtime.answer("r1")
    report = trailer(answer)
    assert (b"one", "Bad", "no") == (answer.body, report["errorType"], report["errorMessage"])
    assert "starting it again" not in runtime.child.log
    assert "Runtime.ExitError" == trailer(do(runtime, "chunk('one'); sys.exit(3)"))["errorType"]
    assert "Runtime.MarshalError" == trailer(do(runtime, "chunk('one'); say(b'two\\n')"))["errorType"]
    answer = runtime.invoke(b"1")
    assert (b"1", "application/json") == (answer.body, answer.request.header("Content-Type"))


def test_caller_that_leaves(serve: Serve) -> None:
    """The rest of an answer that nobody reads any more does not reach the next event."""
    runtime = start(serve, HANDLER_INVOKE_MODE="RESPONSE_STREAM")
    runtime.api.answer_posts(Reply(drop="at once"))
    runtime.api.hand_out(event(json.dumps({"do": "while True: chunk('x' * 100000)"}).encode(), "r1"))
    assert b"2" == runtime.invoke(b"2").body
    runtime.child.wait_log("was ended because its answer was not read to the end; starting it again (restart 1)")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import atexit; atexit.register(lambda: open('end', 'w').write('input'))", "input"),
        ("signal.signal(15, lambda *_: (open('end', 'w').write('signal'), os._exit(0)))", "signal"),
    ],
)
def test_sigterm(serve: Serve, tmp_path: Path, code: str, expected: str) -> None:
    """When the runtime ends, the end of its input reaches the program first, then SIGTERM."""
    runtime = start(serve)
    wait = "; result(os.getpid())" + ("; signal.pause()" if expected == "signal" else "")
    process = int(do(runtime, code + wait).body)
    runtime.end()
    assert gone(process)
    assert expected == (tmp_path / "task" / "end").read_text()


def test_sigterm_that_is_ignored(serve: Serve) -> None:
    """A program that ignores SIGTERM, and what it has started, is killed before the runtime ends; also in an event."""
    runtime = start(serve)
    code = "signal.signal(15, signal.SIG_IGN); helper = os.fork() or signal.pause(); result([os.getpid(), helper])"
    processes = json.loads(do(runtime, code).body)
    runtime.api.hand_out(event(b'{"do": "chunk(\'\'); signal.pause()"}', "r1"))
    runtime.end()
    await_end(*processes)


def test_workers(serve: Serve) -> None:
    """Each worker has a program of its own, and each event gets its own answer."""
    runtime = start(serve, HANDLER_WORKERS="3")
    ids = [f"r{number}" for number in range(12)]
    runtime.api.hand_out(*(event(f'"{name}"'.encode(), name) for name in ids))
    assert [f'"{name}"'.encode() for name in ids] == [runtime.answer(name).body for name in ids]
    workers = children(runtime.child.process.pid)
    await_true(lambda: [1, 1, 1] == [len(children(worker)) for worker in workers], "a program of each worker")


def test_fork(tmp_path: Path) -> None:
    """A process that is forked after loading starts a program of its own, and leaves its parent's alone."""
    write(tmp_path, {"child": CHILD})
    code = f"""
import os
from dispatch import Invocation
from dispatch.load import load
function = load("child", {str(tmp_path)!r}, "coprocess")
ask = lambda: function(Invocation(b'{{"do": "result(os.getpid())"}}')).body
first = ask()
if os.fork() == 0:
    print(ask() != first, flush=True)
    raise SystemExit
os.wait()
print(ask() == first)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert ("True\nTrue\n", 0) == (done.stdout, done.returncode), done.stderr


def test_function_that_is_dropped(tmp_path: Path) -> None:
    """The program of a function that is loaded in another process ends with the function."""
    from dispatch import Invocation
    from dispatch.load import load

    folder, path = os.getcwd(), [*sys.path]
    try:
        function = load("child", str(write(tmp_path, {"child": CHILD})), "coprocess")
        process = int(function(Invocation(b'{"do": "result(os.getpid())"}')).read())
        del function
        assert gone(process)
    finally:
        os.chdir(folder)
        sys.path[:] = path


def test_one_at_a_time(fail: Fail) -> None:
    """A program that answers one event after another cannot be shared by invocations that run at once."""
    failed = fail({"child": CHILD}, "child", "coprocess", env={"HANDLER_CONCURRENCY": "async", "HANDLER_WORKERS": "2"})
    assert "Runtime.InvalidSetting" == failed.type


@pytest.mark.parametrize(
    ("handler", "words"),
    [("none", ["no program 'none'", "PATH"]), ("child", ["child", "permission", "chmod +x"])],
)
def test_program_that_cannot_be_started(fail: Fail, handler: str, words: list[str]) -> None:
    """A program that cannot be started is an init error."""
    failed = fail({"child": "echo\n"}, handler, "coprocess")
    assert ("Runtime.HandlerNotFound", 1) == (failed.type, failed.status)
    assert [] == [word for word in words if word not in failed.report["errorMessage"]]


def test_program_that_goes_away(serve: Serve, tmp_path: Path) -> None:
    """A program that can no longer be started fails the event, and is started once it is there again."""
    runtime = start(serve)
    pid(runtime)
    (tmp_path / "task" / "child").unlink()
    for _ in range(2):
        assert "Runtime.ExitError" == do(runtime, "sys.exit(3)").report["errorType"]
    write(tmp_path / "task", {"child": CHILD})
    assert b"1" == runtime.invoke(b"1").body


def test_restarts_leave_nothing(serve: Serve) -> None:
    """No descriptor, process or thread is left after many restarts."""
    runtime = start(serve)
    do(runtime, "sys.exit(3)")
    process = runtime.child.process.pid

    def count() -> tuple[int, int, int]:
        pid(runtime)
        return len(os.listdir(f"/proc/{process}/fd")), len(children(process)), len(os.listdir(f"/proc/{process}/task"))

    before = count()
    for code in ["sys.exit(3)", "say(b'x\\n')", "say(b'{\"result\": 1}\\n' * 2)"] * 5:
        do(runtime, code)
    await_true(lambda: before == count(), "the same number of descriptors, processes and threads")


def test_explain(tmp_path: Path) -> None:
    """`dispatch explain` names the program, its arguments and the convention."""
    write(tmp_path, {"child": CHILD})
    done = subprocess.run(
        [sys.executable, "-m", "runtime.cli", "explain", "child -x", "--convention", "coprocess"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert [
        f"'child -x' in {tmp_path}",
        f"  names       the program {tmp_path / 'child'} with the arguments ['-x']",
        "  convention  coprocess: --convention names it",
        "  usable      yes",
    ] == done.stdout.splitlines()
